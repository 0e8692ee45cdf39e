"""The trio driver of a session: a task of the connection reads, answers and keeps the deadline, whoever receives."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from math import inf
from typing import TypeVar

import trio
from trio.lowlevel import ParkingLot, spawn_system_task

from mezha.engine import Engine
from mezha.framing import Data
from mezha.limits import Limits
from mezha.serving import GOING_AWAY
from mezha.session import Session
from mezha.trio.calls import Answer, Calls
from mezha.trio.driver import Driver
from mezha.trio.reader import Reader
from mezha.trio.stream import system_error
from mezha.trio.writer import Writer

__all__ = ["SessionDriver", "SessionReader"]

T = TypeVar("T")


class SessionReader(Reader):
    """Reads all the time; those who receive wait until something has come."""

    async def arrival(self) -> None:
        """Wait until the engine has been given something."""
        if self.reading:
            await self._arrived.park()
        else:  # at the end nothing is waited for
            await trio.lowlevel.checkpoint()

    def wake(self) -> None:
        """Let those who wait find out how things are."""
        self._arrived.unpark_all()

    @property
    def awaited(self) -> bool:
        """Whether somebody waits to receive."""
        return len(self._arrived) > 0

    async def run(self, told: Callable[[], None]) -> None:
        """Read to the end, or until it is shut; ``told`` is called when the engine has been."""
        with trio.CancelScope() as self._scope:
            while self.reading and not self._shut:
                await self._read()
                self.wake()
                told()
        self.reading = False
        self.wake()

    async def _read(self) -> None:
        try:
            data = await self._receive()
            self._engine.receive(data, trio.current_time())
            self.reading = len(data) > 0
        except Exception as error:  # noqa: BLE001 - the stream may be anybody's
            self.reading = False
            self._engine.lost(system_error(error))
            self._engine.receive(b"", trio.current_time())

    async def _receive(self) -> bytes | bytearray | memoryview:
        if self._socket is None:
            return await self._stream.receive_some()
        while True:
            await self._socket.readable()
            try:
                return self._socket.read(self._engine.space())
            except BlockingIOError:
                pass


class SessionDriver(Driver):
    """One connection that speaks the mezha protocol."""

    __slots__ = (
        "_answer",
        "_calls",
        "_due",
        "_ended",
        "_finished",
        "_nursery",
        "_sleep",
        "retiring",
        "session",
        "told",
    )

    reader: SessionReader

    def __init__(self, engine: Engine, session: Session, limits: Limits, stream: trio.abc.Stream) -> None:
        super().__init__(engine, limits, stream)
        #: The engine, for what not every engine does.
        self.session = session
        self._answer: Answer | None = None
        self._calls: Calls | None = None
        self._nursery: trio.Nursery
        self._sleep: trio.CancelScope | None = None  # until the deadline
        self._due = inf
        #: It says goodbye as soon as nothing is under way.
        self.retiring = False
        self._finished = ParkingLot()
        self._ended = trio.Event()  # of all tasks of the connection
        self.writer.lost = self.attend
        #: To be called after each call of the engine, if anybody wants to know.
        self.told: Callable[[], None] | None = None

    def open(self, answer: Answer | None) -> None:
        """Begin to read, and to answer requests."""
        self._answer = answer
        self.reader.reading = True
        spawn_system_task(self._live, context=copy_context())
        self.attend()

    @property
    def calls(self) -> Calls:
        """Requests and pings."""
        if self._calls is None:
            self._calls = Calls(self, self._answer)
        return self._calls

    async def request(self, body: Data, within: float | None) -> bytes:
        """Ask, and wait for the answer."""
        return await self.calls.request(body, within)

    async def ping(self, within: float | None) -> float:
        """Ask for a sign of life; return how many seconds it took."""
        return await self.calls.ping(within)

    async def arrival(self) -> None:
        """Wait until the engine has been given something."""
        await self.reader.arrival()

    def wake(self) -> None:
        """Let all who wait find out how things are."""
        self.reader.wake()
        self.writer.look()

    def turn(self) -> AbstractAsyncContextManager[Writer]:
        """Wait in line: nobody else sends to the end of the block."""
        return self.writer.turn()

    def in_thread(self, function: Callable[[int], T], argument: int) -> Awaitable[T]:
        """Call what may block."""
        return trio.to_thread.run_sync(function, argument)

    @property
    def nursery(self) -> trio.Nursery:
        """Of the tasks that answer requests."""
        return self._nursery

    def take(self, count: int) -> list[bytes]:
        """Take messages, and give the peer credit for more; or say goodbye, if that was all."""
        try:
            messages = super().take(count)
            if not messages and self.retiring and not (self._calls and self._calls.busy):
                self.dismiss()
                messages = super().take(count)  # which says that it is closed
            return messages
        finally:
            if self.engine.outgoing_size:
                self.writer.flush_soon()

    def attend(self) -> None:
        """See what has come of a call of the engine: what is to be written, who need not wait any more, what is due."""
        engine = self.engine
        if engine.events:
            self.calls.hear()
        if engine.outgoing_size:
            self.writer.flush_soon()
        self.writer.look()
        if self._finished and engine.finished():
            self._finished.unpark_all()
        due = engine.deadline()
        if due is not None and due < self._due and self._sleep is not None:
            self._sleep.cancel()
        if self.told is not None:
            self.told()

    def retire(self) -> None:
        """Say goodbye as soon as nothing is under way: no message is here, and no request being answered."""
        self.retiring = True
        self.reader.wake()

    def dismiss(self) -> None:
        """Say goodbye now."""
        self.engine.close(*GOING_AWAY)
        self.writer.shut()
        self.attend()
        self.reader.wake()

    async def close(self, within: float) -> None:
        """Take leave of the peer, then close the stream; cut it after ``within`` seconds, or when cancelled."""
        until = trio.current_time() + within
        self.writer.shut()
        self.reader.wake()
        self.attend()
        try:
            with trio.move_on_at(until) as scope:
                while not (self.engine.finished() or self.gone.is_set()):
                    await self._finished.park()
            if scope.cancelled_caught:
                late = TimeoutError(f"the peer has not said goodbye within {within:g} s (Timeouts.close)")
                self.engine.lost(late)
        except BaseException:
            self.cut()
            raise
        await super().close(max(until - trio.current_time(), 0))
        if not (self._calls and self._calls.answering):
            await self._ended.wait()

    def cut(self) -> None:
        """Cut the connection at once."""
        super().cut()
        self.engine.lost(ConnectionAbortedError("it was cut on this side"))
        self.attend()
        self._finished.unpark_all()

    # -- below --------------------------------------------------------------------------------------------------------

    def _open_reader(self) -> SessionReader:
        return SessionReader(self.engine, self.stream)

    async def _live(self) -> None:
        """Read to the end, and keep the deadline until then; those who answer may take longer."""
        try:
            async with trio.open_nursery() as self._nursery:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._keep_time)
                    await self.reader.run(self.attend)
                    nursery.cancel_scope.cancel()
                self.attend()
        finally:
            self._answer = None  # which knows the peer, and so this
            self._ended.set()

    async def _keep_time(self) -> None:
        while True:
            due = self.engine.deadline()
            self._due = inf if due is None else due
            with trio.CancelScope(deadline=self._due) as self._sleep:
                await trio.sleep_forever()
            if due is not None and trio.current_time() >= due:
                self.engine.expire(max(trio.current_time(), due))
                self.reader.wake()
                self.attend()
