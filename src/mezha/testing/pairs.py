"""Two connected peers in one test, blocking or of asyncio: what one sends, the other receives."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import mezha.asyncio
import mezha.blocking
from mezha.framing import Framing

__all__ = ["asyncio_pair", "blocking_pair"]


@contextmanager
def blocking_pair(
    framing: Framing | None = None, **options: Any
) -> Generator[tuple[mezha.blocking.Peer, mezha.blocking.Peer]]:
    """Connect two peers of ``mezha.blocking``, with the options of ``wrap``; both are closed at the end of the block.

    Without a framing they speak the mezha protocol.
    """
    left, right = socket.socketpair()
    with mezha.blocking.wrap(left, framing, **options) as one, mezha.blocking.wrap(right, framing, **options) as other:
        yield one, other
        closing = threading.Thread(target=one.close)  # each waits for the other's goodbye
        closing.start()
        other.close()
        closing.join()


@asynccontextmanager
async def asyncio_pair(
    framing: Framing | None = None, **options: Any
) -> AsyncGenerator[tuple[mezha.asyncio.Peer, mezha.asyncio.Peer]]:
    """Connect two peers of ``mezha.asyncio``, with the options of ``wrap``; both are closed at the end of the block.

    Without a framing they speak the mezha protocol.
    """
    left, right = socket.socketpair()
    async with (
        mezha.asyncio.wrap(left, framing, **options) as one,
        mezha.asyncio.wrap(right, framing, **options) as other,
    ):
        yield one, other
        await asyncio.gather(one.close(), other.close())
