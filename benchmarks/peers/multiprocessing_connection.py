"""``multiprocessing.connection`` over TCP: ``send_bytes`` and ``recv_bytes``, no pickling, no authentication."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from benchmarks.blocking import BlockingPeer, Link, accepting
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS"]


class MultiprocessingConnection(BlockingPeer):
    """Messages of bytes, of the standard library."""

    name = "multiprocessing.connection"

    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Accept in a thread."""
        return _listen(handler)

    def connect(self, job: Job, port: int) -> Link:
        """Open a connection."""
        return _link(Client((HOST, port)))


@contextmanager
def _listen(handler: Callable[[Link], None]) -> Generator[int]:
    with (
        Listener((HOST, 0), backlog=BACKLOG) as listener,
        accepting(lambda: _link(listener.accept()), listener.close, handler),
    ):
        address = listener.address
        assert isinstance(address, tuple)
        yield address[1]


def _link(connection: "Connection[Any, Any]") -> Link:
    return Link(connection.send_bytes, connection.recv_bytes, connection.close)


PEERS = (MultiprocessingConnection(),)
