"""What is under way on a blocking connection beside messages: requests of both sides, and pings of this one."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from mezha.answering import Answers
from mezha.blocking.pool import Pool
from mezha.engine import as_view
from mezha.errors import MezhaError
from mezha.framing import Data
from mezha.serving import GOING_AWAY
from mezha.session import Answered, Asked, Cancelled, Ponged

if TYPE_CHECKING:
    from mezha.blocking.driver import Driver

__all__ = ["Answer", "Calls"]

T = TypeVar("T")

#: What answers a request of the peer.
Answer = Callable[[bytes], object]

log = logging.getLogger("mezha.blocking")


class Calls:
    """Requests and pings that wait for the peer; and requests of the peer, which a pool of threads answers."""

    __slots__ = ("_answering", "_answers", "_driver", "_handler", "_pings", "_pool", "_reader", "_requests", "_session")

    def __init__(
        self, driver: "Driver", handler: Answer | None = None, pool: Pool | None = None, *, peer: str = ""
    ) -> None:
        """Ask the peer, and have the handler answer it in threads of the pool; the log calls it ``peer`` then."""
        self._driver = driver
        self._session = driver.session
        self._answers = Answers(driver.session, log, peer)
        self._handler = handler
        self._pool = pool
        self._requests: dict[int, bytes | MezhaError | None] = {}
        self._pings: dict[int, float | MezhaError | None] = {}
        self._answering: dict[int, Future[None]] = {}
        self._reader: threading.Thread | None = None
        if pool is not None:
            pool.join()
            self._reader = threading.Thread(target=self._read, name=f"mezha reading {peer}", daemon=True)

    def begin(self) -> None:
        """Read also while nobody receives, if there is somebody to answer."""
        if self._reader is not None:
            self._reader.start()

    def request(self, body: Data, timeout: float | None) -> bytes:
        """Ask, and wait for the answer; given up in any way, the other side hears of it."""
        body = body if isinstance(body, bytes) else bytes(as_view(body))
        number: int | None = None
        try:
            number = self._driver.do(lambda: self._begin(self._session.request(body), self._requests))
            return self._outcome(number, self._requests, timeout, "answer")
        finally:
            if number is not None and number in self._requests:
                self._driver.do(lambda: self._forget(number))

    def ping(self, timeout: float | None) -> float:
        """Ask for a sign of life; return how many seconds it took."""
        number = self._driver.do(lambda: self._begin(self._session.ping(time.monotonic()), self._pings))
        try:
            return self._outcome(number, self._pings, timeout, "sign of life")
        finally:
            self._pings.pop(number, None)

    def hear(self) -> None:
        """Take what the engine has to tell to whom it concerns. Called under the lock of the driver."""
        engine = self._driver.engine
        while events := engine.events:
            match events.popleft():
                case Asked(number, _) if self._driver.retiring:
                    self._session.fail(number, *GOING_AWAY)
                case Asked(number, body):
                    self._have_answered(number, body)
                case Cancelled(number):
                    future = self._answering.get(number)
                    if future is not None and future.cancel():  # no thread has begun
                        del self._answering[number]
                        self._answers.cancelled(number)
                case Answered(number, outcome):
                    self._requests[number] = outcome
                case Ponged(number, outcome) if number in self._pings:
                    self._pings[number] = outcome
                case _:
                    pass  # a pong that nobody waits for any more

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return bool(self._answering)

    def ended(self, deadline: float) -> None:
        """Wait, after the end of the connection, for the thread that reads; and need the pool no longer."""
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(max(deadline - time.monotonic(), 0))
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.leave()

    # -- below --------------------------------------------------------------------------------------------------------

    def _begin(
        self, number: int, expected: dict[int, bytes | MezhaError | None] | dict[int, float | MezhaError | None]
    ) -> int:
        expected[number] = None
        return number

    def _forget(self, number: int) -> None:
        self._session.cancel(number)
        del self._requests[number]

    def _outcome(
        self, number: int, outcomes: "dict[int, T | MezhaError | None]", timeout: float | None, what: str
    ) -> T:
        deadline = None if timeout is None else time.monotonic() + timeout
        outcome = self._driver.until(lambda: outcomes[number], deadline)
        if outcome is None:
            raise TimeoutError(f"no {what} within {timeout:g} s; the connection is unharmed")
        del outcomes[number]
        if isinstance(outcome, MezhaError):
            raise outcome
        return cast("T", outcome)

    def _have_answered(self, number: int, body: bytes) -> None:
        """Have a request of the peer answered by a thread."""
        assert self._pool is not None
        try:
            self._answering[number] = self._pool.submit(partial(self._answer, number, body))
        except RuntimeError:  # no more threads, or the pool has ended
            self._answers.cancelled(number)

    def _answer(self, number: int, body: bytes) -> None:
        assert self._handler is not None
        try:
            reply = self._handler(body)
        except Exception as error:  # noqa: BLE001 - the other side gets to know
            outcome = partial(self._answers.raised, number, error)
        else:
            outcome = partial(self._answers.returned, number, reply)
        self._driver.do(partial(self._settle, number, outcome))

    def _settle(self, number: int, outcome: Callable[[], None]) -> None:
        self._answering.pop(number, None)
        outcome()
        if self._driver.retiring:
            self._driver.part()

    def _read(self) -> None:
        """Wait for requests, to the end of the connection."""
        self._driver.until(lambda: True if self._driver.deaf else None, None)
