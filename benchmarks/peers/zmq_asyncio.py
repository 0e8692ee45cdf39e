"""ZeroMQ from asyncio, ``zmq.asyncio``, on the stock loop: PUSH/PULL one way, REQ/REP for round trips.

The settings are those of pyzmq PUSH/PULL.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cached_property, partial
from typing import Any

import zmq
import zmq.asyncio

from benchmarks.awaiting import AsyncLink, AsyncPeer, Handler
from benchmarks.job import Job
from benchmarks.peer import HOST
from benchmarks.peers.pyzmq import set_options

__all__ = ["PEERS"]


class ZmqAsyncio(AsyncPeer):
    """ZeroMQ, awaited."""

    package = "pyzmq"
    merges = True

    @cached_property
    def _context(self) -> zmq.asyncio.Context:
        context = zmq.asyncio.Context()
        context.set(zmq.MAX_SOCKETS, 10_000)
        return context

    def listen(self, job: Job, handler: Handler) -> AbstractAsyncContextManager[int]:
        """Bind a socket that hears all connections."""
        return self._listen(job, handler)

    async def connect(self, job: Job, port: int) -> AsyncLink:
        """Open a connection, and wait until it is there."""
        sock: Any = self._context.socket(zmq.REQ if job.kind == "echo" else zmq.PUSH)
        set_options(sock, job)
        sock.connect(f"tcp://{HOST}:{port}")
        await sock.poll(flags=zmq.POLLOUT)
        return _link(sock, job)

    @asynccontextmanager
    async def _listen(self, job: Job, handler: Handler) -> AsyncGenerator[int]:
        with self._context.socket(zmq.REP if job.kind == "echo" else zmq.PULL) as sock:
            set_options(sock, job)
            port = sock.bind_to_random_port(f"tcp://{HOST}")
            task = asyncio.ensure_future(handler(_link(sock, job)))
            yield port
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _link(sock: zmq.asyncio.Socket, job: Job) -> AsyncLink:
    async def close() -> None:
        sock.close()

    async def recv_frame() -> memoryview:
        return (await sock.recv(copy=False)).buffer

    if job.size < zmq.COPY_THRESHOLD:
        return AsyncLink(sock.send, sock.recv, close)
    return AsyncLink(partial(sock.send, copy=False), recv_frame, close)


PEERS = (ZmqAsyncio("zmq.asyncio PUSH/PULL"),)
