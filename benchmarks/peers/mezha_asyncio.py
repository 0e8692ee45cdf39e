"""mezha for asyncio, four bytes of length: ``await send`` and ``await recv`` one by one.

Default limits, but for ``max_message``; ``mezha.asyncio.serve``. On the stock loop and on uvloop; "pure" is the plain
Python twin of the native core (``MEZHA_PURE=1``), on the stock loop.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import mezha.asyncio
from benchmarks.awaiting import AsyncLink, AsyncPeer, Handler
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS"]

FRAMING = mezha.LengthPrefixed(4)
LIMITS = mezha.Limits(max_message=64 << 20)


class MezhaAsyncio(AsyncPeer):
    """mezha, awaited."""

    package = "mezha"
    ours = True

    def __init__(self, name: str, *, loop: str = "asyncio", pure: bool = False) -> None:
        super().__init__(name, loop=loop)
        if pure:
            self.environment = {"MEZHA_PURE": "1"}
            self.only = frozenset({"one-way"})

    def listen(self, job: Job, handler: Handler) -> AbstractAsyncContextManager[int]:
        """Serve."""
        return _listen(handler)

    async def connect(self, job: Job, port: int) -> AsyncLink:
        """Open a connection."""
        return _link(await mezha.asyncio.connect(HOST, port, framing=FRAMING, limits=LIMITS))


@asynccontextmanager
async def _listen(handler: Handler) -> AsyncGenerator[int]:
    async def attend(peer: mezha.asyncio.Peer) -> None:
        await handler(_link(peer))

    async with mezha.asyncio.serve(
        attend, HOST, 0, framing=FRAMING, limits=LIMITS, backlog=BACKLOG, max_connections=10_000
    ) as server:
        yield server.port


def _link(peer: mezha.asyncio.Peer) -> AsyncLink:
    return AsyncLink(peer.send, peer.recv, peer.close)


PEERS = (
    MezhaAsyncio("mezha asyncio"),
    MezhaAsyncio("mezha asyncio, uvloop", loop="uvloop"),
    MezhaAsyncio("mezha asyncio, pure", pure=True),
)
