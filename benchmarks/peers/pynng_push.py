"""nng from blocking Python: Push0/Pull0 one way, Req0/Rep0 for round trips.

The buffers hold the most messages that nng allows (8192), or 64 MiB of large ones, instead of none.
"""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress

import pynng

from benchmarks.blocking import BlockingPeer, Link
from benchmarks.job import Job
from benchmarks.peer import HOST

__all__ = ["PEERS"]


class Pynng(BlockingPeer):
    """nng, blocking."""

    name = "pynng Push/Pull"
    package = "pynng"
    merges = True
    most_connections = 1000  # each socket has threads and pipes of its own

    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Open a socket that hears all connections."""
        return _listen(job, handler)

    def connect(self, job: Job, port: int) -> Link:
        """Open a connection."""
        sock = _tuned(pynng.Req0() if job.kind == "echo" else pynng.Push0(), job)
        sock.dial(f"tcp://{HOST}:{port}", block=True)
        return Link(sock.send, sock.recv, sock.close)


@contextmanager
def _listen(job: Job, handler: Callable[[Link], None]) -> Generator[int]:
    with _tuned(pynng.Rep0() if job.kind == "echo" else pynng.Pull0(), job) as sock:
        listener = sock.listen(f"tcp://{HOST}:0")

        def attend() -> None:
            with suppress(pynng.Closed):
                handler(Link(sock.send, sock.recv, sock.close))

        threading.Thread(target=attend, daemon=True).start()
        yield socket.ntohs(listener.local_address.port)


def _tuned(sock: pynng.Socket, job: Job) -> pynng.Socket:
    sock.recv_max_size = 0
    sock.tcp_nodelay = True
    if job.kind == "stream":
        room = max(min(8192, (64 << 20) // job.size), 8)
        if isinstance(sock, pynng.Push0):
            sock.send_buffer_size = room
        else:
            sock.recv_buffer_size = room
    return sock


PEERS = (Pynng(),)
