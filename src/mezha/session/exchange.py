"""The exchange: requests of both sides, between the tables that keep them, the outbox and the driver."""

from collections import deque
from collections.abc import Callable

from mezha.errors import MezhaError, RequestFailed
from mezha.framing import Data
from mezha.session.events import Answered, Asked, Cancelled
from mezha.session.frames import Cancel, Code, Failure, Kind
from mezha.session.outbox import Outbox
from mezha.session.requests import Answering, Asking
from mezha.session.sizes import Sizes

__all__ = ["Exchange"]


class Exchange:
    """Asks, and has the driver answer. A connection without requests has none."""

    __slots__ = ("_answering", "_asking", "_outbox", "_sizes", "_told", "events")

    def __init__(self, sizes: Sizes, outbox: Outbox, *, answers: bool) -> None:
        """Without ``answers``, all questions of the peer are refused at once."""
        self._asking = Asking(sizes)
        self._answering = Answering(sizes.ours)
        self._sizes = sizes
        self._outbox = outbox
        self._told = answers
        #: What is for the driver.
        self.events = deque[object]()

    @property
    def ours(self) -> tuple[int, int]:
        """Requests of this side: how many there ever were, and how many are not answered."""
        return self._asking.total, self._asking.count

    @property
    def theirs(self) -> tuple[int, int]:
        """Requests of the peer: how many there ever were, and how many are not answered."""
        return self._answering.total, self._answering.count

    # -- this side asks -----------------------------------------------------------------------------------------------

    def meet(self) -> None:
        """Go by what the peer takes: ask what waits for it, and refuse what is too large."""
        for number, size in self._asking.line():
            if error := self._sizes.refusal(size, "request"):
                self._asking.forget(number)
                self.events.append(Answered(number, error))
        self._ask()

    def request(self, body: Data) -> int:
        """Ask, as soon as the peer has room for one more; return the number that the answer will have."""
        number = self._asking.ask(body)
        self._ask()
        return number

    def cancel(self, number: int) -> None:
        """Forget a request of this side: its answer is of no interest."""
        if self._asking.waits(number) or self._outbox.withdraw(number):
            self._asking.forget(number)
            self._ask()
        elif self._asking.cancel(number):
            self._outbox.control(Cancel(number))

    def hear_failure(self, number: int, code: int, text: str) -> None:
        """Take an answer that is none."""
        if self._asking.failure(number):
            self.events.append(Answered(number, RequestFailed(text, code=code)))
        self._ask()

    # -- the peer asks ------------------------------------------------------------------------------------------------

    def hear_cancel(self, number: int) -> None:
        """Take note that the peer does not wait for an answer any more."""
        tell, answer = self._answering.cancel(number)
        if tell:
            self.events.append(Cancelled(number))
        if answer:
            self.fail(number, Code.CANCELLED, "")

    def answer(self, number: int, body: Data) -> None:
        """Answer. It does nothing if there is no such question, or it has been answered.

        Raises:
            LocalProtocolError: the answer is over the limit: the peer is told that, in its place.

        """
        if error := self._sizes.refusal(len(body), "answer"):
            self.fail(number, Code.TOO_LARGE, f"the answer has {error.size} bytes, and {error.limit} are the most")
            raise error
        if self._answering.answer(number):
            self._outbox.numbered(Kind.REPLY, number, body)

    def fail(self, number: int, code: int, text: str) -> None:
        """Say that there is no answer, and why. It does nothing where ``answer`` does nothing."""
        if self._answering.answer(number):
            self._outbox.failure(Failure(number, code, text))

    # -- both ---------------------------------------------------------------------------------------------------------

    def hear(self, kind: Kind, number: int, piece: Data) -> None:
        """Take a question or an answer, or a piece of one.

        Raises:
            MessageTooLarge: it is over the limit.
            RemoteProtocolError: it has no place here.

        """
        match kind:
            case Kind.REQUEST_PART:
                self._answering.part(number, piece)
            case Kind.REPLY_PART:
                self._asking.reply_part(number, piece)
            case Kind.REQUEST:
                body = self._answering.request(number, piece)
                if body is None:
                    self.fail(number, Code.TOO_LARGE, f"a question of {len(piece)} bytes is over the limit")
                elif self._told:
                    self.events.append(Asked(number, body))
                else:
                    self.fail(number, Code.NO_HANDLER, "requests are not answered here")
            case _:
                answer = self._asking.reply(number, piece)
                if answer is not None:
                    self.events.append(Answered(number, answer))
                self._ask()

    def gone(self, handed_over: list[tuple[Kind, int]]) -> None:
        """Note that the last pieces of these questions and answers have been handed over; forget the list."""
        for kind, number in handed_over:
            if kind is Kind.REPLY:
                self._answering.gone(number)
            else:
                self._asking.asked(number)
        handed_over.clear()

    def give_up(self, error: Callable[[], MezhaError]) -> None:
        """Note that nothing more is asked or answered."""
        for number in self._asking.give_up():
            self.events.append(Answered(number, error()))
        for number in self._answering.give_up():
            self.events.append(Cancelled(number))

    def _ask(self) -> None:
        while question := self._asking.next():
            self._outbox.numbered(Kind.REQUEST, *question)
