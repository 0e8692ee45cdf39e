"""A plain TCP socket, the floor: ``sendall`` for each message, ``recv_into`` one buffer of 256 KiB, nothing decoded.

TCP_NODELAY is set. Messages have no boundaries here; only their number of bytes and the last message are checked.
"""

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

from benchmarks.blocking import BlockingPeer, Link, tcp_server
from benchmarks.job import Job
from benchmarks.peer import HOST

__all__ = ["PEERS"]


class RawSocket(BlockingPeer):
    """Bytes as they are."""

    name = "raw socket"

    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Accept in a thread."""
        return tcp_server(handler, lambda sock: _link(job, sock))

    def connect(self, job: Job, port: int) -> Link:
        """Open a connection."""
        return _link(job, socket.create_connection((HOST, port)))


def _link(job: Job, sock: socket.socket) -> Link:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def swallow(count: int) -> bytes:
        buffer = memoryview(bytearray(256 << 10))
        left = (count - 1) * job.size
        while left:
            left -= fill(buffer[:left])
        end = bytearray(job.size)
        rest = memoryview(end)
        while rest:
            rest = rest[fill(rest) :]
        return bytes(end)

    def fill(buffer: memoryview) -> int:
        if not (received := sock.recv_into(buffer)):
            raise EOFError("the connection ended early")
        return received

    def recv() -> bytes:
        message = sock.recv(job.size)
        return message if len(message) == job.size else finish(bytearray(message))

    def finish(message: bytearray) -> bytes:
        while len(message) < job.size:
            data = sock.recv(job.size - len(message))
            if not data:
                raise EOFError("the connection ended early")
            message += data
        return bytes(message)

    return Link(sock.sendall, recv, sock.close, swallow=swallow)


PEERS = (RawSocket(),)
