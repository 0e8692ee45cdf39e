"""What the flavours share about sockets: where to connect, where to listen, and what an address is called."""

import errno
import os
import socket
import ssl
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mezha.framing import Data

__all__ = [
    "RETRY",
    "AddressInfo",
    "StrPath",
    "address_name",
    "bind_tcp",
    "bind_unix",
    "close_listening",
    "connect_unix",
    "drop",
    "own_and_peer_address",
    "port_of",
    "require_place",
    "reset_at_close",
    "server_name",
    "tune",
]

#: A path as the user may give it.
StrPath = str | os.PathLike[str]
#: Seconds after which to try a Unix socket again whose backlog was full; the system does not wait for it everywhere.
RETRY = 0.01
#: What the system says of an address that it does not have, or of a kind that it does not know.
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
#: What makes a close a reset: to linger, for no time.
_NO_LINGER = struct.pack("HH" if os.name == "nt" else "ii", 1, 0)
#: What ``getaddrinfo`` returns, an entry.
AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def require_place(host: str | None, port: int | None, unix: StrPath | None) -> None:
    """Refuse anything but a port (with a host or without), or the path of a Unix socket.

    Raises:
        TypeError: neither, or both.

    """
    if (unix is None) == (port is None) or (unix is not None and host is not None):
        raise TypeError("give a host and a port, or the path of a Unix socket: (host, port) or (unix=path)")


def server_name(given: str | None, host: str | None, unix: StrPath | None, tls: ssl.SSLContext | None) -> str | None:
    """Return the name that the certificate of the server must be for; ``None`` without TLS, or for any.

    Raises:
        ValueError: none was given for a Unix socket, which has none by itself, and ``tls`` wants to check it.

    """
    if tls is None:
        return None
    name = given or (host or "localhost" if unix is None else None)
    if name is None and tls.check_hostname:
        raise ValueError("a Unix socket has no name that a certificate could be for: give server_hostname")
    return name


def tune(sock: socket.socket) -> None:
    """Switch Nagle's algorithm off on a TCP socket: mezha gathers small messages itself, and never waits with them."""
    with suppress(OSError):  # a Unix socket; and some systems refuse once the connection is gone, as its user will see
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def reset_at_close(sock: socket.socket | None) -> None:
    """Have a TCP connection reset when its socket is closed: the peer is not to take a cut for an orderly end.

    What the system still had to send is gone then. Unix sockets know no reset: their peer sees the end of the stream.
    """
    if sock is not None and sock.family != getattr(socket, "AF_UNIX", None):
        with suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def address_name(address: object) -> str:
    """Return an address as people write it: ``127.0.0.1:1898``, ``[::1]:1898``, ``/run/x.sock``."""
    match address:
        case (str(host), int(port)) | (str(host), int(port), int(), int()):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case str(path) if path:
            return path
        case bytes(path) if path:
            return os.fsdecode(path).replace("\0", "@", 1)
        case _:
            return "unnamed"


def own_and_peer_address(sock: object) -> tuple[object, object]:
    """Return the addresses of both sides, each ``None`` where there is none, or none any more."""
    return _ask(sock, "getsockname"), _ask(sock, "getpeername")


def drop(buffers: list[Data], count: int) -> None:
    """Remove from the front ``count`` bytes, which the system has taken."""
    gone = 0
    for buffer in buffers:
        if len(buffer) > count:
            break
        count -= len(buffer)
        gone += 1
    del buffers[:gone]
    if count:
        buffers[0] = memoryview(buffers[0])[count:]


def bind_tcp(places: Sequence[AddressInfo], *, backlog: int) -> list[socket.socket]:
    """Listen at every address that ``getaddrinfo`` gave for a host, on the same port; port 0 is one free port for all.

    Raises:
        OSError: an address is taken, or not of this machine. Nothing is left open.

    """
    try:
        return _bind_all(places, backlog)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or any(address[1] for *_, address in places):
            raise
    return _bind_all(places, backlog)  # a port that was free at one address was not at the next: try another


def bind_unix(path: StrPath, *, backlog: int) -> list[socket.socket]:
    """Listen at a path. A socket that a program left behind there is replaced, one that somebody listens at is not.

    Raises:
        OSError: the path is taken, or cannot be made.

    """
    name = os.fspath(path)
    try:  # a name that begins with NUL is none of the file system's (Linux)
        left_behind = not name.startswith("\0") and stat.S_ISSOCK(Path(name).stat().st_mode)
    except OSError:
        left_behind = False
    if left_behind:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)  # who listens there may be too busy to accept
            try:
                probe.connect(name)
            except ConnectionRefusedError:
                Path(name).unlink(missing_ok=True)
            except OSError:
                pass  # bind() will say what is wrong
    try:
        return [_bind(socket.socket(socket.AF_UNIX), name, backlog)]
    except OSError as error:
        where = address_name(os.fsencode(name))
        raise OSError(error.errno, f"cannot listen on {where}: {error.strerror or error}") from None


def connect_unix(path: StrPath) -> socket.socket | None:
    """Connect to a Unix socket, without waiting; ``None`` if its backlog is full, so that trying again may help.

    Raises:
        OSError: nobody listens there.

    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        sock.connect(os.fspath(path))
    except BlockingIOError:
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


def close_listening(sockets: Sequence[socket.socket]) -> None:
    """Close listening sockets, and remove the path of a Unix socket. Never raises, and may be called again."""
    for sock in sockets:
        if sock.fileno() < 0:
            continue
        path = sock.getsockname() if sock.family == getattr(socket, "AF_UNIX", None) else None
        if isinstance(path, str) and path:
            with suppress(OSError):  # gone already, or not ours to remove any more
                Path(path).unlink()  # before the close: after it, the path may be another program's
        sock.close()


def port_of(sockets: Sequence[socket.socket]) -> int | None:
    """Return the TCP port that listening sockets share; ``None`` for a Unix socket."""
    sock = sockets[0]
    return sock.getsockname()[1] if sock.family in (socket.AF_INET, socket.AF_INET6) else None


def _ask(sock: object, question: str) -> object:
    try:
        return getattr(sock, question)()
    except (AttributeError, OSError):  # it is no socket at all; or reset already
        return None


def _bind_all(places: Sequence[AddressInfo], backlog: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    port = 0
    try:
        for family, kind, protocol, _, (host, wanted, *rest) in dict.fromkeys(places):
            address = (host, wanted or port, *rest)
            try:
                sock = _bind(socket.socket(family, kind, protocol), address, backlog)
            except OSError as error:
                if error.errno in _ABSENT and len(places) > 1:  # a name may have addresses not of today
                    continue
                raise OSError(error.errno, f"cannot listen on {address_name(address)}: {error.strerror}") from None
            sockets.append(sock)
            port = sock.getsockname()[1]
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, "cannot listen: none of the host's addresses belongs to this machine")
    except BaseException:
        close_listening(sockets)
        raise
    return sockets


def _bind(sock: socket.socket, address: tuple[object, ...] | str, backlog: int) -> socket.socket:
    try:
        if os.name == "posix":  # elsewhere it would let two programs share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock
