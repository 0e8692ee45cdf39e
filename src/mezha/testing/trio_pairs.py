"""Two connected peers of the trio flavour in one test; apart from the others, since it needs trio."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio

import mezha.trio
from mezha.framing import Framing

__all__ = ["trio_pair"]


@asynccontextmanager
async def trio_pair(
    framing: Framing | None = None, **options: Any
) -> AsyncGenerator[tuple[mezha.trio.Peer, mezha.trio.Peer]]:
    """Connect two peers of ``mezha.trio``, with the options of ``wrap``; both are closed at the end of the block.

    Without a framing they speak the mezha protocol.
    """
    left, right = socket.socketpair()
    async with mezha.trio.wrap(left, framing, **options) as one, mezha.trio.wrap(right, framing, **options) as other:
        yield one, other
        async with trio.open_nursery() as nursery:  # each waits for the other's goodbye
            nursery.start_soon(one.close)
            nursery.start_soon(other.close)
