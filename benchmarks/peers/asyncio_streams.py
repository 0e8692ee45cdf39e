"""asyncio streams with four bytes of length: ``write`` and ``drain`` for each message, ``readexactly`` twice.

``limit`` is 1 MiB, which lets large messages arrive in fewer steps. On the stock loop and on uvloop.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from benchmarks.awaiting import AsyncLink, AsyncPeer, Handler
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS"]

_LENGTH = struct.Struct(">I")
_LIMIT = 1 << 20


class Streams(AsyncPeer):
    """What the standard library offers, and what its documentation shows."""

    def listen(self, job: Job, handler: Handler) -> AbstractAsyncContextManager[int]:
        """Serve."""
        return _listen(handler)

    async def connect(self, job: Job, port: int) -> AsyncLink:
        """Open a connection."""
        return _link(*await asyncio.open_connection(HOST, port, limit=_LIMIT))


class UvloopStreams(Streams):
    """The same on uvloop."""

    package = "uvloop"


@asynccontextmanager
async def _listen(handler: Handler) -> AsyncGenerator[int]:
    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _link(reader, writer)
        await handler(link)
        await link.close()

    async with await asyncio.start_server(attend, HOST, 0, limit=_LIMIT, backlog=BACKLOG) as server:
        yield server.sockets[0].getsockname()[1]


def _link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> AsyncLink:
    async def send(message: bytes) -> None:
        writer.write(_LENGTH.pack(len(message)) + message)
        await writer.drain()

    async def recv() -> bytes:
        (size,) = _LENGTH.unpack(await reader.readexactly(4))
        return await reader.readexactly(size)

    async def close() -> None:
        writer.close()
        await writer.wait_closed()

    return AsyncLink(send, recv, close)


PEERS = (Streams("asyncio streams"), UvloopStreams("asyncio streams, uvloop", loop="uvloop"))
