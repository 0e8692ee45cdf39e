"""Peers that call back: what arrives is handed to a function; what is sent is queued, until that is too much."""

import asyncio
import importlib
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import Any, Protocol

from benchmarks.job import Job, Outcome, Tally, Wrong, body, check_last, check_size, last
from benchmarks.peer import Control, Peer

__all__ = ["CallbackPeer", "Gate", "Link", "Receiver"]


class Gate(Protocol):
    """What is awaited until its result is set: a future, or what a library has in its place."""

    def set_result(self, result: None, /) -> object:
        """Let the one who waits go on."""
        ...

    def __await__(self) -> Any:
        """Wait."""
        ...


class Link(Protocol):
    """One connection."""

    @property
    def congested(self) -> bool:
        """Whether the peer reads too slowly to send it more."""
        ...

    @property
    def send(self) -> Callable[[bytes], object]:
        """What queues a message."""
        ...

    def resumed(self) -> Awaitable[object]:
        """Return what is done when it is congested no longer."""
        ...

    def close(self) -> object:
        """End the connection."""
        ...


#: Is called with each message of a connection, and how to send on it.
Receiver = Callable[[Link, bytes], None]


class CallbackPeer(Peer):
    """A library that calls back, on an event loop of its own or asyncio's."""

    style = "callbacks"
    #: The module of the event loop.
    loop = "asyncio"

    @abstractmethod
    def listen(self, job: Job, receiver: Callable[[], Receiver]) -> AbstractAsyncContextManager[int]:
        """Serve, with a receiver for each connection, within the context; its value is the port."""

    @abstractmethod
    async def connect(self, job: Job, port: int, receiver: Receiver) -> Link:
        """Open a connection."""

    @cached_property
    def _runner(self) -> asyncio.Runner:
        return asyncio.Runner(loop_factory=importlib.import_module(self.loop).new_event_loop)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the event loop; called for each job of a process."""
        self._runner.run(work)

    def gate(self) -> Gate:
        """Return a new gate of the event loop."""
        return asyncio.get_running_loop().create_future()

    def in_thread(self, function: Callable[[], None]) -> Awaitable[object]:
        """Call a function that blocks, while the event loop goes on."""
        return asyncio.to_thread(function)

    def serve(self, job: Job, control: Control) -> None:
        """Receive and check, or echo."""
        self.run(self._serve(job, control))

    def drive(self, job: Job, port: int, control: Control) -> None:
        """Send everything, or one message after the answer to the one before."""
        self.run(self._exchange(job, port, control) if job.kind == "echo" else self._stream(job, port, control))

    async def _serve(self, job: Job, control: Control) -> None:
        finished = self.gate()
        tally = Tally(job, lambda: finished.set_result(None))

        def receiver() -> Receiver:
            return _echo if job.kind == "echo" else _checking(job, tally)

        async with self.listen(job, receiver) as port:
            control.ready(port)
            if job.kind == "stream":
                await finished
            control.report(tally.outcome())
            await self.in_thread(control.hold)

    async def _stream(self, job: Job, port: int, control: Control) -> None:
        message, end = body(job.size), last(job.size)
        links: list[Link] = []
        began = time.monotonic()
        if job.weigh:
            for _ in range(job.connections):
                links.append(await self.connect(job, port, _deaf))
                links[-1].send(end)
        else:
            links.extend([await self.connect(job, port, _deaf) for _ in range(job.connections)])
            began = time.monotonic()
            for _ in range(job.share - 1):
                for link in links:
                    if link.congested:
                        await link.resumed()
                    link.send(message)
            for link in links:
                link.send(end)
        control.report(Outcome(began=began))
        await self.in_thread(control.hold)
        for link in links:
            link.close()

    async def _exchange(self, job: Job, port: int, control: Control) -> None:
        message = body(job.size)
        latencies: list[float] = []
        began = before = time.monotonic()
        for _ in range(job.connections):
            finished = self.gate()
            left = job.share

            def receive(link: Link, answer: bytes, finished: Gate = finished) -> None:
                nonlocal left, before
                if answer != message:
                    raise Wrong("the answer is not what was sent")
                now = time.monotonic()
                latencies.append(now - before)
                before = now
                left -= 1
                if left:
                    link.send(message)
                else:
                    finished.set_result(None)

            link = await self.connect(job, port, receive)
            link.send(message)
            await finished
            link.close()
        control.report(Outcome(began=began, ended=time.monotonic(), latencies=tuple(latencies)))
        await self.in_thread(control.hold)


def _checking(job: Job, tally: Tally) -> Receiver:
    size, left = job.size, job.share

    def receive(link: Link, message: bytes) -> None:
        nonlocal left
        left -= 1
        try:
            if len(message) != size:
                check_size(len(message), size)
            if left < 1:
                if left < 0:
                    raise Wrong("more messages were received than sent")
                check_last(message, size)
                tally.done()
        except Wrong as error:
            tally.fail(error)

    return receive


def _echo(link: Link, message: bytes) -> None:
    link.send(message)


def _deaf(link: Link, message: bytes) -> None:
    raise Wrong("the server sent something that nobody asked for")
