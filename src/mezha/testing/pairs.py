"""Two connected peers in one test, blocking or of asyncio: what one sends, the other receives."""

import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import mezha.asyncio
import mezha.blocking
from mezha.framing import Framing

__all__ = ["asyncio_pair", "blocking_pair"]


@contextmanager
def blocking_pair(framing: Framing) -> Generator[tuple[mezha.blocking.Peer, mezha.blocking.Peer]]:
    """Connect two peers of ``mezha.blocking``; both are closed at the end of the block."""
    left, right = socket.socketpair()
    with mezha.blocking.wrap(left, framing) as one, mezha.blocking.wrap(right, framing) as other:
        yield one, other


@asynccontextmanager
async def asyncio_pair(framing: Framing) -> AsyncGenerator[tuple[mezha.asyncio.Peer, mezha.asyncio.Peer]]:
    """Connect two peers of ``mezha.asyncio``; both are closed at the end of the block."""
    left, right = socket.socketpair()
    async with mezha.asyncio.wrap(left, framing) as one, mezha.asyncio.wrap(right, framing) as other:
        yield one, other
