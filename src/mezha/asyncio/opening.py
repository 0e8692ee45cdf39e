"""The verbs of the asyncio flavour: connect, listen, serve, wrap. Each can be awaited, or used with ``async with``."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from mezha.asyncio.peer import Answer, Peer
from mezha.asyncio.reconnecting import ReconnectingPeer
from mezha.asyncio.server import Listener, Server, open_peer
from mezha.framing import Framing
from mezha.limits import Limits, Timeouts
from mezha.observe import Observer
from mezha.opening import Opening
from mezha.reconnect import Loss, Reconnect, require_protocol
from mezha.serving import require_handler
from mezha.settings import Settings
from mezha.sockets import RETRY, StrPath, bind_tcp, bind_unix, connect_unix, require_place, server_name

__all__ = ["connect", "listen", "serve", "wrap"]


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
    if tls is not None and name is None:
        name = ""  # the way of asyncio to say that any will do

    async def open_one(answer: Answer | None = answer) -> Peer:
        loop = asyncio.get_running_loop()
        if unix is not None:
            path = unix

            async def open_unix(factory: Callable[[], asyncio.BaseProtocol]) -> None:
                while (sock := connect_unix(path)) is None:  # noqa: ASYNC110 - nobody says when there is room
                    await asyncio.sleep(RETRY)
                try:
                    await loop.create_unix_connection(factory, sock=sock, ssl=tls, server_hostname=name)
                except BaseException:
                    sock.close()
                    raise

            return await open_peer(open_unix, settings, within=settings.times.connect, answer=answer)
        place = (host or "localhost", port or 0)
        return await open_peer(
            lambda factory: loop.create_connection(factory, *place, ssl=tls, server_hostname=name),
            settings,
            within=settings.times.connect,
            answer=answer,
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
            sockets = bind_unix(unix, backlog=backlog)
        else:
            places = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            sockets = bind_tcp(places, backlog=backlog)
        return Listener(sockets, settings, tls=tls, answer=answer)

    return Opening(open_it)


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
) -> Opening[Server]:
    """Serve: ``await handler(peer)`` in a task for each connection; the result is a :class:`Server`, serving already.

    ``None`` instead of a handler is for servers that answer requests and nothing else.

    At the end of an ``async with`` block it stops gracefully, as ``Server.stop`` does.

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

    async def open_it() -> Server:
        listener = await listening
        try:
            return Server(listener, handler, max_connections=max_connections)
        except BaseException:
            listener.close()
            raise

    return Opening(open_it)


def wrap(
    sock: socket.socket,
    framing: Framing | None = None,
    *,
    answer: Answer | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
) -> Opening[Peer]:
    """Make a peer of a connected socket that you already have; the result is a :class:`Peer`.

    The socket belongs to the peer from now on, and is made non-blocking; ``detach`` gives it back.

    Raises:
        TypeError: an :class:`ssl.SSLSocket`, which an event loop cannot use.

    """
    settings = Settings(framing, limits, timeouts, observer, answers=answer is not None)
    if isinstance(sock, ssl.SSLSocket):
        raise TypeError("an event loop cannot use an ssl.SSLSocket: connect with tls=, or wrap it in mezha.blocking")

    async def open_it() -> Peer:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        return await open_peer(
            lambda factory: loop.create_connection(factory, sock=sock), settings, within=None, answer=answer
        )

    return Opening(open_it)
