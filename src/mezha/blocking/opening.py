"""The verbs of the blocking flavour: connect, listen, serve, wrap."""

import os
import socket
import ssl
from collections.abc import Callable

from mezha.blocking.peer import Peer
from mezha.blocking.server import Listener, Server
from mezha.blocking.stream import open_stream, open_tls_stream
from mezha.framing import Framing
from mezha.limits import Limits, Timeouts
from mezha.observe import Observer
from mezha.settings import Settings
from mezha.sockets import StrPath, bind_tcp, bind_unix, require_place, tune

__all__ = ["connect", "listen", "serve", "wrap"]


def connect(
    host: str | None = None,
    port: int | None = None,
    *,
    unix: StrPath | None = None,
    framing: Framing,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
) -> Peer:
    """Connect to a host and port (without a host: this one), or to a Unix socket, and return the peer.

    ``tls`` makes it a TLS connection; the certificate must be for ``server_hostname``, which is ``host`` if not given.

    Raises:
        OSError: no connection (ConnectionRefusedError, socket.gaierror, ssl.SSLError …); TimeoutError after
            ``Timeouts.connect`` seconds, for each address tried.
        TypeError: neither a host and port nor a path, or both.

    """
    settings = Settings(framing, limits, timeouts, observer)
    require_place(host, port, unix)
    times = settings.times
    if unix is not None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(times.connect)
            sock.connect(os.fspath(unix))
        except BaseException:
            sock.close()
            raise
    else:
        sock = socket.create_connection((host or "localhost", port or 0), times.connect)
        tune(sock)
    if tls is None:
        stream = open_stream(sock)
    else:
        stream = open_tls_stream(sock, tls, server_hostname=server_hostname or host, timeout=times.connect)
    return Peer(stream, settings.engine(), close_timeout=times.close)


def listen(
    host: str | None = None,
    port: int | None = None,
    *,
    unix: StrPath | None = None,
    framing: Framing,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
    backlog: int = 100,
) -> Listener:
    """Listen at a host and port, or at the path of a Unix socket, and return the listener.

    Without a host it listens at every address of this machine. Port 0 is a free port: see ``Listener.port``.
    ``backlog`` connections wait in the system until they are accepted. An observer watches all connections.

    Raises:
        OSError: the address is taken, or not of this machine.
        TypeError: neither a port nor a path, or both.

    """
    settings = Settings(framing, limits, timeouts, observer)
    require_place(host, port, unix)
    if unix is not None:
        sockets = bind_unix(unix, backlog=backlog)
    else:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        sockets = bind_tcp(places, backlog=backlog)
    return Listener(sockets, settings, tls=tls)


def serve(
    handler: Callable[[Peer], object],
    host: str | None = None,
    port: int | None = None,
    *,
    unix: StrPath | None = None,
    framing: Framing,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
    backlog: int = 100,
    max_connections: int = 1000,
) -> None:
    """Serve for ever: ``handler(peer)`` in a thread for each connection. KeyboardInterrupt stops it gracefully.

    To stop it from elsewhere, use ``Server`` with the listener that ``listen`` returns.

    Raises:
        OSError: the address is taken, or not of this machine.
        TypeError: neither a port nor a path, or both.

    """
    listener = listen(
        host,
        port,
        unix=unix,
        framing=framing,
        tls=tls,
        limits=limits,
        timeouts=timeouts,
        observer=observer,
        backlog=backlog,
    )
    Server(listener, handler, max_connections=max_connections).serve_forever()


def wrap(
    sock: socket.socket,
    framing: Framing,
    *,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    observer: Observer | None = None,
) -> Peer:
    """Make a peer of a connected socket that you already have, plain or :class:`ssl.SSLSocket`.

    The socket belongs to the peer from now on; ``detach`` gives it back. Nagle's algorithm is switched off, as on every
    connection of mezha.
    """
    settings = Settings(framing, limits, timeouts, observer)
    tune(sock)
    return Peer(open_stream(sock), settings.engine(), close_timeout=settings.times.close)
