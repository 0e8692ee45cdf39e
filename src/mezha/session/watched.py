"""A session that tells an observer what not every engine does: requests, pings, and the pieces of large messages."""

from collections import deque
from collections.abc import Iterable

from mezha.framing import Data
from mezha.limits import Limits, Timeouts
from mezha.observe import Observer
from mezha.session.events import Answered, Asked, Cancelled, Ponged
from mezha.session.exchange import Exchange
from mezha.session.hello import Hello
from mezha.session.session import Session

__all__ = ["Watched"]


class Watched(Session):
    """A session for an observer; what an engine does is told by ``Observed``, around it."""

    __slots__ = ("_observer",)

    def __init__(
        self,
        observer: Observer,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        answers: bool = True,
        hello: Hello | None = None,
    ) -> None:
        super().__init__(limits=limits, timeouts=timeouts, answers=answers, hello=hello)
        self._observer = observer

    def request(self, body: Data) -> int:
        """Ask the peer, and tell."""
        number = super().request(body)
        self._observer.request_sent(number, body)
        return number

    def answer(self, number: int, body: Data) -> None:
        """Answer a request of the peer, and tell."""
        super().answer(number, body)
        self._observer.answer_sent(number, body)

    def fail(self, number: int, code: int, text: str) -> None:
        """Say that a request of the peer has no answer, and tell."""
        super().fail(number, code, text)
        self._observer.failure_sent(number, code, text)

    def outgoing(self) -> list[Data]:
        """Hand over what is to be sent, and tell how far a large message is."""
        before = self._outbox.sending
        parts = super().outgoing()
        sending = self._outbox.sending
        if sending != before:
            self._observer.piece_sent(sending)
        return parts

    def receive(self, data: Data, now: float) -> None:
        """Take bytes that arrived, and tell how far a large message is."""
        before = self._inbox.unfinished
        super().receive(data, now)
        arriving = self._inbox.unfinished
        if arriving != before:
            self._observer.piece_received(arriving)

    @property
    def _talk(self) -> Exchange:
        if self._exchange is None:
            super()._talk.events = _Told(self._observer)
        return super()._talk


class _Told(deque[object]):
    """Events, of which an observer is told as they come."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer

    def append(self, event: object, /) -> None:
        super().append(event)
        match event:
            case Asked(number, body):
                self._observer.request_received(number, body)
            case Answered(number, outcome):
                self._observer.answer_received(number, outcome)
            case Cancelled(number):
                self._observer.request_cancelled(number)
            case Ponged(number, outcome):
                self._observer.pong_received(number, outcome)
            case _:
                raise AssertionError(f"{event} is told nobody")

    def extend(self, events: Iterable[object], /) -> None:
        for event in events:
            self.append(event)
