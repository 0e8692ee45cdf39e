"""The flavours as a job uses them: one way to write a side of a conversation, each flavour in its own process and loop.

A side is a coroutine function. The blocking flavour's calls never suspend it, so it needs no loop; the others run it as
programs of theirs do. Unlike the laws of the conformance suite, which run beside each other in one process, a side is a
whole program, and time-outs are given as its users would give them: ``within`` seconds.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar

import trio
from waiting import PATIENCE

import mezha.asyncio
import mezha.blocking
import mezha.trio
from mezha import LengthPrefixed
from mezha.framing import Data

__all__ = ["FRAMING", "HOST", "PARTIES", "Party", "Side"]

T = TypeVar("T")

#: The framing that all of them speak, and where they are if not elsewhere.
FRAMING = LengthPrefixed(4)
HOST = "127.0.0.1"


class Side(ABC):
    """A peer of any flavour."""

    def __init__(self, peer: Any) -> None:
        #: The peer itself.
        self.peer = peer

    @abstractmethod
    async def send(self, message: Data, within: float | None = None) -> None:
        """Send, or raise TimeoutError."""

    @abstractmethod
    async def recv(self, within: float | None = None) -> bytes:
        """Receive, or raise TimeoutError."""

    @abstractmethod
    async def close(self) -> None: ...

    def abort(self) -> None:
        self.peer.abort()


class Party(ABC):
    """A flavour. What it opens is a listener or server of its own, but peers are sides."""

    @abstractmethod
    def run(self, side: Coroutine[Any, Any, T]) -> T:
        """Run a side; it must leave no task behind."""

    @abstractmethod
    async def together(self, sides: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Run several at once, to the end of all."""

    @abstractmethod
    async def aside(self, function: Callable[[], T]) -> T:
        """Call what waits for something else."""

    @abstractmethod
    def tasks(self) -> int:
        """Count the tasks."""

    async def rest(self, tasks: int, server: Any = None) -> None:
        """Wait until no more tasks are left than these, and a server serves nobody; for long, but not for ever."""
        deadline = time.monotonic() + PATIENCE
        while (self.tasks() > tasks or (server and server.connections)) and time.monotonic() < deadline:
            await self.aside(lambda: time.sleep(0.001))

    @abstractmethod
    async def connect(self, host: str, port: int, **options: Any) -> Side: ...

    @abstractmethod
    async def wrap(self, sock: Any, **options: Any) -> Side: ...

    @abstractmethod
    async def listen(self, host: str = HOST, **options: Any) -> Any: ...

    @abstractmethod
    async def accept(self, listener: Any) -> Side: ...

    @abstractmethod
    def serve(
        self, handler: Callable[[Side], Coroutine[Any, Any, None]], **options: Any
    ) -> AbstractAsyncContextManager[Any]:
        """Serve at a port of its own; the server has a ``port``, and a number of ``connections``."""


# -- asyncio -----------------------------------------------------------------------------------------------------------


class _AsyncioSide(Side):
    async def send(self, message: Data, within: float | None = None) -> None:
        async with asyncio.timeout(within):
            await self.peer.send(message)

    async def recv(self, within: float | None = None) -> bytes:
        async with asyncio.timeout(within):
            message: bytes = await self.peer.recv()
        return message

    async def close(self) -> None:
        await self.peer.close()


class _Asyncio(Party):
    def __init__(self, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._new_loop = new_loop

    def run(self, side: Coroutine[Any, Any, T]) -> T:
        async def alone() -> T:
            result = await side
            for _ in range(5):  # ticks, for what was cancelled to end
                await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks are left: {left}"
            return result

        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            return runner.run(alone())

    async def together(self, sides: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        await asyncio.gather(*(side() for side in sides))

    async def aside(self, function: Callable[[], T]) -> T:
        return await asyncio.to_thread(function)

    def tasks(self) -> int:
        return len(asyncio.all_tasks())

    async def connect(self, host: str, port: int, **options: Any) -> Side:
        return _AsyncioSide(await mezha.asyncio.connect(host, port, framing=FRAMING, **options))

    async def wrap(self, sock: Any, **options: Any) -> Side:
        return _AsyncioSide(await mezha.asyncio.wrap(sock, FRAMING, **options))

    async def listen(self, host: str = HOST, **options: Any) -> Any:
        return await mezha.asyncio.listen(host, 0, framing=FRAMING, **options)

    async def accept(self, listener: Any) -> Side:
        return _AsyncioSide(await listener.accept())

    def serve(
        self, handler: Callable[[Side], Coroutine[Any, Any, None]], **options: Any
    ) -> AbstractAsyncContextManager[Any]:
        def handle(peer: mezha.asyncio.Peer) -> Awaitable[None]:
            return handler(_AsyncioSide(peer))

        return mezha.asyncio.serve(handle, HOST, 0, framing=FRAMING, **options)


# -- trio --------------------------------------------------------------------------------------------------------------


class _TrioSide(Side):
    async def send(self, message: Data, within: float | None = None) -> None:
        with nullcontext() if within is None else trio.move_on_after(within):
            await self.peer.send(message)
            return
        raise TimeoutError

    async def recv(self, within: float | None = None) -> bytes:
        with nullcontext() if within is None else trio.move_on_after(within):
            message: bytes = await self.peer.recv()
            return message
        raise TimeoutError

    async def close(self) -> None:
        await self.peer.close()


class _Trio(Party):
    def run(self, side: Coroutine[Any, Any, T]) -> T:
        async def alone() -> T:
            return await side

        return trio.run(alone)

    async def together(self, sides: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        async with trio.open_nursery() as nursery:
            for side in sides:
                nursery.start_soon(side)

    async def aside(self, function: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(function)

    def tasks(self) -> int:
        return trio.lowlevel.current_statistics().tasks_living

    async def connect(self, host: str, port: int, **options: Any) -> Side:
        return _TrioSide(await mezha.trio.connect(host, port, framing=FRAMING, **options))

    async def wrap(self, sock: Any, **options: Any) -> Side:
        return _TrioSide(await mezha.trio.wrap(sock, FRAMING, **options))

    async def listen(self, host: str = HOST, **options: Any) -> Any:
        return await mezha.trio.listen(host, 0, framing=FRAMING, **options)

    async def accept(self, listener: Any) -> Side:
        return _TrioSide(await listener.accept())

    def serve(
        self, handler: Callable[[Side], Coroutine[Any, Any, None]], **options: Any
    ) -> AbstractAsyncContextManager[Any]:
        def handle(peer: mezha.trio.Peer) -> Awaitable[None]:
            return handler(_TrioSide(peer))

        return mezha.trio.serve(handle, HOST, 0, framing=FRAMING, **options)


# -- blocking ----------------------------------------------------------------------------------------------------------


class _BlockingSide(Side):
    async def send(self, message: Data, within: float | None = None) -> None:
        self.peer.send(message, timeout=within)

    async def recv(self, within: float | None = None) -> bytes:
        message: bytes = self.peer.recv(timeout=within)
        return message

    async def close(self) -> None:
        self.peer.close()


class _BlockingServer:
    """The server, with its port where the others have it."""

    def __init__(self, server: mezha.blocking.Server) -> None:
        self.port = server.listener.port
        self._server = server

    @property
    def connections(self) -> int:
        return self._server.connections


class _Blocking(Party):
    def run(self, side: Coroutine[Any, Any, T]) -> T:
        try:
            side.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        raise AssertionError("a blocking side has been suspended")

    async def together(self, sides: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        every = list(sides)
        with ThreadPoolExecutor(len(every)) as threads:
            for running in [threads.submit(self.run, side()) for side in every]:
                running.result()

    async def aside(self, function: Callable[[], T]) -> T:
        return function()

    def tasks(self) -> int:
        return 0

    async def connect(self, host: str, port: int, **options: Any) -> Side:
        return _BlockingSide(mezha.blocking.connect(host, port, framing=FRAMING, **options))

    async def wrap(self, sock: Any, **options: Any) -> Side:
        return _BlockingSide(mezha.blocking.wrap(sock, FRAMING, **options))

    async def listen(self, host: str = HOST, **options: Any) -> Any:
        return mezha.blocking.listen(host, 0, framing=FRAMING, **options)

    async def accept(self, listener: Any) -> Side:
        return _BlockingSide(listener.accept())

    @asynccontextmanager
    async def serve(
        self, handler: Callable[[Side], Coroutine[Any, Any, None]], *, max_connections: int = 1000, **options: Any
    ) -> AsyncGenerator[_BlockingServer]:
        def handle(peer: mezha.blocking.Peer) -> None:
            self.run(handler(_BlockingSide(peer)))

        listener = mezha.blocking.listen(HOST, 0, framing=FRAMING, **options)
        with mezha.blocking.Server(listener, handle, max_connections=max_connections) as server:
            yield _BlockingServer(server)


#: Each flavour by its name.
PARTIES: dict[str, Party] = {"blocking": _Blocking(), "asyncio": _Asyncio(asyncio.new_event_loop), "trio": _Trio()}
with suppress(ImportError):  # there is none for Windows
    import uvloop

    uvloop.new_event_loop().close()  # from its first loop on it keeps two file descriptors
    PARTIES["uvloop"] = _Asyncio(uvloop.new_event_loop)
