"""The asyncio driver of a session: it reads, answers and keeps the deadline, also while nobody receives."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar

from mezha.asyncio.calls import Answer, Calls
from mezha.asyncio.driver import Driver
from mezha.engine import Engine
from mezha.framing import Data
from mezha.limits import Limits
from mezha.serving import GOING_AWAY
from mezha.session import Session

__all__ = ["SessionDriver"]

T = TypeVar("T")


class SessionDriver(Driver):
    """One connection that speaks the mezha protocol.

    What the engine has to say is written after each call of it. It hands out a little at a time, and is asked for more
    when the transport has written that. The transport never stops reading.
    """

    __slots__ = ("_answer", "_calls", "_due", "_finished", "_ready", "retiring", "session", "told")

    def __init__(self, engine: Engine, session: Session, limits: Limits) -> None:
        super().__init__(engine, limits)
        #: The engine, for what not every engine does.
        self.session = session
        self._answer: Answer | None = None
        self._calls: Calls | None = None
        self._ready = False
        self._due = inf  # when the timer is set to
        self._finished: tuple[asyncio.Future[None], ...] = ()  # of those who wait in leave()
        #: It says goodbye as soon as nothing is under way.
        self.retiring = False
        #: To be called after each call of the engine, if anybody wants to know.
        self.told: Callable[[], None] | None = None

    def open(self, answer: Answer | None) -> None:
        """Begin to answer requests, also those that have come already."""
        self._answer = answer
        self._ready = True
        self.attend()

    # -- what the transport calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and keep the deadline from now on."""
        super().connection_made(transport)
        self.attend()

    def buffer_updated(self, nbytes: int) -> None:
        """Hand over what was read, and see what comes of it."""
        super().buffer_updated(nbytes)
        self.attend()

    def eof_received(self) -> bool:
        """Note the end of the peer's stream: a session is over with it, in both directions."""
        super().eof_received()
        self.attend()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection."""
        super().connection_lost(exc)
        self.attend()
        self._answer = None  # which knows the peer, and so this

    def resume_writing(self) -> None:
        """Write more, and let the first sender go on."""
        super().resume_writing()
        self.attend()

    # -- what a peer calls --------------------------------------------------------------------------------------------

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
        await self.readable()

    def in_thread(self, function: Callable[[int], T], argument: int) -> Awaitable[T]:
        """Call what may block."""
        return asyncio.to_thread(function, argument)

    def flush(self) -> None:
        """Write what the engine has, as far as the transport takes it."""
        while self._writable and self.engine.outgoing_size:
            super().flush()

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
                self.flush_soon()

    def attend(self) -> None:
        """See what has come of a call of the engine: what is to be written, who need not wait any more, what is due."""
        engine = self.engine
        if engine.events and self._ready:
            self.calls.hear()
        if engine.outgoing_size:
            self.flush_soon()
        self.wake_line()
        if self._finished:
            self._note_finished()
        self._keep_time()
        if self.told is not None:
            self.told()

    def retire(self) -> None:
        """Say goodbye as soon as nothing is under way: no message is here, and no request being answered."""
        self.retiring = True
        self.wake()

    def dismiss(self) -> None:
        """Say goodbye now."""
        self.engine.close(*GOING_AWAY)
        self.attend()
        self.wake()

    async def leave(self, within: float) -> None:
        """Take leave of the peer, then end the connection; cut it after so many seconds, or when cancelled."""
        until = self._loop.time() + within
        leaving = self._loop.create_future()
        self._finished += (leaving,)
        timer = self._loop.call_later(within, self._give_up, within)
        self._note_finished()
        try:
            await leaving
        except BaseException:
            self.cut()
            raise
        finally:
            timer.cancel()
        await super().leave(max(until - self._loop.time(), 0))
        if self._calls is not None:
            await self._calls.ended(max(until - self._loop.time(), 0))

    # -- below --------------------------------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        due = self.engine.deadline()
        if due is not None and due < self._due and not self.gone:
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = self._loop.call_at(due, self._expire)

    def _expire(self) -> None:
        self._due = inf
        super()._expire()
        self.attend()

    def _note_finished(self) -> None:
        """Let those who wait for the end of the session go on, if it has come."""
        if self.gone or (self.engine.finished() and not self.engine.outgoing_size):
            finished, self._finished = self._finished, ()
            for one in finished:
                if not one.done():
                    one.set_result(None)

    def _give_up(self, seconds: float) -> None:
        """Wait no longer for the peer's goodbye."""
        self.engine.lost(TimeoutError(f"the peer has not said goodbye within {seconds:g} s (Timeouts.close)"))
        self._note_finished()
