"""What is under way on an asyncio connection beside messages: requests of both sides, and pings of this one."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mezha.answering import Answers
from mezha.engine import as_view
from mezha.errors import MezhaError
from mezha.framing import Data
from mezha.serving import GOING_AWAY
from mezha.session import Answered, Asked, Cancelled, Ponged
from mezha.sockets import address_name

if TYPE_CHECKING:
    from mezha.asyncio.session import SessionDriver

__all__ = ["Answer", "Calls"]

T = TypeVar("T")

#: What answers a request of the peer.
Answer = Callable[[bytes], Awaitable[object]]

log = logging.getLogger("mezha.asyncio")


class Calls:
    """Requests and pings that wait for the peer, each with who waits; and requests of the peer, each with its task."""

    __slots__ = ("_answering", "_answers", "_driver", "_handler", "_loop", "_pings", "_requests", "_session")

    def __init__(self, driver: "SessionDriver", handler: Answer | None) -> None:
        self._driver = driver
        self._handler = handler
        self._session = driver.session
        self._loop = asyncio.get_running_loop()
        self._answers = Answers(driver.session, log, address_name(driver.transport.get_extra_info("peername")))
        self._requests: dict[int, asyncio.Future[bytes]] = {}
        self._pings: dict[int, asyncio.Future[float]] = {}  # the time of the answer
        self._answering: dict[int, asyncio.Task[object]] = {}

    async def request(self, body: Data, within: float | None) -> bytes:
        """Ask, and wait for the answer; given up in any way, the other side hears of it."""
        number = self._session.request(body if isinstance(body, bytes) else bytes(as_view(body)))
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._requests[number] = answer
        self._driver.attend()
        try:
            return await _within(answer, within, "answer")
        finally:
            if self._requests.pop(number, None) is not None:
                self._session.cancel(number)
                self._driver.attend()

    async def ping(self, within: float | None) -> float:
        """Ask for a sign of life; return how many seconds it took."""
        begun = time.perf_counter()  # the clock of the loop may be coarser than that
        number = self._session.ping(self._loop.time())
        pong: asyncio.Future[float] = self._loop.create_future()
        self._pings[number] = pong
        self._driver.attend()
        try:
            return await _within(pong, within, "sign of life") - begun
        finally:
            self._pings.pop(number, None)

    def hear(self) -> None:
        """Take what the engine has to tell to whom it concerns."""
        engine = self._driver.engine
        while events := engine.events:
            match events.popleft():
                case Asked(number, _) if self._driver.retiring:
                    self._session.fail(number, *GOING_AWAY)
                case Asked(number, body):
                    self._begin(number, body)
                case Cancelled(number):
                    task = self._answering.get(number)
                    if task is not None and task is not asyncio.current_task():
                        task.cancel()
                case Answered(number, outcome):
                    _settle(self._requests.pop(number, None), outcome)
                case Ponged(number, outcome):
                    now = outcome if isinstance(outcome, MezhaError) else time.perf_counter()
                    _settle(self._pings.pop(number, None), now)
                case event:
                    raise AssertionError(f"{event} is not for a driver")

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return bool(self._answering)

    async def ended(self, within: float) -> None:
        """Wait, after the end of the connection, for the handlers that were cancelled; so many seconds at most."""
        if others := set(self._answering.values()) - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=within)

    # -- below --------------------------------------------------------------------------------------------------------

    def _begin(self, number: int, body: bytes) -> None:
        """Have a request of the peer answered."""
        task = self._loop.create_task(self._answer(body))
        self._answering[number] = task
        task.add_done_callback(partial(self._end, number))

    async def _answer(self, body: bytes) -> object:
        assert self._handler is not None
        return await self._handler(body)

    def _end(self, number: int, task: "asyncio.Task[object]") -> None:
        del self._answering[number]
        if task.cancelled():
            self._answers.cancelled(number)
        elif error := task.exception():
            self._answers.raised(number, error)
        else:
            self._answers.returned(number, task.result())
        self._driver.attend()
        if self._driver.retiring:
            self._driver.wake()


async def _within(outcome: "asyncio.Future[T]", seconds: float | None, what: str) -> T:
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            return await outcome
    except TimeoutError:
        if not scope.expired():
            raise
        raise TimeoutError(f"no {what} within {seconds:g} s; the connection is unharmed") from None
    finally:
        if outcome.done() and not outcome.cancelled():
            outcome.exception()  # it came when nobody waited any more


def _settle(future: "asyncio.Future[T] | None", outcome: "T | MezhaError") -> None:
    if future is None or future.done():  # whoever waited does no longer
        return
    if isinstance(outcome, MezhaError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
