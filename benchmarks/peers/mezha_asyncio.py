"""mezha for asyncio, four bytes of length: ``await send`` and ``await recv`` one by one.

Default limits, but for ``max_message``; ``mezha.asyncio.serve``. On the stock loop and on uvloop; "session" speaks the
mezha protocol in place of the bare framing; "pure" is the plain Python twin of the native core (``MEZHA_PURE=1``).
"""

from collections.abc import AsyncGenerator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import mezha.asyncio
from benchmarks.awaiting import AsyncLink, AsyncPeer, Handler
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS"]

BARE = mezha.LengthPrefixed(4)
LIMITS = mezha.Limits(max_message=64 << 20)


class MezhaAsyncio(AsyncPeer):
    """mezha, awaited."""

    package = "mezha"
    ours = True

    def __init__(self, name: str, *, loop: str = "asyncio", pure: bool = False, session: bool = False) -> None:
        super().__init__(name, loop=loop)
        self._options: dict[str, Any] = {"framing": None if session else BARE, "limits": LIMITS}
        if pure:
            self.environment = {"MEZHA_PURE": "1"}
            self.only = frozenset({"one-way"})

    def listen(self, job: Job, handler: Handler) -> AbstractAsyncContextManager[int]:
        """Serve."""
        return self._listen(handler)

    async def connect(self, job: Job, port: int) -> AsyncLink:
        """Open a connection."""
        return _link(await mezha.asyncio.connect(HOST, port, **self._options))

    @asynccontextmanager
    async def _listen(self, handler: Handler) -> AsyncGenerator[int]:
        def attend(peer: mezha.asyncio.Peer) -> Coroutine[Any, Any, None]:
            return handler(_link(peer))

        serving = mezha.asyncio.serve(attend, HOST, 0, backlog=BACKLOG, max_connections=10_000, **self._options)
        async with serving as server:
            yield server.port


def _link(peer: mezha.asyncio.Peer) -> AsyncLink:
    return AsyncLink(peer.send, peer.recv, peer.close)


PEERS = (
    MezhaAsyncio("mezha asyncio"),
    MezhaAsyncio("mezha asyncio, uvloop", loop="uvloop"),
    MezhaAsyncio("mezha asyncio, session", session=True),
    MezhaAsyncio("mezha asyncio, session, uvloop", session=True, loop="uvloop"),
    MezhaAsyncio("mezha asyncio, pure", pure=True),
)
