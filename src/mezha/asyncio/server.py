"""Asyncio servers: a listener that accepts connections, and a server with one task for each of them."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from types import TracebackType
from typing import Self

from mezha.asyncio.driver import Driver
from mezha.asyncio.peer import Answer, Peer
from mezha.asyncio.session import SessionDriver
from mezha.errors import ClosedByUs
from mezha.serving import GOING_AWAY, GONE, ONLY_REQUESTS, PAUSE, Listening, log_end, require_handler
from mezha.settings import Settings
from mezha.sockets import address_name, close_listening

__all__ = ["Listener", "Server", "open_peer"]

log = logging.getLogger("mezha.asyncio")

#: Connections accepted from the system and not yet asked for.
_AHEAD = 8


async def open_peer(
    opening: Callable[[Callable[[], Driver]], Awaitable[object]],
    settings: Settings,
    *,
    within: float | None,
    answer: Answer | None = None,
) -> Peer:
    """Return the peer at the other end of what ``opening``, a method of the loop, opens with a protocol factory.

    Raises:
        OSError: it could not be opened; TimeoutError after ``within`` seconds.

    """
    engine, session = settings.connection()
    driver = Driver(engine, settings.sizes) if session is None else SessionDriver(engine, session, settings.sizes)
    scope = nullcontext() if within is None else asyncio.timeout(within)
    try:
        async with scope:
            await opening(lambda: driver)
    except TimeoutError:
        if not isinstance(scope, asyncio.Timeout) or not scope.expired():
            raise
        raise TimeoutError(f"no connection within {within:g} s (Timeouts.connect)") from None
    peer = Peer(driver, close_timeout=settings.times.close)
    if isinstance(driver, SessionDriver):
        driver.open(None if answer is None else partial(answer, peer))
    return peer


class Listener(Listening):
    """Listening sockets: ``accept`` the peers that connect, or iterate over them. Belongs to the running loop."""

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
        self._accepted: asyncio.Queue[tuple[socket.socket, object] | None] = asyncio.Queue(_AHEAD)
        #: Sockets at which nobody is accepted until somebody has been asked for.
        self._held: list[socket.socket] = []
        #: On a loop that cannot say when a socket is readable, a task for each.
        self._acceptors: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        for sock in sockets:
            sock.setblocking(False)
            try:
                self._watch(sock)
            except NotImplementedError:  # it waits for completion, as on Windows
                self._acceptors.append(asyncio.create_task(self._accept_all(sock)))

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
        accepted = None if self._closed else await self._accepted.get()
        if accepted is None:
            if self._accepted.empty():
                self._accepted.put_nowait(None)  # for the next one who waits
            raise ClosedByUs("this listener was closed on this side")
        while self._held:
            self._watch(self._held.pop())
        return accepted

    async def greet(self, sock: socket.socket) -> Peer:
        """Make a peer of a socket that was accepted, with the TLS handshake if there is one.

        Raises:
            OSError: the handshake failed or took too long; the socket is closed.

        """
        try:
            return await open_peer(
                lambda factory: self._loop.connect_accepted_socket(factory, sock, ssl=self._tls),
                self._settings,
                within=None if self._tls is None else self._settings.times.connect,
                answer=self.answer,
            )
        except BaseException:
            sock.close()
            raise

    async def __aiter__(self) -> AsyncIterator[Peer]:
        """Accept peers until the listener is closed."""
        try:
            while True:
                yield await self.accept()
        except ClosedByUs:
            return

    def close(self) -> None:
        """Stop listening; peers accepted before stay. Never raises, and may be called again."""
        self._closed = True  # and the rest again, as a KeyboardInterrupt may have come between
        for sock in self.sockets:
            if sock.fileno() >= 0 and not self._acceptors:
                self._loop.remove_reader(sock)  # or the next socket of that number would be taken for this one
        for acceptor in self._acceptors:
            self._loop.call_soon(acceptor.cancel)  # not before it has seen what was accepted already
        close_listening(self.sockets)
        while not self._accepted.empty():
            if accepted := self._accepted.get_nowait():
                accepted[0].close()
        self._accepted.put_nowait(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self, sock: socket.socket) -> None:
        """Accept at a socket from now on, whenever somebody is there."""
        if not self._closed:
            self._loop.add_reader(sock, self._accept_some, sock)

    def _accept_some(self, sock: socket.socket) -> None:
        """Accept who is there, as many as may be accepted ahead."""
        try:
            while not self._accepted.full():
                self._accepted.put_nowait(sock.accept())
        except GONE:
            return
        except OSError as error:
            if not self._closed:
                log.warning("cannot accept connections: %s; trying again in %g s", error, PAUSE)
                self._loop.remove_reader(sock)
                self._loop.call_later(PAUSE, self._watch, sock)
            return
        self._loop.remove_reader(sock)
        self._held.append(sock)

    async def _accept_all(self, sock: socket.socket) -> None:
        while not self._closed:
            try:
                accepted = await self._loop.sock_accept(sock)
            except GONE:
                continue
            except OSError as error:
                if not self._closed:
                    log.warning("cannot accept connections: %s; trying again in %g s", error, PAUSE)
                    await asyncio.sleep(PAUSE)
                continue
            if self._closed:
                accepted[0].close()
                return
            try:
                await self._accepted.put(accepted)
            except BaseException:
                accepted[0].close()
                raise


class Server:
    """Serves the peers of a listener, each by ``await handler(peer)`` in a task of its own.

    The connection is closed when the handler returns. Without a handler it answers requests, and refuses messages. What
    a handler raises is logged (logger ``mezha.asyncio``): a fault of
    the peer or of the network in a line, anything else with its traceback. While ``max_connections`` are being
    served, others wait in the system's backlog.
    """

    def __init__(
        self, listener: Listener, handler: Callable[[Peer], Awaitable[object]] | None, *, max_connections: int = 1000
    ) -> None:
        require_handler(handler, listener.answer)
        if max_connections < 1:
            raise ValueError(f"max_connections must be 1 or more, not {max_connections}")
        self.listener = listener
        self._handler = handler or _refuse_messages
        self._seats = asyncio.Semaphore(max_connections)
        #: The tasks of the handlers, each with its peer, or the socket that will be one.
        self._handlers: dict[asyncio.Task[None], Peer | socket.socket] = {}
        self._stopping = False
        #: The tasks in ``stop``, and what is done when they leave it.
        self._stoppers: dict[asyncio.Task[object] | None, asyncio.Future[None]] = {}
        self._accepting = asyncio.create_task(self._accept())

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
        return len(self._handlers)

    def is_serving(self) -> bool:
        """Return whether new connections are accepted."""
        return not self._stopping

    async def serve_forever(self) -> None:
        """Serve until ``close`` or ``stop`` is called, or until cancelled; then stop gracefully."""
        try:
            await asyncio.wait([self._accepting])
            if self._stoppers:  # whoever stops the server has said how long the handlers have
                await asyncio.wait(self._stoppers.values())
        finally:
            await self.stop()

    def close(self) -> None:
        """Stop listening; the connections being served go on."""
        self._stopping = True
        self.listener.close()
        self._seats.release()  # for _accept(), which need not wait for one any more to see the end

    async def wait_closed(self) -> None:
        """Wait until, after ``close``, all handlers have ended."""
        await asyncio.wait([self._accepting])
        if others := self._others():
            await asyncio.wait(others)

    async def stop(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - no limit on the call, but a notice period
        """Stop listening, give the handlers ``timeout`` seconds to finish, then cut the connections left.

        In the mezha protocol a handler has finished when it waits for a message and none is here, nor any request being
        answered: its peer is told that the server goes away, and ``recv`` raises ``ClosedByUs``. At the latest all are
        told, and cut a second later.

        Handlers that go on even so are cancelled; it returns when all have ended. Cancelled itself, it cuts at once.
        """
        me = asyncio.current_task()
        self._stoppers[me] = asyncio.get_running_loop().create_future()
        try:
            try:
                self.close()
                if others := self._others():
                    self._part(Peer.retire)
                    await asyncio.wait(others, timeout=timeout)
                if self._part(Peer.dismiss):
                    await asyncio.wait(self._others(), timeout=1.0)
            finally:
                for task in self._others():
                    peer = self._handlers[task]
                    if isinstance(peer, Peer):
                        peer.abort()
                    else:
                        task.cancel()  # still in its handshake
            if others := self._others():
                await asyncio.wait(others, timeout=1.0)
            for task in self._others():
                task.cancel()
            await self.wait_closed()
        finally:
            self._stoppers.pop(me).set_result(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _part(self, say: Callable[[Peer], None]) -> bool:
        """Tell the peers of the others, if they speak the mezha protocol; return whether there are any."""
        if self.listener.bare:
            return False
        peers = [peer for task in self._others() if isinstance(peer := self._handlers[task], Peer)]
        for peer in peers:
            say(peer)
        return bool(peers)

    def _others(self) -> list[asyncio.Task[None]]:
        """Return the tasks to wait for: handlers that stop the server do not wait for each other or themselves."""
        me = asyncio.current_task()
        exempt = {me, *self._stoppers} if me in self._handlers else ()
        return [task for task in self._handlers if task not in exempt]

    async def _accept(self) -> None:
        try:
            while True:
                await self._seats.acquire()
                sock, address = await self.listener.accept_socket()
                task = asyncio.create_task(self._serve(sock, address))
                self._handlers[task] = sock
                task.add_done_callback(self._leave)
        except ClosedByUs:
            pass

    async def _serve(self, sock: socket.socket, address: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            async with await self.listener.greet(sock) as peer:
                self._handlers[task] = peer
                if self._stopping and not self.listener.bare:
                    peer.retire()
                await self._handler(peer)
                if self._stopping:
                    await peer.close(*GOING_AWAY)
        except Exception as error:  # noqa: BLE001 - the server goes on
            log_end(log, address_name(address), error, stopping=self._stopping)

    def _leave(self, task: asyncio.Task[None]) -> None:
        sock = self._handlers.pop(task)
        if isinstance(sock, socket.socket):
            sock.close()  # the task may have been cancelled before it began
        self._seats.release()


async def _refuse_messages(peer: Peer) -> None:
    """Let requests be answered, to the end of the connection."""
    with suppress(ClosedByUs):  # by who answers
        async for _ in peer:
            await peer.close(*ONLY_REQUESTS)
            return
