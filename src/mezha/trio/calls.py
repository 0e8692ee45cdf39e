"""What is under way on a trio connection beside messages: requests of both sides, and pings of this one."""

import logging
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

from mezha.answering import Answers
from mezha.engine import as_view
from mezha.errors import MezhaError
from mezha.framing import Data
from mezha.session import Answered, Asked, Cancelled, Ponged
from mezha.sockets import address_name

if TYPE_CHECKING:
    from mezha.trio.session import SessionDriver

__all__ = ["Answer", "Calls"]

T = TypeVar("T")

#: What answers a request of the peer.
Answer = Callable[[bytes], Awaitable[object]]

log = logging.getLogger("mezha.trio")


class _Outcome(Generic[T]):
    """What somebody waits for."""

    def __init__(self) -> None:
        self.come = trio.Event()
        self.value: T | MezhaError

    def settle(self, value: T | MezhaError) -> None:
        self.value = value
        self.come.set()

    async def within(self, seconds: float | None, what: str) -> T:
        with trio.move_on_after(inf if seconds is None else seconds):
            await self.come.wait()
        if not self.come.is_set():
            raise TimeoutError(f"no {what} within {seconds:g} s; the connection is unharmed")
        if isinstance(self.value, MezhaError):
            raise self.value
        return self.value


class Calls:
    """Requests and pings that wait for the peer, each with who waits; and requests of the peer, each with its task."""

    def __init__(self, driver: "SessionDriver", handler: Answer | None) -> None:
        self._driver = driver
        self._handler = handler
        self._session = driver.session
        self._answers = Answers(driver.session, log, address_name(driver.addresses[1]))
        self._requests: dict[int, _Outcome[bytes]] = {}
        self._pings: dict[int, _Outcome[float]] = {}
        self._scopes: dict[int, trio.CancelScope] = {}  # of those who answer
        self._tasks: dict[int, trio.lowlevel.Task] = {}

    async def request(self, body: Data, within: float | None) -> bytes:
        """Ask, and wait for the answer; given up in any way, the other side hears of it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        number = self._session.request(body if isinstance(body, bytes) else bytes(as_view(body)))
        answer = self._requests[number] = _Outcome[bytes]()
        self._driver.attend()
        try:
            return await answer.within(within, "answer")
        finally:
            if self._requests.pop(number, None) is not None:
                self._session.cancel(number)
                self._driver.attend()

    async def ping(self, within: float | None) -> float:
        """Ask for a sign of life; return how many seconds it took."""
        await trio.lowlevel.checkpoint_if_cancelled()
        number = self._session.ping(trio.current_time())
        pong = self._pings[number] = _Outcome[float]()
        self._driver.attend()
        try:
            return await pong.within(within, "sign of life")
        finally:
            self._pings.pop(number, None)

    def hear(self) -> None:
        """Take what the engine has to tell to whom it concerns."""
        engine = self._driver.engine
        while events := engine.events:
            match events.popleft():
                case Asked(number, body):
                    self._scopes[number] = trio.CancelScope()
                    self._driver.nursery.start_soon(self._answer, number, body)
                case Cancelled(number) if number in self._scopes:
                    if self._tasks.get(number) is not trio.lowlevel.current_task():
                        self._scopes[number].cancel()
                case Answered(number, outcome) if number in self._requests:
                    self._requests.pop(number).settle(outcome)
                case Ponged(number, outcome) if number in self._pings:
                    self._pings.pop(number).settle(outcome)
                case _:
                    pass  # nobody waits for it any more

    @property
    def answering(self) -> bool:
        """Whether the task that asks is one that answers."""
        return trio.lowlevel.current_task() in self._tasks.values()

    async def _answer(self, number: int, body: bytes) -> None:
        """Answer a request of the peer."""
        assert self._handler is not None
        self._tasks[number] = trio.lowlevel.current_task()
        scope = self._scopes[number]
        try:
            with scope:
                reply = await self._handler(body)
                self._answers.returned(number, reply)
            if scope.cancelled_caught:
                self._answers.cancelled(number)
        except Exception as error:  # noqa: BLE001 - the other side gets to know
            self._answers.raised(number, error)
        finally:
            del self._scopes[number], self._tasks[number]
            self._driver.attend()
