"""Blocking servers: a listener that accepts connections, and a server with one thread for each of them."""

import logging
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from types import TracebackType
from typing import Self

from mezha.blocking.peer import Answer, Peer, open_peer, pool_for
from mezha.blocking.stream import Stream, TLSStream, open_stream
from mezha.errors import ClosedByUs
from mezha.serving import GOING_AWAY, GONE, ONLY_REQUESTS, PAUSE, Listening, log_end, require_handler
from mezha.settings import Settings
from mezha.sockets import address_name, close_listening, tune

__all__ = ["Listener", "Server"]

log = logging.getLogger("mezha.blocking")


class Listener(Listening):
    """Listening sockets: ``accept`` the peers that connect, or iterate over them."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        settings: Settings,
        *,
        tls: ssl.SSLContext | None = None,
        batching: bool = True,
        answer: Answer | None = None,
    ) -> None:
        super().__init__(sockets)
        self._settings = settings
        self._tls = tls
        self._batching = batching
        #: It speaks a bare framing, and not the mezha protocol.
        self.bare = settings.framing is not None
        #: What answers requests, if anything does.
        self.answer = answer
        self._pool = pool_for(answer, settings)
        if self._pool is not None:
            self._pool.join()
        self._accepting = 0
        self._lock = threading.RLock()  # a signal handler may close while this thread accepts
        with ExitStack() as undoing:
            undoing.callback(close_listening, sockets)
            self._selector = undoing.enter_context(selectors.DefaultSelector())
            self._wake, waker = socket.socketpair()  # closing a socket does not wake who waits for it everywhere
            undoing.callback(self._wake.close)
            self._waker = undoing.enter_context(waker)
            self._selector.register(waker, selectors.EVENT_READ)
            for sock in sockets:
                sock.setblocking(False)
                self._selector.register(sock, selectors.EVENT_READ)
            undoing.pop_all()

    def accept(self, *, timeout: float | None = None) -> Peer:
        """Wait ``timeout`` seconds for the next peer, and return it. One that fails in TLS is logged and passed over.

        Raises:
            TimeoutError: nobody came.
            ClosedByUs: the listener was closed, also from another thread.

        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            sock, address = self.accept_socket(deadline)
            try:
                return self.greet(self.stream(sock))
            except OSError as error:
                name = address_name(address)
                log.warning("%s: connection not opened: %s", name, error, extra={"peer": name})

    def accept_socket(self, deadline: float | None = None) -> tuple[socket.socket, object]:
        """Wait for the next connection; return its socket, with nothing done to it, and its address. See ``stream``.

        Raises:
            TimeoutError: nobody came before ``deadline`` (of ``time.monotonic``).
            ClosedByUs: the listener was closed.

        """
        with self._lock:
            self._accepting += 1
        try:
            return self._accept(deadline)
        finally:
            with self._lock:
                self._accepting -= 1
                if self._closed:
                    self._release()

    def stream(self, sock: socket.socket) -> Stream:
        """Make a stream of a socket that was accepted; nothing is sent or received yet. See ``greet``.

        Raises:
            OSError: the connection is broken; the socket is closed.

        """
        try:
            sock.setblocking(True)
            tune(sock)
            if self._tls is not None:
                sock.getpeername()  # what the ssl module makes of a connection that is gone, nobody could close
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            return open_stream(sock)
        except BaseException:
            sock.close()
            raise

    def greet(self, stream: Stream) -> Peer:
        """Make a peer of a stream, with the TLS handshake if there is one.

        Raises:
            OSError: the handshake failed or took too long; the socket is closed.

        """
        times = self._settings.times
        if isinstance(stream, TLSStream):
            try:
                stream.handshake(None if times.connect is None else time.monotonic() + times.connect)
            except BaseException:
                stream.socket.close()
                raise
        return open_peer(stream, self._settings, batching=self._batching, answer=self.answer, pool=self._pool)

    def __iter__(self) -> Iterator[Peer]:
        """Accept peers until the listener is closed."""
        try:
            while True:
                yield self.accept()
        except ClosedByUs:
            return

    def close(self) -> None:
        """Stop listening; peers accepted before stay. Never raises; may be called again, and from any thread."""
        with self._lock:  # all of it again, as a KeyboardInterrupt may have come between
            if self._pool is not None and not self._closed:
                self._pool.leave()
            self._closed = True
            close_listening(self.sockets)
            self._wake.close()  # its other end becomes readable
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self, deadline: float | None) -> tuple[socket.socket, object]:
        while not self._closed:
            timeout = None if deadline is None else max(deadline - time.monotonic(), 0)
            events = self._selector.select(timeout)
            if not events:
                raise TimeoutError("nobody connected in time")
            for key, _ in events:
                if key.fileobj is self._waker or not isinstance(key.fileobj, socket.socket):
                    continue
                try:
                    with self._lock:  # close() in another thread must not free the number that accept() is using
                        return key.fileobj.accept()
                except GONE:
                    pass
                except OSError as error:
                    if not self._closed:
                        log.warning("cannot accept connections: %s; trying again in %g s", error, PAUSE)
                        time.sleep(PAUSE)
        raise ClosedByUs("this listener was closed on this side")

    def _release(self) -> None:
        """Close what threads wait with, once none does any more."""
        if not self._accepting:
            self._selector.close()
            self._waker.close()


class Server:
    """Serves the peers of a listener, each by ``handler(peer)`` in a thread of its own.

    The connection is closed when the handler returns. Without a handler it answers requests, and refuses messages. What
    a handler raises is logged (logger ``mezha.blocking``): a fault
    of the peer or of the network in a line, anything else with its traceback. While ``max_connections`` are being
    served, others wait in the system's backlog.

    ``serve_forever`` serves in this thread; a ``with`` block serves in another, until its end.
    """

    def __init__(
        self, listener: Listener, handler: Callable[[Peer], object] | None, *, max_connections: int = 1000
    ) -> None:
        require_handler(handler, listener.answer)
        if max_connections < 1:
            raise ValueError(f"max_connections must be 1 or more, not {max_connections}")
        self.listener = listener
        self._handler = handler or _refuse_messages
        self._most = max_connections
        #: How to cut each connection that is being served; and its peer, once there is one.
        self._cuts: dict[threading.Thread, Callable[[], None]] = {}
        self._peers: dict[threading.Thread, Peer] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._cutting = False
        #: The threads in ``stop``, each as often as it is.
        self._stoppers: list[threading.Thread] = []
        self._background: threading.Thread | None = None

    @property
    def connections(self) -> int:
        """How many connections are being served."""
        return len(self._cuts)

    def serve_forever(self) -> None:
        """Serve until ``stop`` is called in another thread; an exception, KeyboardInterrupt say, stops gracefully."""
        try:
            self._accept()
            with self._changed:  # whoever stops the server has said how long the handlers have
                self._changed.wait_for(lambda: not self._stoppers)
        finally:
            self.stop()

    def stop(self, timeout: float = 10.0) -> None:
        """Stop listening, give the handlers ``timeout`` seconds to finish, then cut the connections left.

        In the mezha protocol a handler has finished when it waits for a message and none is here, nor any request being
        answered: its peer is told that the server goes away, and ``recv`` raises ``ClosedByUs``. At the latest all are
        told, and cut a second later.

        Returns when all handlers have ended, or a second after the cut: a handler may be busy with something else.
        """
        with self._changed:
            self._stopping = True
            self._stoppers.append(threading.current_thread())
            self._changed.notify_all()
            try:
                self.listener.close()
                self._part(Peer.retire)
                self._changed.wait_for(lambda: not self._others(), timeout)
                if self._part(Peer.dismiss):
                    self._changed.wait_for(lambda: not self._others(), 1.0)
            finally:  # at once after a second Ctrl-C
                self.listener.close()
                self._cutting = True
                for thread in self._others():
                    self._cuts[thread]()
                self._changed.wait_for(lambda: not self._others(), 1.0)
                self._stoppers.remove(threading.current_thread())
                self._changed.notify_all()
            if others := self._others():
                log.warning("%d handlers are still running after the stop", len(others))

    def __enter__(self) -> Self:
        self._background = threading.Thread(target=self._accept, name="mezha server", daemon=True)
        self._background.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        assert self._background is not None
        self._background.join()

    def _part(self, say: Callable[[Peer], None]) -> bool:
        """Tell the peers of the others, if they speak the mezha protocol; return whether there are any."""
        if self.listener.bare:
            return False
        peers = [self._peers[thread] for thread in self._others() if thread in self._peers]
        for peer in peers:
            say(peer)
        return bool(peers)

    def _others(self) -> list[threading.Thread]:
        """Return whose connections to wait for: handlers that stop the server do not wait for each other."""
        exempt = self._stoppers if threading.current_thread() in self._cuts else ()
        return [thread for thread in self._cuts if thread not in exempt]

    def _accept(self) -> None:
        """Accept connections until the server is stopped, or its listener closed."""
        with suppress(ClosedByUs):
            while self._seat():
                sock, address = self.listener.accept_socket()
                self._start(sock, address_name(address))

    def _seat(self) -> bool:
        """Wait until another connection may be served; say whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or len(self._cuts) < self._most)
            return not self._stopping

    def _start(self, sock: socket.socket, name: str) -> None:
        thread = threading.Thread(target=self._serve, args=(sock, name), name=f"mezha peer {name}", daemon=True)
        with self._changed:
            if self._stopping:  # since it was accepted
                sock.close()
                return
            self._cuts[thread] = lambda: None  # until there is something to cut: see _cut_by
        try:
            thread.start()
        except RuntimeError as error:  # no more threads
            log.warning("%s: connection not served: %s", name, error, extra={"peer": name})
            sock.close()
            self._leave(thread)
            time.sleep(PAUSE)

    def _serve(self, sock: socket.socket, name: str) -> None:
        thread = threading.current_thread()
        try:
            stream = self.listener.stream(sock)
            if isinstance(stream, TLSStream):
                self._cut_by(partial(stream.abort, sending=True))  # a handshake sends
            with self.listener.greet(stream) as peer:
                self._cut_by(peer.abort, peer)
                self._handler(peer)
                if self._stopping:
                    peer.close(*GOING_AWAY)
        except Exception as error:  # noqa: BLE001 - the server goes on
            log_end(log, name, error, stopping=self._stopping)
        finally:
            self._leave(thread)

    def _cut_by(self, cut: Callable[[], None], peer: Peer | None = None) -> None:
        """Note how to cut the connection of this thread, and its peer, if there is one already."""
        with self._changed:
            self._cuts[threading.current_thread()] = cut
            if peer is not None:
                self._peers[threading.current_thread()] = peer
                if self._stopping and not self.listener.bare:
                    peer.retire()
            if self._cutting:
                cut()

    def _leave(self, thread: threading.Thread) -> None:
        with self._changed:
            del self._cuts[thread]
            self._peers.pop(thread, None)
            self._changed.notify_all()


def _refuse_messages(peer: Peer) -> None:
    """Let requests be answered, to the end of the connection."""
    with suppress(ClosedByUs):  # by who answers
        for _ in peer:
            peer.close(*ONLY_REQUESTS)
            return
