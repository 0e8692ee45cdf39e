"""websockets, its asyncio flavour on the stock loop: binary messages, ``compression=None``, ``max_size=None``.

With its C extension; keep-alive pings are off.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.awaiting import AsyncLink, AsyncPeer, Handler
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS"]


class WebsocketsAsyncio(AsyncPeer):
    """WebSocket, awaited."""

    package = "websockets"

    def listen(self, job: Job, handler: Handler) -> AbstractAsyncContextManager[int]:
        """Serve."""
        return _listen(handler)

    async def connect(self, job: Job, port: int) -> AsyncLink:
        """Open a connection."""
        url = f"ws://{HOST}:{port}"
        return _link(await connect(url, compression=None, max_size=None, ping_interval=None, proxy=None))


@asynccontextmanager
async def _listen(handler: Handler) -> AsyncGenerator[int]:
    async def attend(connection: ServerConnection) -> None:
        await handler(_link(connection))

    async with serve(attend, HOST, 0, compression=None, max_size=None, ping_interval=None, backlog=BACKLOG) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def _link(connection: ClientConnection | ServerConnection) -> AsyncLink:
    recv: Any = connection.recv  # typed as if it might give text
    return AsyncLink(connection.send, recv, connection.close)


PEERS = (WebsocketsAsyncio("websockets asyncio"),)
