"""Peers that are awaited: the loops of an asyncio program that sends and one that receives, a task each connection."""

import asyncio
import importlib
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.job import Job, Message, Outcome, Tally, Wrong, body, check_last, check_size, last
from benchmarks.peer import Control, Peer

__all__ = ["AsyncLink", "AsyncPeer", "Handler"]


@dataclass(frozen=True, slots=True)
class AsyncLink:
    """One connection: what a program awaits, the library's own methods where they fit."""

    send: Callable[[Any], Awaitable[object]]
    recv: Callable[[], Awaitable[Message]]
    close: Callable[[], Awaitable[object]]


Handler = Callable[[AsyncLink], Coroutine[Any, Any, None]]


class AsyncPeer(Peer):
    """A library for asyncio, on the stock loop or another."""

    style = "asyncio"

    def __init__(self, name: str, *, loop: str = "asyncio") -> None:
        self.name = name
        #: The module of the event loop.
        self.loop = loop

    @abstractmethod
    def listen(self, job: Job, handler: Handler) -> AbstractAsyncContextManager[int]:
        """Serve, ``await handler(link)`` in a task for each connection, within the context; its value is the port."""

    @abstractmethod
    async def connect(self, job: Job, port: int) -> AsyncLink:
        """Open a connection."""

    @cached_property
    def runner(self) -> asyncio.Runner:
        """What runs all jobs of this process, on one loop."""
        return asyncio.Runner(loop_factory=importlib.import_module(self.loop).new_event_loop)

    def serve(self, job: Job, control: Control) -> None:
        """Receive and check, or echo."""
        self.runner.run(self._serve(job, control))

    def drive(self, job: Job, port: int, control: Control) -> None:
        """Send everything, or one message after the answer to the one before."""
        self.runner.run(self._drive(job, port, control))

    async def _serve(self, job: Job, control: Control) -> None:
        finished = asyncio.Event()
        tally = Tally(job, finished.set)

        async def handler(link: AsyncLink) -> None:
            if job.kind == "echo":
                await _echo(link, job.total if self.merges else job.share)
                return
            try:
                for count, connections in job.parts(merged=self.merges):
                    await _receive(link, count, job.size)
                    for _ in range(connections):
                        tally.done()
            except Exception as error:  # noqa: BLE001 - told to the process that measures
                tally.fail(error)
            with suppress(Exception):  # the end, in whatever way this library tells it
                if await link.recv():
                    tally.fail(Wrong("more messages were received than sent"))

        async with self.listen(job, handler) as port:
            control.ready(port)
            if job.kind == "stream":
                await finished.wait()
            control.report(tally.outcome())
            await asyncio.to_thread(control.hold)

    async def _drive(self, job: Job, port: int, control: Control) -> None:
        if job.kind == "echo":
            control.report(await self._exchange(job, port))
            await asyncio.to_thread(control.hold)
            return
        links: list[AsyncLink] = []
        if job.weigh:  # a connection at a time: a message says that it has been accepted
            for _ in range(job.connections):
                links.append(await self.connect(job, port))
                await _transmit(links[-1], job)
            control.report(Outcome())
        else:
            links.extend([await self.connect(job, port) for _ in range(job.connections)])
            began = time.monotonic()
            if len(links) == 1:
                await _transmit(links[0], job)
            else:
                await asyncio.gather(*(_transmit(link, job) for link in links))
            control.report(Outcome(began=began))
        await asyncio.to_thread(control.hold)
        for link in links:
            await link.close()

    async def _exchange(self, job: Job, port: int) -> Outcome:
        message = body(job.size)
        answer: Message = message
        latencies: list[float] = []
        began = before = time.monotonic()
        for _ in range(job.connections):
            link = await self.connect(job, port)
            send, recv = link.send, link.recv
            for _ in range(job.share):
                await send(message)
                answer = await recv()
                now = time.monotonic()
                latencies.append(now - before)
                before = now
            await link.close()
        ended = time.monotonic()
        if answer != message:
            raise Wrong("the answer is not what was sent")
        return Outcome(began=began, ended=ended, latencies=tuple(latencies))


async def _transmit(link: AsyncLink, job: Job) -> None:
    message = body(job.size)
    send = link.send
    for _ in range(job.share - 1):
        await send(message)
    await send(last(job.size))


async def _receive(link: AsyncLink, count: int, size: int) -> None:
    recv = link.recv
    message: Message = b""
    for _ in range(count):
        message = await recv()
        if len(message) != size:
            check_size(len(message), size)
    check_last(message, size)


async def _echo(link: AsyncLink, count: int) -> None:
    send, recv = link.send, link.recv
    for _ in range(count):
        await send(await recv())
