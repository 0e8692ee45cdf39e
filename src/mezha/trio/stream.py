"""Bytes on a socket, as a trio stream that is closed so that what was sent last arrives; and calls that do not wait."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import cast

import trio

from mezha.framing import Data
from mezha.sockets import drop, tune

__all__ = ["SocketStream", "TLSStream", "as_tls", "system_error"]

#: Bytes asked of the system at once.
_READ = 64 << 10
#: Buffers in one sendmsg: what Linux, macOS and the BSDs take.
_MOST_BUFFERS = 1024
#: Bytes to read at the end, at most: what a system keeps for a connection.
_DRAIN = 8 << 20


class _Buffer(threading.local):
    """One a thread: what was received has left it before the next read, and idle connections need none."""

    def __init__(self) -> None:
        self.space = memoryview(bytearray(_READ))


_buffer = _Buffer()


class SocketStream(trio.abc.HalfCloseableStream):
    """A connected socket, which belongs to it from now on.

    ``read`` and ``write`` do not wait, and so cannot be cancelled: whoever waits for the socket holds no bytes.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        tune(sock)
        self.socket = sock
        #: Nothing more is to be received.
        self.deaf = False

    # -- without waiting ----------------------------------------------------------------------------------------------

    def read(self, space: memoryview | None) -> memoryview:
        """Receive what is there, into ``space`` if there is any, and return it; it is to be used before the next read.

        Raises:
            BlockingIOError: nothing is there.
            OSError: the connection broke.

        """
        view = _buffer.space if space is None else space
        return view[: self.socket.recv_into(view)]

    def write(self, buffers: list[Data]) -> None:
        """Send what there is room for, and drop it from the list.

        Raises:
            OSError: the connection broke.

        """
        with suppress(BlockingIOError):
            while buffers:
                if len(buffers) > 1 and hasattr(self.socket, "sendmsg"):
                    drop(buffers, self.socket.sendmsg(buffers[:_MOST_BUFFERS]))
                else:
                    drop(buffers, self.socket.send(buffers[0]))

    def end(self) -> None:
        """End both directions, if the system has not: what has arrived can be read, and then the end."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Close the socket at once."""
        self.wake()
        self.socket.close()

    def wake(self) -> None:
        """Have whoever waits for the socket look again."""
        if self.socket.fileno() >= 0:
            with suppress(RuntimeError):  # where trio does not run any more, nobody waits
                trio.lowlevel.notify_closing(self.socket)

    # -- waiting ------------------------------------------------------------------------------------------------------

    async def readable(self) -> None:
        """Wait until there may be something to read, or the socket is closed, or somebody calls ``wake``."""
        with suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_readable(self._open())

    async def writable(self) -> None:
        """Wait until there may be room, or the socket is closed, or somebody calls ``wake``."""
        with suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_writable(self._open())

    # -- what trio calls, and its TLS ---------------------------------------------------------------------------------

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what is there, or wait for it. Cancelled, it has received nothing.

        Raises:
            WouldBlock: if it is deaf.

        """
        while True:
            if self.deaf:
                raise trio.WouldBlock
            await self.readable()
            with _errors_of_trio(), suppress(BlockingIOError):
                return self._open().recv(max_bytes or _READ)

    async def send_all(self, data: Data) -> None:
        """Send all; cancelled, it may have sent any part of it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        buffers: list[Data] = [data]
        with _errors_of_trio():
            self._open()
            self.write(buffers)
            while buffers:
                await self.writable()
                self._open()
                self.write(buffers)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there may be room."""
        await self.writable()
        self._open()

    async def send_eof(self) -> None:
        """End this side's stream."""
        await trio.lowlevel.checkpoint()
        with _errors_of_trio():
            self._open().shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        """End this side's stream, and close the socket.

        What is there is read before: a close with bytes unread resets the connection, and what was sent might never
        arrive.
        """
        with suppress(OSError):  # gone already
            self.socket.shutdown(socket.SHUT_WR)
        with suppress(OSError):  # nothing more there
            left = _DRAIN
            while left > 0 and (count := self.socket.recv_into(_buffer.space)):
                left -= count
        self.cut()
        await trio.lowlevel.checkpoint()

    def _open(self) -> socket.socket:
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("this stream was closed")
        return self.socket


@contextmanager
def _errors_of_trio() -> Generator[None]:
    try:
        yield
    except BlockingIOError:
        raise
    except OSError as error:
        raise trio.BrokenResourceError(str(error)) from error


#: TLS, on whatever stream.
TLSStream = trio.SSLStream[trio.abc.Stream]


def as_tls(stream: trio.abc.Stream) -> TLSStream | None:
    """Return the stream as one of TLS, if it is."""
    return cast("TLSStream", stream) if isinstance(stream, trio.SSLStream) else None


def system_error(error: BaseException) -> BaseException:
    """Return the system's error behind one of trio's, or the error itself."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__
    return error if cause is None else cause
