"""Wait until a receiver has taken what was sent, so that the next piece cannot arrive together with it."""

import array
import asyncio
import socket
import struct
import sys
from contextlib import suppress

__all__ = ["taken"]

#: Seconds in which to look again at once, and then between two looks.
_AT_ONCE, _LOOK = 0.002, 0.001
#: Seconds that a receiver has to act on a piece that it has taken: its answer to each shall be seen by itself, too.
_PAUSE = 0.002
#: Seconds to wait where nobody can tell.
_MOMENT = 0.01

# Of linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h and linux/tcp.h: a question about one socket, and its answer.
_SOCK_DIAG, _BY_FAMILY, _REQUEST, _WANT_INFO, _INFO = 4, 20, 1, 1 << 1, 2
_HEADER, _MESSAGE, _UNREAD, _RECEIVED = 16, 72, 56, 128
_ANYWHERE = struct.pack("=3I", 0, 0xFFFFFFFF, 0xFFFFFFFF)


async def taken(sock: socket.socket, count: int, patience: float) -> None:
    """Wait until the other end of ``sock`` has received all ``count`` bytes sent so far, ``patience`` seconds at most.

    Linux tells what a program of this machine has taken from its socket. Elsewhere, and for a peer on another machine
    or in another network namespace, there is nobody to ask, and this only waits a moment.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    sure = 0
    while (left := _left(sock, count)) is not None and loop.time() - began < patience:
        # Twice, since the two figures that an answer is made of may be from before and after an arrival.
        sure = sure + 1 if left == 0 else 0
        if sure == 2:
            break
        await asyncio.sleep(0 if sure or loop.time() - began < _AT_ONCE else _LOOK)
    await asyncio.sleep(min(_MOMENT if left is None else _PAUSE, patience))


def _left(sock: socket.socket, count: int) -> int | None:
    """Return how many bytes the receiver has not taken yet, or ``None`` if nobody can tell."""
    with suppress(OSError):
        if sys.platform == "linux":
            return _left_in_unix(sock) if sock.family == socket.AF_UNIX else _left_in_tcp(sock, count)
    return None


if sys.platform == "linux":
    import fcntl
    import termios

    def _left_in_unix(sock: socket.socket) -> int:
        """Ask our own socket: what has not been received is still charged to the sender."""
        answer = array.array("i", [0])
        fcntl.ioctl(sock, termios.TIOCOUTQ, answer)
        return answer[0]

    def _left_in_tcp(sock: socket.socket, count: int) -> int | None:
        """Ask about the socket of the receiver, as ``ss`` does: what came to it, less what it has not read."""
        (here, port, *_), (there, its_port, *_) = sock.getsockname(), sock.getpeername()
        ends = b"".join(socket.inet_pton(sock.family, host).ljust(16, b"\0") for host in (there, here))
        which = struct.pack("!2H", its_port, port) + ends + _ANYWHERE
        question = struct.pack("=4BI", sock.family, socket.IPPROTO_TCP, _WANT_INFO, 0, 0xFFFFFFFF) + which
        header = struct.pack("=IHHII", _HEADER + len(question), _BY_FAMILY, _REQUEST, 0, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
            kernel.setblocking(False)
            kernel.send(header + question)
            answer = kernel.recv(4096)
        if int.from_bytes(answer[4:6], sys.byteorder) != _BY_FAMILY:
            return None
        unread = int.from_bytes(answer[_HEADER + _UNREAD :][:4], sys.byteorder)
        place = _HEADER + _MESSAGE
        while place < len(answer):
            size, kind = struct.unpack_from("=2H", answer, place)
            if kind == _INFO:
                received = int.from_bytes(answer[place + 4 + _RECEIVED :][:8], sys.byteorder)
                return count - (received - unread)
            place += (size + 3) & ~3
        return None
