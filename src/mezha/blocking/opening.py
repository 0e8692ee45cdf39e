"""The verbs of the blocking flavour: connect, listen, serve, wrap."""

import socket
import ssl
import time
from collections.abc import Callable

from mezha.blocking.peer import Answer, Peer, open_peer, pool_for
from mezha.blocking.reconnecting import ReconnectingPeer
from mezha.blocking.server import Listener, Server
from mezha.blocking.stream import open_stream, open_tls_stream
from mezha.framing import Framing
from mezha.limits import Limits, Timeouts
from mezha.observe import Observer
from mezha.reconnect import Loss, Reconnect, require_protocol
from mezha.serving import require_handler
from mezha.settings import Settings
from mezha.sockets import RETRY, StrPath, bind_tcp, bind_unix, connect_unix, require_place, server_name, tune

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
    batching: bool = True,
) -> Peer:
    """Connect to a host and port (without a host: this one), or to a Unix socket, and return the peer.

    ``tls`` makes it a TLS connection; the certificate must be for ``server_hostname``, which is ``host`` if not given.
    With ``reconnect`` it is a :class:`ReconnectingPeer`, which connects again when the connection breaks, and calls
    ``on_loss`` each time with what became of the messages.

    Raises:
        OSError: no connection (ConnectionRefusedError, socket.gaierror, ssl.SSLError …); TimeoutError after
            ``Timeouts.connect`` seconds, for each address tried.
        TypeError: neither a host and port nor a path, or both; or ``reconnect`` with a bare framing.
        ValueError: the name that the certificate must be for is missing, with a Unix socket.

    """
    settings = Settings(framing, limits, timeouts, observer, answers=answer is not None)
    require_place(host, port, unix)
    require_protocol(reconnect, on_loss, framing)
    name = server_name(server_hostname, host, unix, tls)
    times = settings.times

    def open_one(answer: Answer | None) -> Peer:
        sock = _connect_unix(unix, times.connect) if unix is not None else _connect_tcp(host, port, times.connect)
        sock.settimeout(None)  # the mode in which detach() gives it back
        if tls is None:
            stream = open_stream(sock)
        else:
            stream = open_tls_stream(sock, tls, server_hostname=name, timeout=times.connect)
        return open_peer(stream, settings, batching=batching, answer=answer, pool=pool_for(answer, settings))

    if reconnect is None:
        return open_one(answer)
    return ReconnectingPeer(open_one, answer, settings, reconnect, on_loss)


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
    batching: bool = True,
    backlog: int = 100,
) -> Listener:
    """Listen at a host and port, or at the path of a Unix socket, and return the listener.

    Without a host it listens at every address of this machine. Port 0 is a free port: see ``Listener.port``.
    ``backlog`` connections wait in the system until they are accepted. An observer watches all connections.

    Raises:
        OSError: the address is taken, or not of this machine.
        TypeError: neither a port nor a path, or both.

    """
    settings = Settings(framing, limits, timeouts, observer, answers=answer is not None)
    require_place(host, port, unix)
    if unix is not None:
        sockets = bind_unix(unix, backlog=backlog)
    else:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        sockets = bind_tcp(places, backlog=backlog)
    return Listener(sockets, settings, tls=tls, batching=batching, answer=answer)


def serve(
    handler: Callable[[Peer], object] | None,
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
    batching: bool = True,
    backlog: int = 100,
    max_connections: int = 1000,
) -> None:
    """Serve for ever: ``handler(peer)`` in a thread for each connection. KeyboardInterrupt stops it gracefully.

    ``None`` instead of a handler is for servers that answer requests and nothing else.

    To stop it from elsewhere, use ``Server`` with the listener that ``listen`` returns.

    Raises:
        OSError: the address is taken, or not of this machine.
        TypeError: neither a port nor a path, or both; neither a handler nor ``answer``.

    """
    require_handler(handler, answer)
    with listen(
        host,
        port,
        unix=unix,
        framing=framing,
        answer=answer,
        tls=tls,
        limits=limits,
        timeouts=timeouts,
        observer=observer,
        batching=batching,
        backlog=backlog,
    ) as listener:
        Server(listener, handler, max_connections=max_connections).serve_forever()


def wrap(
    sock: socket.socket,
    framing: Framing | None = None,
    *,
    answer: Answer | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
    batching: bool = True,
) -> Peer:
    """Make a peer of a connected socket that you already have, plain or :class:`ssl.SSLSocket`.

    The socket belongs to the peer from now on; ``detach`` gives it back. Nagle's algorithm is switched off, as on every
    connection of mezha.
    """
    settings = Settings(framing, limits, timeouts, observer, answers=answer is not None)
    tune(sock)
    return open_peer(open_stream(sock), settings, batching=batching, answer=answer, pool=pool_for(answer, settings))


def _connect_tcp(host: str | None, port: int | None, timeout: float | None) -> socket.socket:
    try:
        sock = socket.create_connection((host or "localhost", port or 0), timeout)
    except BlockingIOError:  # the way of the system to say that 0 s are over
        raise _too_late(0) from None
    tune(sock)
    return sock


def _connect_unix(path: StrPath, timeout: float | None) -> socket.socket:
    begun = time.monotonic()
    while (sock := connect_unix(path)) is None:
        if timeout is not None and time.monotonic() >= begun + timeout:
            raise _too_late(timeout)
        time.sleep(RETRY)
    return sock


def _too_late(timeout: float) -> TimeoutError:
    return TimeoutError(f"no connection within {timeout:g} s (Timeouts.connect)")
