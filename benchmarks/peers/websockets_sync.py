"""websockets, its ``sync`` flavour: binary messages, ``compression=None``, ``max_size=None``, with its C extension."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from benchmarks.blocking import BlockingPeer, Link
from benchmarks.job import Job
from benchmarks.peer import HOST

__all__ = ["PEERS"]


class WebsocketsSync(BlockingPeer):
    """WebSocket, blocking."""

    name = "websockets sync"
    package = "websockets"
    most_connections = 1000

    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Serve."""
        return _listen(handler)

    def connect(self, job: Job, port: int) -> Link:
        """Open a connection."""
        return _link(connect(f"ws://{HOST}:{port}", compression=None, max_size=None, ping_interval=None, proxy=None))


@contextmanager
def _listen(handler: Callable[[Link], None]) -> Generator[int]:
    def attend(connection: ServerConnection) -> None:
        handler(_link(connection))

    with serve(attend, HOST, 0, compression=None, max_size=None, ping_interval=None) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


def _link(connection: ClientConnection | ServerConnection) -> Link:
    recv: Any = connection.recv  # typed as if it might give text
    return Link(connection.send, recv, connection.close)


PEERS = (WebsocketsSync(),)
