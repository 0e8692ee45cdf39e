"""Trio servers: a listener that accepts connections, and a server with one task for each of them."""

import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

import trio

from mezha.errors import ClosedByUs
from mezha.serving import GOING_AWAY, GONE, ONLY_REQUESTS, PAUSE, Listening, log_end, require_handler
from mezha.settings import Settings
from mezha.sockets import address_name, close_listening
from mezha.trio.driver import Driver
from mezha.trio.peer import Answer, Peer
from mezha.trio.session import SessionDriver
from mezha.trio.stream import SocketStream, TLSStream, system_error

__all__ = ["Listener", "Server", "make_peer", "open_peer"]

log = logging.getLogger("mezha.trio")


async def open_peer(
    open_socket: Callable[[], Awaitable[SocketStream]],
    settings: Settings,
    *,
    tls: ssl.SSLContext | None,
    server_side: bool = False,
    server_hostname: str | None = None,
    within: float | None,
    answer: Answer | None = None,
) -> Peer:
    """Return the peer at the other end of what ``open_socket`` opens, after the TLS handshake, if there is one.

    Raises:
        OSError: it could not be opened, or the handshake failed; TimeoutError after ``within`` seconds.

    """
    with trio.CancelScope() as scope:
        if within is not None:
            scope.deadline = trio.current_time() + within
        stream: trio.abc.Stream
        stream = transport = await open_socket()
        if tls is not None:
            stream = await _greet(transport, tls, server_side=server_side, server_hostname=server_hostname)
        return make_peer(stream, settings, answer)
    raise TimeoutError(f"no connection within {within:g} s (Timeouts.connect)")


def make_peer(stream: trio.abc.Stream, settings: Settings, answer: Answer | None) -> Peer:
    """Return the peer at the other end of a stream."""
    engine, session = settings.connection()
    if session is None:
        return Peer(Driver(engine, settings.sizes, stream), close_timeout=settings.times.close)
    driver = SessionDriver(engine, session, settings.sizes, stream)
    peer = Peer(driver, close_timeout=settings.times.close)
    driver.open(None if answer is None else partial(answer, peer))
    return peer


async def _greet(
    transport: SocketStream, tls: ssl.SSLContext, *, server_side: bool, server_hostname: str | None
) -> TLSStream:
    try:
        stream = TLSStream(transport, tls, server_side=server_side, server_hostname=server_hostname)
        await stream.do_handshake()
    except BaseException as error:
        transport.cut()
        if isinstance(error, trio.BrokenResourceError):
            raise system_error(error) from None
        raise
    return stream


class Listener(Listening):
    """Listening sockets: ``accept`` the peers that connect, or iterate over them."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        settings: Settings,
        *,
        tls: ssl.SSLContext | None = None,
        answer: Answer | None = None,
    ) -> None:
        super().__init__(sockets)
        self._settings = settings
        self._tls = tls
        #: It speaks a bare framing, and not the mezha protocol.
        self.bare = settings.framing is not None
        #: What answers requests, if anything does.
        self.answer = answer
        self._turn = trio.Lock()  # of two tasks that wait for a socket, trio refuses one
        for sock in sockets:
            sock.setblocking(False)

    async def accept(self) -> Peer:
        """Wait for the next peer, and return it. One that fails in TLS is logged and passed over.

        Raises:
            ClosedByUs: the listener was closed, also in another task.

        """
        while True:
            sock, address = await self.accept_socket()
            try:
                return await self.greet(sock)
            except OSError as error:
                name = address_name(address)
                log.warning("%s: connection not opened: %s", name, error, extra={"peer": name})

    async def accept_socket(self) -> tuple[socket.socket, object]:
        """Wait for the next connection; return its socket, with nothing done to it, and its address. See ``greet``.

        Raises:
            ClosedByUs: the listener was closed.

        """
        async with self._turn:
            while not self._closed:
                await self._readable()
                for sock in self.sockets:
                    try:
                        if not self._closed:
                            return sock.accept()
                    except GONE:
                        pass
                    except OSError as error:
                        log.warning("cannot accept connections: %s; trying again in %g s", error, PAUSE)
                        await trio.sleep(PAUSE)
        raise ClosedByUs("this listener was closed on this side")

    async def greet(self, sock: socket.socket) -> Peer:
        """Make a peer of a socket that was accepted, with the TLS handshake if there is one.

        Raises:
            OSError: the handshake failed or took too long; the socket is closed.

        """

        async def take_it() -> SocketStream:
            return SocketStream(sock)

        within = None if self._tls is None else self._settings.times.connect
        return await open_peer(
            take_it, self._settings, tls=self._tls, server_side=True, within=within, answer=self.answer
        )

    def __aiter__(self) -> Self:
        """Accept peers until the listener is closed."""
        return self

    async def __anext__(self) -> Peer:
        try:
            return await self.accept()
        except ClosedByUs:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """Stop listening; peers accepted before stay. Never raises, and may be called again."""
        self._closed = True
        for sock in self.sockets:
            if sock.fileno() >= 0:
                with suppress(RuntimeError):  # where trio does not run any more, nobody waits
                    trio.lowlevel.notify_closing(sock)
        close_listening(self.sockets)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def _readable(self) -> None:
        """Wait until somebody may have connected, or the listener is closed."""
        if len(self.sockets) == 1:
            await _readable(self.sockets[0])
            return

        async def wait(sock: socket.socket, scope: trio.CancelScope) -> None:
            await _readable(sock)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            for sock in self.sockets:
                nursery.start_soon(wait, sock, nursery.cancel_scope)


async def _readable(sock: socket.socket) -> None:
    if sock.fileno() >= 0:
        with suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_readable(sock)


@dataclass(slots=True, eq=False)
class _Connection:
    """One that is being served."""

    sock: socket.socket
    name: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    #: Who serves it, and what it serves, once it has begun.
    task: trio.lowlevel.Task | None = None
    peer: Peer | None = None


class Server:
    """Serves the peers of a listener, each by ``await handler(peer)`` in a task of its own.

    The connection is closed when the handler returns. Without a handler it answers requests, and refuses messages. What
    a handler raises is logged (logger ``mezha.trio``): a fault of the peer or of the network in a line, anything else
    with its traceback. While ``max_connections`` are being served, others wait in the system's backlog.

    It serves in an ``async with`` block, until its end; or use ``serve_forever``. The handlers belong to whoever does:
    cancelled, they are.
    """

    def __init__(
        self, listener: Listener, handler: Callable[[Peer], Awaitable[object]] | None, *, max_connections: int = 1000
    ) -> None:
        require_handler(handler, listener.answer)
        if max_connections < 1:
            raise ValueError(f"max_connections must be 1 or more, not {max_connections}")
        self.listener = listener
        self._handler = handler or _refuse_messages
        self._seats = trio.Semaphore(max_connections)
        self._connections: set[_Connection] = set()
        self._nursery: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._stopping = False
        #: The tasks in ``stop``, each as often as it is.
        self._stoppers: list[trio.lowlevel.Task] = []
        self._accepting = False
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets."""
        return self.listener.sockets

    @property
    def port(self) -> int:
        """The TCP port; ValueError for a Unix socket."""
        return self.listener.port

    @property
    def connections(self) -> int:
        """How many connections are being served."""
        return len(self._connections)

    def is_serving(self) -> bool:
        """Return whether new connections are accepted."""
        return self._accepting and not self._stopping

    async def serve_forever(self, *, task_status: trio.TaskStatus["Server"] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``close`` or ``stop`` is called; then stop gracefully. Cancelled, it cuts at once.

        In the ``async with`` block of the server, it waits for that. A nursery can start it:
        ``await nursery.start(server.serve_forever)``.
        """
        if self._nursery is None:
            async with self:
                await self.serve_forever(task_status=task_status)
            return
        task_status.started(self)
        # Whoever stops the server has said how long the handlers have.
        await self._until(lambda: not self._accepting and not self._stoppers)
        await self.stop()

    def close(self) -> None:
        """Stop listening; the connections being served go on."""
        self._stopping = True
        self.listener.close()
        self._seats.release()  # for _accept(), which need not wait for one any more to see the end

    async def wait_closed(self) -> None:
        """Wait until, after ``close``, all handlers have ended."""
        await self._until(lambda: not self._accepting and not self._others())

    async def stop(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - no limit on the call, but a notice period
        """Stop listening, give the handlers ``timeout`` seconds to finish, then cut the connections left.

        In the mezha protocol a handler has finished when it waits for a message and none is here, nor any request being
        answered: its peer is told that the server goes away, and ``recv`` raises ``ClosedByUs``. At the latest all are
        told, and cut a second later.

        Handlers that go on even so are cancelled; it returns when all have ended. Cancelled itself, it cuts at once.
        """
        me = trio.lowlevel.current_task()
        self._stoppers.append(me)
        try:
            try:
                self.close()
                self._part(Peer.retire)
                with trio.move_on_after(timeout):
                    await self._until(lambda: not self._others())
                if self._part(Peer.dismiss):
                    with trio.move_on_after(1.0):
                        await self._until(lambda: not self._others())
            finally:
                for connection in self._others():
                    if connection.peer is None:
                        connection.scope.cancel()  # still in its handshake
                    else:
                        connection.peer.abort()
            with trio.move_on_after(1.0):
                await self._until(lambda: not self._others())
            for connection in self._others():
                connection.scope.cancel()
            await self.wait_closed()
        finally:
            self._stoppers.remove(me)
            self._changed.unpark_all()

    async def __aenter__(self) -> Self:
        self._nursery = trio.open_nursery()
        nursery = await self._nursery.__aenter__()
        self._accepting = True
        nursery.start_soon(self._accept, nursery)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._nursery is not None
        try:
            await self.stop()
        finally:
            # What the block raised is not the nursery's, which would make a group of it.
            await self._nursery.__aexit__(None, None, None)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.park()

    def _part(self, say: Callable[[Peer], None]) -> bool:
        """Tell the peers of the others, if they speak the mezha protocol; return whether there are any."""
        if self.listener.bare:
            return False
        peers = [connection.peer for connection in self._others() if connection.peer is not None]
        for peer in peers:
            say(peer)
        return bool(peers)

    def _others(self) -> list[_Connection]:
        """Return the connections to wait for: handlers that stop the server do not wait for each other."""
        me = trio.lowlevel.current_task()
        inside = any(connection.task is me for connection in self._connections)
        exempt = (me, *self._stoppers) if inside else ()
        return [connection for connection in self._connections if connection.task not in exempt]

    async def _accept(self, nursery: trio.Nursery) -> None:
        try:
            while True:
                await self._seats.acquire()
                sock, address = await self.listener.accept_socket()
                connection = _Connection(sock, address_name(address))
                self._connections.add(connection)
                nursery.start_soon(self._serve, connection, name=f"mezha peer {connection.name}")
        except ClosedByUs:
            pass
        finally:
            self._accepting = False
            self._changed.unpark_all()

    async def _serve(self, connection: _Connection) -> None:
        connection.task = trio.lowlevel.current_task()
        try:
            with connection.scope, self._logging(connection.name):
                async with await self.listener.greet(connection.sock) as peer:
                    connection.peer = peer
                    if self._stopping and not self.listener.bare:
                        peer.retire()
                    with self._logging(connection.name):  # before the close, which may be cancelled
                        await self._handler(peer)
                        if self._stopping:
                            await peer.close(*GOING_AWAY)
        finally:
            self._connections.remove(connection)
            self._seats.release()
            self._changed.unpark_all()

    @contextmanager
    def _logging(self, name: str) -> Generator[None]:
        """Log what is raised, and go on; but for a cancellation."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the server goes on
            log_end(log, name, error, stopping=self._stopping)
        except BaseExceptionGroup as group:  # it was cancelled, and something failed beside
            failed, rest = group.split(Exception)
            if failed is not None:
                log_end(log, name, failed, stopping=self._stopping)
            if rest is not None:
                raise rest from None


async def _refuse_messages(peer: Peer) -> None:
    """Let requests be answered, to the end of the connection."""
    with suppress(ClosedByUs):  # by who answers
        async for _ in peer:
            await peer.close(*ONLY_REQUESTS)
            return
