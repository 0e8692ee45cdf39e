"""Two connected peers of the trio flavour in one test; apart from the others, since it needs trio."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import mezha.trio
from mezha.framing import Framing

__all__ = ["trio_pair"]


@asynccontextmanager
async def trio_pair(framing: Framing) -> AsyncGenerator[tuple[mezha.trio.Peer, mezha.trio.Peer]]:
    """Connect two peers of ``mezha.trio``; both are closed at the end of the block."""
    left, right = socket.socketpair()
    async with mezha.trio.wrap(left, framing) as one, mezha.trio.wrap(right, framing) as other:
        yield one, other
