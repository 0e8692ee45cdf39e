"""Wait until a receiver has taken what was sent, so that the next piece cannot arrive together with it."""

import asyncio
import socket
import sys
import time
from pathlib import Path

__all__ = ["taken"]

#: Seconds between two looks.
_LOOK = 0.0005
#: Seconds after a receiver has taken a piece, in which it goes back to wait for the next one.
_PAUSE = 0.001


async def taken(sock: socket.socket, patience: float) -> None:
    """Wait until the other end of ``sock`` has received everything, ``patience`` seconds at most.

    Linux tells how much waits in a socket of this machine (/proc/net/tcp). Elsewhere, and for a peer on another
    machine, there is nothing to ask, and this only waits a moment.
    """
    if (table := _table(sock)) is not None:
        key = f" {_written(sock.getpeername())} {_written(sock.getsockname())} "
        until = time.monotonic() + patience
        while _waiting(table, key) and time.monotonic() < until:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_LOOK)
        await asyncio.sleep(_PAUSE)
    else:
        await asyncio.sleep(min(10 * _PAUSE, patience))


def _table(sock: socket.socket) -> Path | None:
    if sock.family == socket.AF_INET and (table := Path("/proc/net/tcp")).exists():
        return table
    return None


def _written(address: tuple[str, int]) -> str:
    """Write an address as the table does: the bytes of the IP address as a number of this machine."""
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{number:08X}:{address[1]:04X}"


def _waiting(table: Path, key: str) -> bool:
    """Say whether bytes wait in the socket that the table calls by these addresses."""
    for line in table.read_text(encoding="ascii").splitlines():
        if key in line:
            return int(line.split()[4].split(":")[1], 16) > 0
    return False
