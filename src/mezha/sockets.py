"""What the flavours share about sockets: where to connect, where to listen, and what an address is called."""

import errno
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "AddressInfo",
    "StrPath",
    "address_name",
    "bind_tcp",
    "bind_unix",
    "close_listening",
    "port_of",
    "require_place",
    "tune",
]

#: A path as the user may give it.
StrPath = str | os.PathLike[str]
#: What ``getaddrinfo`` returns, an entry.
AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def require_place(host: str | None, port: int | None, unix: StrPath | None) -> None:
    """Refuse anything but a port (with a host or without), or the path of a Unix socket.

    Raises:
        TypeError: neither, or both.

    """
    if (unix is None) == (port is None) or (unix is not None and host is not None):
        raise TypeError("give a host and a port, or the path of a Unix socket: (host, port) or (unix=path)")


def tune(sock: socket.socket) -> None:
    """Switch Nagle's algorithm off on a TCP socket: mezha gathers small messages itself, and never waits with them."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


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


def bind_tcp(places: Sequence[AddressInfo], *, backlog: int) -> list[socket.socket]:
    """Listen at every address that ``getaddrinfo`` gave for a host, on the same port; port 0 is one free port for all.

    Raises:
        OSError: an address is taken, or not of this machine. Nothing is left open.

    """
    sockets: list[socket.socket] = []
    port = 0
    try:
        for family, kind, protocol, _, address in dict.fromkeys(places):
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            if os.name == "posix":  # elsewhere it would let two programs share the port
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            host, wanted, *rest = address
            try:
                sock.bind((host, wanted or port, *rest))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and len(places) > 1:  # a name may have addresses not of today
                    sockets.pop().close()
                    continue
                raise OSError(error.errno, f"cannot listen on {address_name(address)}: {error.strerror}") from None
            sock.listen(backlog)
            port = sock.getsockname()[1]
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, "cannot listen: none of the host's addresses belongs to this machine")
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def bind_unix(path: StrPath, *, backlog: int) -> list[socket.socket]:
    """Listen at a path. A socket that a program left behind there is replaced, one that somebody listens at is not.

    Raises:
        OSError: the path is taken, or cannot be made.

    """
    name = os.fspath(path)
    try:
        left_behind = stat.S_ISSOCK(Path(name).stat().st_mode)
    except OSError:
        left_behind = False
    if left_behind:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(name)
            except ConnectionRefusedError:
                Path(name).unlink(missing_ok=True)
            except OSError:
                pass  # bind() will say what is wrong
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(name)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {name}: {error.strerror or error}") from None
    except BaseException:
        sock.close()
        raise
    return [sock]


def close_listening(sockets: Sequence[socket.socket]) -> None:
    """Close listening sockets, and remove the path of a Unix socket."""
    for sock in sockets:
        path = sock.getsockname() if sock.family == getattr(socket, "AF_UNIX", None) and sock.fileno() >= 0 else None
        sock.close()
        if isinstance(path, str) and path:
            Path(path).unlink(missing_ok=True)


def port_of(sockets: Sequence[socket.socket]) -> int | None:
    """Return the TCP port that listening sockets share; ``None`` for a Unix socket."""
    sock = sockets[0]
    return sock.getsockname()[1] if sock.family in (socket.AF_INET, socket.AF_INET6) else None
