"""ZeroMQ from blocking Python: PUSH/PULL one way, REQ/REP for round trips; one I/O thread, as by default.

Messages of 64 KiB and more are sent and received without a copy (``copy=False``), smaller ones with, which is faster.
The high-water marks allow 10 000 messages and at most 64 MiB, more than the default of 1000.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property, partial
from typing import Any

import zmq

from benchmarks.blocking import BlockingPeer, Link
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS", "set_options"]


class PyZmq(BlockingPeer):
    """ZeroMQ, blocking."""

    name = "pyzmq PUSH/PULL"
    package = "pyzmq"
    merges = True

    @cached_property
    def _context(self) -> "zmq.Context[zmq.Socket[bytes]]":
        context = zmq.Context()
        context.set(zmq.MAX_SOCKETS, 10_000)
        return context

    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Bind a socket that hears all connections."""
        return _listen(job, handler)

    def connect(self, job: Job, port: int) -> Link:
        """Open a connection, and wait until it is there."""
        sock = self._context.socket(zmq.REQ if job.kind == "echo" else zmq.PUSH)
        set_options(sock, job)
        sock.connect(f"tcp://{HOST}:{port}")
        sock.poll(flags=zmq.POLLOUT)
        return _link(sock, job)


def set_options(sock: "zmq.Socket[Any]", job: Job) -> None:
    """Set the high-water marks, and let only connections that are there take messages."""
    sock.set_hwm(max(min(10_000, (64 << 20) // job.size), 8))
    sock.set(zmq.IMMEDIATE, 1)
    sock.set(zmq.BACKLOG, BACKLOG)


@contextmanager
def _listen(job: Job, handler: Callable[[Link], None]) -> Generator[int]:
    context = zmq.Context()
    sock = context.socket(zmq.REP if job.kind == "echo" else zmq.PULL)
    set_options(sock, job)
    port = sock.bind_to_random_port(f"tcp://{HOST}")
    released = threading.Event()

    def attend() -> None:
        with sock, suppress(zmq.ContextTerminated):
            handler(_link(sock, job))
            released.wait()  # a REP socket that closes takes its last answer with it

    threading.Thread(target=attend, daemon=True).start()
    try:
        yield port
    finally:
        released.set()
        context.term()  # wakes the thread, and waits until it has closed the socket


def _link(sock: "zmq.Socket[bytes]", job: Job) -> Link:
    if job.size < zmq.COPY_THRESHOLD:
        return Link(sock.send, sock.recv, sock.close)
    return Link(partial(sock.send, copy=False), lambda: sock.recv(copy=False).buffer, sock.close)


PEERS = (PyZmq(),)
