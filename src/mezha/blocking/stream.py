"""Bytes on a socket, with deadlines: what of the system a blocking connection uses, plain or under TLS."""

import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from mezha.blocking.wire import Wire, open_wire
from mezha.framing import Data
from mezha.sockets import reset_at_close

__all__ = ["PlainStream", "Stream", "TLSStream", "open_stream", "open_tls_stream"]

#: Absent on Windows; then the socket itself does not wait, and what asks for it to costs a system call more.
_DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)
#: Buffers in one sendmsg: what POSIX systems take at least is 16, what Linux, macOS and the BSDs take is 1024.
_MOST_BUFFERS = 1024
#: The most that TLS puts into one record, and OpenSSL sends in one call.
_RECORD = 16384
#: Bytes asked of the system at once, and by a thread that has to wait for them.
_READ = 128 << 10
_FIRST = 4096
#: Buffers to receive into, while nobody does: an idle connection has none.
_spare: list[memoryview] = []

T = TypeVar("T")


class Stream:
    """A connected socket. Times are of ``time.monotonic``; one thread may receive while another sends."""

    #: Bytes of what was last offered to ``send`` that are on their way, though it counted none of them as sent: they
    #: must be offered again before any others.
    committed = 0
    #: ``send`` waits for room, or was interrupted there by an exception out of a signal handler: nothing is in doubt.
    waits = False
    #: Its quick ends; what they leave undone is for ``send``, when they have been told to ``take`` everything back.
    wire = Wire()

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.had_timeout = sock.gettimeout()
        self._cut = False

    def receive(self, space: memoryview | None, deadline: float | None) -> Data | None:
        """Receive what is there, into ``space`` if there is any, and return it; wait for it until ``deadline``.

        ``None`` says that nothing came, and perhaps the deadline has passed.
        """
        raise NotImplementedError

    def send(self, buffers: Sequence[Data], deadline: float | None) -> int | None:
        """Send some of the bytes, and return how many, waiting until ``deadline``; ``None`` when that has passed."""
        raise NotImplementedError

    def end(self, deadline: float = 0.0) -> None:
        """End this side's stream; what has to be said for it may wait for room until ``deadline``."""
        self.socket.shutdown(socket.SHUT_WR)

    def wake(self) -> None:
        """Wake whoever waits in another thread: nothing more is sent or received."""
        self._shut(socket.SHUT_RDWR)

    def abort(self, *, sending: bool = False) -> None:
        """Wake whoever waits in another thread; ``close`` will cut the connection, which the peer sees as a reset.

        Until then the peer sees nothing, unless another thread is ``sending``: it cannot be woken otherwise.
        """
        self._cut = True
        reset_at_close(self.socket)
        self._shut(socket.SHUT_RDWR if sending or sys.platform != "linux" else socket.SHUT_RD)

    def _shut(self, how: int) -> None:
        with suppress(OSError):  # not connected any more
            # Not SSLSocket.shutdown(): it forgets the keys first, and another thread would go on sending in the clear.
            socket.socket.shutdown(self.socket, how)

    def close(self, deadline: float = 0.0) -> None:
        """End this side's stream, in order if that can be done before ``deadline``, and close the socket."""
        self.wire.close()
        if not self._cut:
            with suppress(OSError):  # broken already; or TLS, which says goodbye and then complains of messages unread
                self.end(deadline)
            with suppress(OSError):
                self._drain()
        self.socket.close()

    def _drain(self) -> None:
        """Read what is there: a close() with bytes unread resets the connection, and what was sent may never arrive."""
        rest = bytearray(_FIRST)
        deadline = time.monotonic() + 0.1
        while socket.socket.recv_into(self.socket, rest, 0, _DONTWAIT) and time.monotonic() < deadline:
            pass  # encrypted, under TLS: nobody will look at it

    def _wait_to_send(self, *, write: bool, deadline: float | None) -> bool:
        self.waits = True
        ready = self._wait(write=write, deadline=deadline)
        self.waits = False
        return ready

    def _wait(self, *, write: bool, deadline: float | None) -> bool:
        """Wait until the socket is ready, or the deadline has passed."""
        timeout = None if deadline is None else max(deadline - time.monotonic(), 0)
        try:
            if hasattr(select, "poll"):  # select() knows no file descriptors above 1023
                poll = select.poll()
                poll.register(self.socket, select.POLLOUT if write else select.POLLIN)
                return bool(poll.poll(None if timeout is None else timeout * 1000))
            sockets = [self.socket]
            return any(select.select([] if write else sockets, sockets if write else [], [], timeout))
        except ValueError:  # closed in another thread: what is tried next will say so
            return True


class PlainStream(Stream):
    """A TCP or Unix socket. It stays in blocking mode: to receive without a deadline is one system call."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.setblocking(bool(_DONTWAIT))
        if wire := open_wire(sock):
            self.wire = wire
            self.receive = wire.receive  # type: ignore[method-assign]

    def receive(self, space: memoryview | None, deadline: float | None) -> Data | None:
        """Receive: at once if something is there, or wait."""
        while True:
            try:
                return self._try_receive(space)
            except BlockingIOError:
                if deadline is None and _DONTWAIT:
                    return self.socket.recv(_FIRST)
                if not self._wait(write=False, deadline=deadline):
                    return None

    def _try_receive(self, space: memoryview | None) -> Data:
        if space is not None:
            return space[: self.socket.recv_into(space, 0, _DONTWAIT)]
        try:
            buffer = _spare.pop()
        except IndexError:
            buffer = memoryview(bytearray(_READ))
        try:
            return bytes(buffer[: self.socket.recv_into(buffer, 0, _DONTWAIT)])
        finally:
            _spare.append(buffer)

    def send(self, buffers: Sequence[Data], deadline: float | None) -> int | None:
        """Send: at once if there is room, or wait."""
        while True:
            try:  # A signal that interrupts a blocking call would take the count with it: what is on the wire already?
                if len(buffers) > 1 and hasattr(self.socket, "sendmsg"):
                    return self.socket.sendmsg(buffers[:_MOST_BUFFERS], [], _DONTWAIT)
                return self.socket.send(buffers[0], _DONTWAIT)
            except BlockingIOError:
                if not self._wait_to_send(write=True, deadline=deadline):
                    return None


class TLSStream(Stream):
    """A socket under TLS. OpenSSL bears no two calls at once, so each is short, under a lock, and waits outside it."""

    socket: ssl.SSLSocket

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        sock.setblocking(False)
        # A stream that ends without TLS's goodbye was cut, by whomever: that is no orderly end.
        sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        self._lock = threading.Lock()
        self._buffer = memoryview(bytearray(_RECORD))

    def receive(self, space: memoryview | None, deadline: float | None) -> Data | None:
        """Receive and decrypt a record: at once if something is there, or wait."""
        view = self._buffer if space is None else space
        count = self._attempt(lambda: self.socket.recv_into(view), deadline)
        return None if count is None else view[:count]

    def send(self, buffers: Sequence[Data], deadline: float | None) -> int | None:
        """Encrypt and send a record of the first buffer: at once if there is room, or wait."""
        record = memoryview(buffers[0])[:_RECORD]
        sent = self._attempt(lambda: self.socket.send(record), deadline, self._wait_to_send)
        self.committed = len(record) if sent is None else 0  # encrypted, and kept by OpenSSL until there is room
        return sent

    def handshake(self, deadline: float | None) -> None:
        """Agree with the peer on keys.

        Raises:
            OSError: the peer did not get through it (TimeoutError: in time).

        """

        def greet() -> bool:
            self.socket.do_handshake()
            return True

        if not self._attempt(greet, deadline):
            raise TimeoutError("the TLS handshake took too long (Timeouts.connect)")

    def end(self, deadline: float = 0.0) -> None:
        """Say goodbye as TLS does (RFC 8446, section 6.1), without waiting for the answer."""

        def say_goodbye() -> bool:
            with suppress(ssl.SSLWantReadError, ValueError):  # said, and not answered yet; or closed already
                self.socket.unwrap()
            return True

        self._attempt(say_goodbye, deadline)  # the peer has to make room for it

    def _attempt(
        self, call: Callable[[], T], deadline: float | None, wait: Callable[..., bool] | None = None
    ) -> T | None:
        """Call until OpenSSL need not wait for the peer to get through; ``None`` when the deadline has passed."""
        while True:
            try:
                with self._lock:
                    return call()
            except ssl.SSLWantReadError:
                write = False
            except ssl.SSLWantWriteError:
                write = True
            if not (wait or self._wait)(write=write, deadline=deadline):
                return None


def open_stream(sock: socket.socket) -> Stream:
    """Return the stream for a connected socket."""
    return TLSStream(sock) if isinstance(sock, ssl.SSLSocket) else PlainStream(sock)


def open_tls_stream(
    sock: socket.socket,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    timeout: float | None,
) -> Stream:
    """Return the stream for a connected socket, after a TLS handshake of ``timeout`` seconds at most.

    Raises:
        OSError: the handshake failed (ssl.SSLError), or took too long (TimeoutError). The socket is closed.

    """
    try:
        sock = context.wrap_socket(
            sock, server_side=server_side, server_hostname=server_hostname, do_handshake_on_connect=False
        )
        stream = TLSStream(sock)
        stream.handshake(None if timeout is None else time.monotonic() + timeout)
    except BaseException:
        sock.close()
        raise
    return stream
