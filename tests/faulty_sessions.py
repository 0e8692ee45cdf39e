"""Sessions with faults, one each, which a model of two of them has to notice."""

from mezha.framing import Data
from mezha.session import Session
from mezha.session.frames import Close

__all__ = ["FAULTY", "Faulty"]


class Faulty(Session):
    """A session to go wrong: messages are handed out by ``take`` alone."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.pop = lambda: None


class LosesMessages(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        return super().take(count)[:2]


class SwapsMessages(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        return super().take(count)[::-1]


class ClearsTheWayTooSoon(Faulty):
    def clear(self, size: int) -> bool:
        return True

    def send(self, message: Data) -> None:
        if super().clear(len(message)):
            super().send(message)


class GrantsNothing(Faulty):
    def _account(self) -> None:
        self._inbox.freed()
        super()._account()


class KeepsAllPiecesBack(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        return [] if self._inbox.empty and self._life.receiving else super().take(count)


class TearsStreams(Faulty):
    def take_piece(self) -> bytes | None:
        piece = super().take_piece()
        return piece[:-1] if piece and len(piece) > 100 else piece


class AnswersOthers(Faulty):
    def answer(self, number: int, body: Data) -> None:
        super().answer(number ^ 1, body)


class TellsWhatWasCancelled(Faulty):
    def cancel(self, number: int) -> None:
        pass


class AnswersNoPing(Faulty):
    def outgoing(self) -> list[Data]:
        self._outbox._pong = None  # pyright: ignore[reportPrivateUsage]
        return super().outgoing()


class HasNoPatience(Faulty):
    def expire(self, now: float) -> None:
        self._heartbeat.heard -= 60
        super().expire(now)


class SaysGoodbyeTooEarly(Faulty):
    def close(self, code: int = 0, reason: str = "") -> None:
        self._outbox.clear()
        super().close(code, reason)


class ClaimsTooMuch(Faulty):
    def close(self, code: int = 0, reason: str = "") -> None:
        super().close(code, reason)
        if (goodbye := self._life.goodbyes.ours) and not self._outbox.said:
            self._outbox.clear(Close(goodbye.code, goodbye.taken + 1, goodbye.text))


class SaysNoGoodbye(Faulty):
    def _answer_goodbye(self, taken: int | None = None) -> None:
        pass


class TakesAnEndForAGoodbye(Faulty):
    def _end_of_stream(self) -> None:
        self._life.goodbyes.theirs = self._life.goodbyes.theirs or Close(0, 0, "")
        super()._end_of_stream()


#: All.
FAULTY: list[type[Faulty]] = Faulty.__subclasses__()
