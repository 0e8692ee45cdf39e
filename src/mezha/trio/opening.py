"""The verbs of the trio flavour: connect, listen, serve, wrap. Each can be awaited, or used with ``async with``."""

import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import cached_property
from types import TracebackType
from typing import Any, cast

import trio

from mezha.framing import Framing
from mezha.limits import Limits, Timeouts
from mezha.observe import Observer
from mezha.opening import Opening
from mezha.reconnect import Loss, Reconnect, require_protocol
from mezha.serving import require_handler
from mezha.settings import Settings
from mezha.sockets import RETRY, StrPath, bind_tcp, bind_unix, connect_unix, require_place, server_name
from mezha.trio.peer import Answer, Peer
from mezha.trio.reconnecting import ReconnectingPeer
from mezha.trio.server import Listener, Server, make_peer, open_peer
from mezha.trio.stream import SocketStream, as_tls

__all__ = ["Serving", "connect", "listen", "serve", "wrap"]


def connect(
    host: str | None = None,
    port: int | None = None,
    *,
    unix: StrPath | None = None,
    framing: Framing | None = None,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    answer: Answer | None = None,
    reconnect: Reconnect | None = None,
    on_loss: Callable[[Loss], object] | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
) -> Opening[Peer]:
    """Connect to a host and port (without a host: this one), or to a Unix socket; the result is a :class:`Peer`.

    ``tls`` makes it a TLS connection; the certificate must be for ``server_hostname``, which is ``host`` if not given.
    With ``reconnect`` it is a :class:`ReconnectingPeer`, which connects again when the connection breaks, and calls
    ``on_loss`` each time with what became of the messages.

    Raises:
        OSError: no connection (ConnectionRefusedError, socket.gaierror, ssl.SSLError …); TimeoutError after
            ``Timeouts.connect`` seconds.
        TypeError: neither a host and port nor a path, or both; or ``reconnect`` with a bare framing.
        ValueError: the name that the certificate must be for is missing, with a Unix socket.

    """
    settings = Settings(framing, limits, timeouts, observer, answers=answer is not None)
    require_place(host, port, unix)
    require_protocol(reconnect, on_loss, framing)
    name = server_name(server_hostname, host, unix, tls)

    async def open_socket() -> SocketStream:
        if unix is None:
            return await _connect_tcp(host or "localhost", port or 0)
        while (sock := connect_unix(unix)) is None:  # noqa: ASYNC110 - nobody says when there is room
            await trio.sleep(RETRY)
        return SocketStream(sock)

    async def open_one(answer: Answer | None = answer) -> Peer:
        return await open_peer(
            open_socket, settings, tls=tls, server_hostname=name, within=settings.times.connect, answer=answer
        )

    if reconnect is None:
        return Opening(open_one)
    policy = reconnect
    return Opening(lambda: ReconnectingPeer(open_one, answer, settings, policy, on_loss).begin())


def listen(
    host: str | None = None,
    port: int | None = None,
    *,
    unix: StrPath | None = None,
    framing: Framing | None = None,
    tls: ssl.SSLContext | None = None,
    answer: Answer | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
    backlog: int = 100,
) -> Opening[Listener]:
    """Listen at a host and port, or at the path of a Unix socket; the result is a :class:`Listener`.

    Without a host it listens at every address of this machine. Port 0 is a free port: see ``Listener.port``.
    ``backlog`` connections wait in the system until they are accepted. An observer watches all connections.

    Raises:
        OSError: the address is taken, or not of this machine.
        TypeError: neither a port nor a path, or both.

    """
    settings = Settings(framing, limits, timeouts, observer, answers=answer is not None)
    require_place(host, port, unix)

    async def open_it() -> Listener:
        if unix is not None:
            await trio.lowlevel.checkpoint()
            sockets = bind_unix(unix, backlog=backlog)
        else:
            places = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            sockets = bind_tcp(places, backlog=backlog)
        return Listener(sockets, settings, tls=tls, answer=answer)

    return Opening(open_it)


class Serving(Coroutine[Any, Any, None]):
    """A server about to be started: serve in an ``async with`` block, or ``await`` it to serve until cancelled.

    As nurseries start coroutines only, it is one.
    """

    def __init__(
        self, listening: Opening[Listener], start: Callable[[Listener], Server], started: trio.TaskStatus[Server]
    ) -> None:
        self._listening = listening
        self._start = start
        self._started = started
        self._server: Server

    async def __aenter__(self) -> Server:
        listener = await self._listening
        try:
            self._server = await self._start(listener).__aenter__()
        except BaseException:
            listener.close()
            raise
        return self._server

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._server.__aexit__(kind, error, traceback)

    def __await__(self) -> Generator[Any, Any, None]:
        return self._running.__await__()

    def send(self, value: Any, /) -> Any:
        """Go on, as coroutines do."""
        return self._running.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with an exception, as coroutines do."""
        return self._running.throw(*error)

    def close(self) -> None:
        """End it, as coroutines can be."""
        self._running.close()

    @cached_property
    def _running(self) -> Coroutine[Any, Any, None]:
        return self._run()

    async def _run(self) -> None:
        async with self as server:
            await server.serve_forever(task_status=self._started)


def serve(
    handler: Callable[[Peer], Awaitable[object]] | None,
    host: str | None = None,
    port: int | None = None,
    *,
    unix: StrPath | None = None,
    framing: Framing | None = None,
    tls: ssl.SSLContext | None = None,
    answer: Answer | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
    backlog: int = 100,
    max_connections: int = 1000,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> Serving:
    """Serve: ``await handler(peer)`` in a task for each connection.

    ``None`` instead of a handler is for servers that answer requests and nothing else.

    In an ``async with`` block it serves beside the block, which gets the :class:`Server`, and stops gracefully at its
    end, as ``Server.stop`` does. Awaited, it serves until it is cancelled, or until ``Server.stop`` or ``close`` is
    called; so a nursery can start it: ``server = await nursery.start(partial(serve, handler, "localhost", 1898,
    framing=Lines()))``.

    Raises:
        OSError: the address is taken, or not of this machine.
        TypeError: neither a port nor a path, or both; neither a handler nor ``answer``.

    """
    require_handler(handler, answer)
    listening = listen(
        host,
        port,
        unix=unix,
        framing=framing,
        answer=answer,
        tls=tls,
        limits=limits,
        timeouts=timeouts,
        observer=observer,
        backlog=backlog,
    )
    return Serving(listening, lambda listener: Server(listener, handler, max_connections=max_connections), task_status)


def wrap(
    stream: trio.abc.Stream | trio.socket.SocketType | socket.socket,
    framing: Framing | None = None,
    *,
    answer: Answer | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
) -> Opening[Peer]:
    """Make a peer of a connection that you already have, any trio stream or a connected socket.

    It belongs to the peer from now on; ``detach`` gives it back. A socket of trio's, also in a
    :class:`trio.SocketStream` and under its TLS, is taken out of the object given: do not use that any more.

    Raises:
        TypeError: something else; or an :class:`ssl.SSLSocket`, which trio cannot use.

    """
    settings = Settings(framing, limits, timeouts, observer, answers=answer is not None)
    if isinstance(stream, ssl.SSLSocket):
        raise TypeError("trio cannot use an ssl.SSLSocket: connect with tls=, or wrap it in mezha.blocking")
    kinds = trio.abc.Stream | trio.socket.SocketType | socket.socket
    if not isinstance(stream, kinds):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"wrap wants a trio stream or a socket, not a {type(stream).__name__}")

    async def open_it() -> Peer:
        await trio.lowlevel.checkpoint()
        ours = _take_over(stream)
        return make_peer(ours, settings, answer)

    return Opening(open_it)


def _take_over(stream: trio.abc.Stream | trio.socket.SocketType | socket.socket) -> trio.abc.Stream:
    if isinstance(stream, trio.SocketStream):
        stream = stream.socket
    if isinstance(stream, trio.socket.SocketType):
        stream = socket.socket(stream.family, stream.type, stream.proto, fileno=stream.detach())
    if isinstance(stream, socket.socket):
        return SocketStream(stream)
    if (tls := as_tls(stream)) is not None:
        tls.transport_stream = _take_over(tls.transport_stream)
    return stream


async def _connect_tcp(host: str, port: int) -> SocketStream:
    """Connect; of the errors of several addresses, raise one if they are the same."""
    try:
        stream = await trio.open_tcp_stream(host, port)
    except OSError as error:
        group = error.__cause__
        if isinstance(group, ExceptionGroup):
            causes = cast("ExceptionGroup[OSError]", group).exceptions
            if len(set(map(type, causes))) == 1:
                raise causes[0] from None
        raise
    return cast("SocketStream", _take_over(stream))
