"""The flavours behind one interface: the laws of the conformance suite are written once, and run on each.

A law is an asyncio coroutine, whatever it tests: a flavour that is not of asyncio is adapted, the blocking one through
threads, trio as a guest on the same loop. What differs most is how a call is given up: a task is cancelled, a blocking
call runs out of time. So ``Peer.recv_for`` and ``Peer.send_for`` give up at a *moment*, the number of a step, from 0.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import trio
from outcome import Outcome

import mezha.asyncio
import mezha.blocking
import mezha.trio
from mezha import ClosedByPeer, SendTimeout
from mezha.engine import Engine, State
from mezha.framing import Data

__all__ = ["FLAVOURS", "PATIENCE", "Flavour", "InThread", "Listener", "Peer", "until", "until_stalled"]

T = TypeVar("T")

#: Call a blocking function in a thread: ``await in_thread(function, *arguments)``.
InThread = Callable[..., Awaitable[Any]]
#: Seconds after which something that should happen does not.
PATIENCE = 20.0
#: Seconds between two moments of a blocking call.
_MOMENT = 50e-6


async def until(condition: Callable[[], object]) -> None:
    """Wait for what tells nobody when it happens.

    Raises:
        TimeoutError: it did not.

    """
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.0005)


async def until_stalled(peer: "Peer") -> None:
    """Wait until somebody waits in a ``send``, and nothing moves any more: nobody reads at the other end."""
    quiet = 0

    def still() -> bool:
        nonlocal quiet
        quiet = quiet + 1 if peer.stalled else 0
        return quiet > 20

    await until(still)


class Peer(ABC):
    """A peer of any flavour, and what a law may ask about its inside."""

    engine: Engine

    @property
    @abstractmethod
    def socket(self) -> Any:
        """Its socket, to set options."""

    @property
    def state(self) -> State:
        return self.engine.state

    @property
    def inbox(self) -> int:
        """Bytes received that nobody has asked for."""
        return len(self.engine.unused())

    @property
    @abstractmethod
    def queued(self) -> int:
        """Bytes accepted for sending that the system does not have."""

    @property
    @abstractmethod
    def receiving(self) -> bool:
        """Whether somebody waits in a ``recv``."""

    @property
    @abstractmethod
    def stalled(self) -> bool:
        """Whether somebody waits in a ``send``."""

    @abstractmethod
    async def recv(self) -> bytes: ...

    @abstractmethod
    async def recv_many(self, max_count: int | None = None) -> list[bytes]: ...

    @abstractmethod
    async def recv_for(self, moment: int) -> bytes | None:
        """Receive, or give up at a moment."""

    async def recv_all(self) -> list[bytes]:
        """Receive to the orderly end."""
        messages: list[bytes] = []
        with suppress(ClosedByPeer):
            while True:
                messages += await self.recv_many()
        return messages

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[bytes]: ...

    @abstractmethod
    async def send(self, message: Data) -> None: ...

    @abstractmethod
    async def send_many(self, messages: Iterable[Data]) -> None: ...

    @abstractmethod
    async def send_for(self, messages: list[bytes], moment: int) -> range:
        """Send, or give up at a moment; return how many of them the peer must get: one number, or two possible."""

    @abstractmethod
    async def send_eof(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def abort(self) -> None: ...


class Listener(ABC):
    """A listener of any flavour."""

    @property
    @abstractmethod
    def sockets(self) -> tuple[Any, ...]: ...

    @abstractmethod
    async def accept(self) -> Peer: ...

    @abstractmethod
    async def close(self) -> None: ...


class Flavour(ABC):
    """How to open what is tested."""

    def __init__(self, name: str) -> None:
        self.name = name

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Return a loop for the law."""
        return asyncio.new_event_loop()

    @abstractmethod
    async def connect(self, in_thread: InThread, *place: Any, **options: Any) -> Peer: ...

    @abstractmethod
    async def listen(self, in_thread: InThread, *place: Any, **options: Any) -> Listener: ...

    async def left(self) -> set[Any]:
        """Return what the flavour has begun and still runs, beside tasks of the loop, once it had the chance to end."""
        return set()

    async def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """End what the flavour needs as long as the loop runs."""

    def keeps(self, thread: threading.Thread) -> bool:
        """Say whether a thread is kept on purpose, to be used again."""
        return False


# -- asyncio ----------------------------------------------------------------------------------------------------------


class AsyncioPeer(Peer):
    """A peer as it is."""

    def __init__(self, peer: mezha.asyncio.Peer) -> None:
        self._peer = peer
        self._driver = peer._driver  # pyright: ignore[reportPrivateUsage]
        self.engine = self._driver.engine

    @property
    def socket(self) -> Any:
        return self._driver.transport.get_extra_info("socket")

    @property
    def queued(self) -> int:
        return self.engine.outgoing_size + self._driver.transport.get_write_buffer_size()

    @property
    def receiving(self) -> bool:
        return bool(self._driver._readers)  # pyright: ignore[reportPrivateUsage]

    @property
    def stalled(self) -> bool:
        return bool(self._driver._writers)  # pyright: ignore[reportPrivateUsage]

    async def recv(self) -> bytes:
        return await self._peer.recv()

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        return await self._peer.recv_many(max_count)

    async def recv_for(self, moment: int) -> bytes | None:
        try:
            return await _cancelled(self._peer.recv(), moment)
        except asyncio.CancelledError:
            return None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._peer)

    async def send(self, message: Data) -> None:
        await self._peer.send(message)

    async def send_many(self, messages: Iterable[Data]) -> None:
        await self._peer.send_many(messages)

    async def send_for(self, messages: list[bytes], moment: int) -> range:
        begun = 0

        def count() -> Iterator[bytes]:
            nonlocal begun
            for begun, message in enumerate(messages, 1):  # noqa: B007 - it is nonlocal
                yield message

        single = len(messages) == 1
        try:
            await _cancelled(self._peer.send(messages[0]) if single else self._peer.send_many(count()), moment)
        except asyncio.CancelledError:
            return range(1) if single else range(max(begun - 1, 0), begun + 1)
        return range(len(messages), len(messages) + 1)

    async def send_eof(self) -> None:
        await self._peer.send_eof()

    async def close(self) -> None:
        await self._peer.close()

    def abort(self) -> None:
        self._peer.abort()


class AsyncioListener(Listener):
    """A listener as it is."""

    def __init__(self, listener: mezha.asyncio.Listener) -> None:
        self._listener = listener

    @property
    def sockets(self) -> tuple[Any, ...]:
        return self._listener.sockets

    async def accept(self) -> Peer:
        return AsyncioPeer(await self._listener.accept())

    async def close(self) -> None:
        self._listener.close()


class Asyncio(Flavour):
    """The asyncio flavour, on the loops of a factory."""

    def __init__(self, name: str, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        super().__init__(name)
        self._factory = factory

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return self._factory()

    async def connect(self, in_thread: InThread, *place: Any, **options: Any) -> Peer:
        return AsyncioPeer(await mezha.asyncio.connect(*place, **options))

    async def listen(self, in_thread: InThread, *place: Any, **options: Any) -> Listener:
        return AsyncioListener(await mezha.asyncio.listen(*place, **options))


async def _cancelled(call: Coroutine[Any, Any, T], moment: int) -> T:
    """Cancel a coroutine after so many steps of the loop."""
    task = asyncio.ensure_future(call)
    for _ in range(moment):
        await asyncio.sleep(0)
    task.cancel()
    return await task


# -- blocking ---------------------------------------------------------------------------------------------------------


class BlockingPeer(Peer):
    """A peer whose calls are made in threads."""

    def __init__(self, peer: mezha.blocking.Peer, in_thread: InThread) -> None:
        self._peer = peer
        self._in_thread = in_thread
        self.engine = peer._engine  # pyright: ignore[reportPrivateUsage]

    @property
    def socket(self) -> Any:
        return self._peer._stream.socket  # pyright: ignore[reportPrivateUsage]

    @property
    def queued(self) -> int:
        unsent = sum(map(len, self._peer._unsent))  # pyright: ignore[reportPrivateUsage]
        return self.engine.outgoing_size + unsent + self._peer._wire.size  # pyright: ignore[reportPrivateUsage]

    @property
    def receiving(self) -> bool:
        return self._peer._receiving.locked()  # pyright: ignore[reportPrivateUsage]

    @property
    def stalled(self) -> bool:
        return self._peer._sending.locked()  # pyright: ignore[reportPrivateUsage]

    async def recv(self) -> bytes:
        message: bytes = await self._in_thread(self._peer.recv)
        return message

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        messages: list[bytes] = await self._in_thread(self._peer.recv_many, max_count)
        return messages

    async def recv_for(self, moment: int) -> bytes | None:
        try:
            return self._peer.recv(timeout=moment * _MOMENT)
        except TimeoutError:
            return None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        messages, end = iter(self._peer), object()
        while (message := await self._in_thread(next, messages, end)) is not end:
            yield message

    async def send(self, message: Data) -> None:
        await self._in_thread(self._peer.send, message)

    async def send_many(self, messages: Iterable[Data]) -> None:
        await self._in_thread(self._peer.send_many, messages)

    async def send_for(self, messages: list[bytes], moment: int) -> range:
        sent = len(messages)
        try:
            if sent == 1:
                self._peer.send(messages[0], timeout=moment * _MOMENT)
            else:
                self._peer.send_many(messages, timeout=moment * _MOMENT)
        except SendTimeout as error:
            sent = error.sent
        return range(sent, sent + 1)

    async def send_eof(self) -> None:
        await self._in_thread(self._peer.send_eof)

    async def close(self) -> None:
        await self._in_thread(self._peer.close)

    def abort(self) -> None:
        self._peer.abort()


class BlockingListener(Listener):
    """A listener whose calls are made in threads."""

    def __init__(self, listener: mezha.blocking.Listener, in_thread: InThread) -> None:
        self._listener = listener
        self._in_thread = in_thread

    @property
    def sockets(self) -> tuple[Any, ...]:
        return self._listener.sockets

    async def accept(self) -> Peer:
        return BlockingPeer(await self._in_thread(self._listener.accept), self._in_thread)

    async def close(self) -> None:
        self._listener.close()


class Blocking(Flavour):
    """The blocking flavour."""

    async def connect(self, in_thread: InThread, *place: Any, **options: Any) -> Peer:
        peer: mezha.blocking.Peer = await in_thread(mezha.blocking.connect, *place, **options)
        return BlockingPeer(peer, in_thread)

    async def listen(self, in_thread: InThread, *place: Any, **options: Any) -> Listener:
        listener: mezha.blocking.Listener = await in_thread(mezha.blocking.listen, *place, **options)
        return BlockingListener(listener, in_thread)


# -- trio -------------------------------------------------------------------------------------------------------------


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
        return self._driver.reader.reading

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

    async def close(self) -> None:
        await self._call(self._peer.close)

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


FLAVOURS: list[Flavour] = [Blocking("blocking"), Asyncio("asyncio", asyncio.SelectorEventLoop), Trio("trio")]
try:
    import uvloop
except ImportError:  # Windows has none
    pass
else:
    FLAVOURS.append(Asyncio("uvloop", uvloop.new_event_loop))
