"""The trio flavour as the conformance suite sees it: trio runs as a guest on the loop of the laws."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import trio
from outcome import Outcome

import mezha.trio
from mezha.framing import Data
from mezha.session import Ending
from mezha.testing.conformance.flavour import Flavour, InThread, Listener, Peer
from mezha.trio.session import SessionReader

__all__ = ["Trio"]

T = TypeVar("T")


class Guest:
    """A run of trio on the loop of asyncio, in the same thread: what one does between two waits is whole for both."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = trio.Event()
        self._stopped: asyncio.Future[Outcome[None]] = self._loop.create_future()
        trio.lowlevel.start_guest_run(
            self._stop.wait,
            run_sync_soon_threadsafe=self._loop.call_soon_threadsafe,
            run_sync_soon_not_threadsafe=self._loop.call_soon,
            done_callback=self._stopped.set_result,
            host_uses_signal_set_wakeup_fd=True,
        )
        self._own = self._tasks()
        self._begun = trio.Event()
        self._begun.set()

    async def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Call an async function of trio, after the calls before have begun. Cancelled, it is."""
        answer: asyncio.Future[T] = self._loop.create_future()
        scope = trio.CancelScope()
        before, self._begun = self._begun, trio.Event()
        begun = self._begun

        async def run() -> None:
            if not before.is_set():  # trio shuffles what it has to do
                await before.wait()
            begun.set()
            with scope:
                try:
                    answer.set_result(await function(*arguments))
                except Exception as error:  # noqa: BLE001 - it is raised there
                    answer.set_exception(error)
                return
            answer.cancel()

        trio.lowlevel.spawn_system_task(run)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            scope.cancel()
            await asyncio.wait([answer])
            raise

    async def left(self) -> set[trio.lowlevel.Task]:
        """Return the tasks that are still there, once those cancelled had their chance to end."""
        for _ in range(5):
            await self.call(trio.lowlevel.checkpoint)
        return self._tasks() - self._own

    async def stop(self) -> None:
        """End the run."""
        self._stop.set()
        (await self._stopped).unwrap()

    def _tasks(self) -> set[trio.lowlevel.Task]:
        root = trio.lowlevel.current_root_task()
        assert root is not None
        tasks, found = [root], set[trio.lowlevel.Task]()
        while tasks:
            task = tasks.pop()
            found.add(task)
            tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        return found


class TrioPeer(Peer):
    """A peer whose calls are made in trio."""

    def __init__(self, peer: mezha.trio.Peer, guest: Guest) -> None:
        self._peer = peer
        self._call = guest.call
        self._driver = peer._driver  # pyright: ignore[reportPrivateUsage]
        self.engine = self._driver.engine

    @property
    def socket(self) -> Any:
        assert self._driver.socket is not None
        return self._driver.socket.socket

    @property
    def queued(self) -> int:
        return self.engine.outgoing_size + sum(map(len, self._driver.writer.unsent))

    @property
    def receiving(self) -> bool:
        reader = self._driver.reader
        return reader.awaited if isinstance(reader, SessionReader) else reader.reading

    @property
    def stalled(self) -> bool:
        return not self._driver.writer.free

    async def recv(self) -> bytes:
        return await self._call(self._peer.recv)

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        return await self._call(self._peer.recv_many, max_count)

    async def recv_for(self, moment: int) -> bytes | None:
        return await self._call(_given_up, moment, self._peer.recv)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        messages = aiter(self._peer)
        while True:
            try:
                yield await self._call(messages.__anext__)
            except StopAsyncIteration:
                return

    async def send(self, message: Data) -> None:
        await self._call(self._peer.send, message)

    async def send_many(self, messages: Iterable[Data]) -> None:
        await self._call(self._peer.send_many, messages)

    async def send_for(self, messages: list[bytes], moment: int) -> range:
        begun = 0

        def count() -> Iterator[bytes]:
            nonlocal begun
            for begun, message in enumerate(messages, 1):  # noqa: B007 - it is nonlocal
                yield message

        async def send() -> bool:
            await (self._peer.send(messages[0]) if single else self._peer.send_many(count()))
            return True

        single = len(messages) == 1
        if await self._call(_given_up, moment, send) is None:
            return range(1) if single else range(max(begun - 1, 0), begun + 1)
        return range(len(messages), len(messages) + 1)

    async def send_eof(self) -> None:
        await self._call(self._peer.send_eof)

    async def close(self, code: int = 0, reason: str = "") -> Ending | None:
        return await self._call(self._peer.close, code, reason)

    def abort(self) -> None:
        self._peer.abort()


class TrioListener(Listener):
    """A listener whose calls are made in trio."""

    def __init__(self, listener: mezha.trio.Listener, guest: Guest) -> None:
        self._listener = listener
        self._guest = guest

    @property
    def sockets(self) -> tuple[Any, ...]:
        return self._listener.sockets

    async def accept(self) -> Peer:
        return TrioPeer(await self._guest.call(self._listener.accept), self._guest)

    async def close(self) -> None:
        self._listener.close()


class Trio(Flavour):
    """The trio flavour."""

    _guest: Guest | None = None

    async def connect(self, in_thread: InThread, *place: Any, **options: Any) -> Peer:
        return TrioPeer(await self._open(partial(mezha.trio.connect, *place, **options)), self._running())

    async def listen(self, in_thread: InThread, *place: Any, **options: Any) -> Listener:
        return TrioListener(await self._open(partial(mezha.trio.listen, *place, **options)), self._running())

    async def left(self) -> set[Any]:
        return set() if self._guest is None else await self._guest.left()

    async def finish(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            await guest.stop()

    def keeps(self, thread: threading.Thread) -> bool:
        return thread.name.startswith("Trio thread")

    async def _open(self, opening: Callable[[], mezha.trio.Opening[Any]]) -> Any:
        async def open_it() -> Any:
            return await opening()

        return await self._running().call(open_it)

    def _running(self) -> Guest:
        if self._guest is None:
            self._guest = Guest()
        return self._guest


async def _given_up(moment: int, call: Callable[[], Awaitable[T]]) -> T | None:
    """Cancel a call after so many steps of the loop; return None then."""
    result: T | None = None
    failure: Exception | None = None

    async def give_up() -> None:
        for _ in range(moment):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        if moment:
            nursery.start_soon(give_up)
        else:
            nursery.cancel_scope.cancel()
        try:
            result = await call()
        except Exception as error:  # noqa: BLE001 - it is raised below, where it is no group
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result
