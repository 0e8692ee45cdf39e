"""mezha's own session as a side on which scenes are played, in virtual time."""

from contextlib import suppress

from mezha.errors import LocalProtocolError, MezhaError, RequestFailed
from mezha.limits import Limits, Timeouts
from mezha.session.events import Answered, Asked, Cancelled
from mezha.session.frames import Code
from mezha.session.hello import Hello
from mezha.session.session import Session
from mezha.testing.scenes import Side

__all__ = ["SessionSide"]


class SessionSide(Side):
    """One side, whose stream takes everything at once."""

    def __init__(self, hello: Hello, answers: bool) -> None:
        limits = Limits(max_message=hello.max_message, inbox=hello.window, requests=hello.requests)
        timeouts = Timeouts(heartbeat=hello.heartbeat / 1000 or None)
        self._engine = Session(limits=limits, timeouts=timeouts, answers=answers, hello=hello)
        self._now = 0.0
        self._sent = bytearray()
        self._begun = False
        self._requests: list[int] = []

    def begin(self) -> None:
        self._engine.begin(self._now)
        self._flush()

    def receive(self, data: bytes) -> None:
        self._engine.receive(data, self._now)
        self._flush()

    def wait(self, seconds: float) -> None:
        until = self._now + seconds
        while (deadline := self._engine.deadline()) is not None and deadline <= until:
            self._now = max(self._now, deadline)
            self._engine.expire(self._now)
            self._flush()
        self._now = until

    def sent(self) -> bytes:
        self._flush()
        data, self._sent = self._sent, bytearray()
        return bytes(data)

    def take(self) -> list[bytes]:
        messages: list[bytes] = []
        with suppress(MezhaError):
            while taken := self._engine.take():
                messages += taken
                self._flush()
        return messages

    def want(self) -> None:
        assert self._engine.take() == []
        self._flush()

    def got(self) -> bytes | None:
        message = next(iter(self._engine.take()), None)
        self._flush()
        return message

    def events(self) -> list[tuple[object, ...]]:
        seen: list[tuple[object, ...]] = []
        while self._engine.events:
            match self._engine.events.popleft():
                case Asked(id, body):
                    seen.append(("asked", id, body))
                case Cancelled(id):
                    seen.append(("told_cancelled", id))
                case Answered(id, bytes(body)):
                    seen.append(("reply_to", self._requests.index(id) + 1, body))
                case Answered(id, RequestFailed() as error):
                    seen.append(("failure_of", self._requests.index(id) + 1, error.code))
                case Answered(id, _):
                    seen.append(("failure_of", self._requests.index(id) + 1, None))
                case other:
                    raise AssertionError(other)
        return seen

    def act(self, does: str, *given: object) -> bool:
        try:
            self._act(does, *given)
        except MezhaError:
            return False
        finally:
            self._flush()
        return True

    def _act(self, does: str, *given: object) -> None:
        engine = self._engine
        match does, *given:
            case "send", bytes(message):
                engine.send(message)
            case "piece", bytes(piece):
                self._piece(piece)
            case "finish", _:
                engine.end_stream()
                self._begun = False
            case "drop", int(code):
                engine.drop_stream(code, "no")
                self._begun = False
            case "end", _:
                engine.end()
            case "request", bytes(body):
                self._requests.append(engine.request(body))
            case "cancel", int(number):
                engine.cancel(self._requests[number - 1])
            case "answer", int(number), bytes(body):
                try:
                    engine.answer(number, body)
                except LocalProtocolError:
                    engine.fail(number, Code.TOO_LARGE, "too large")  # as a driver does
            case "fail", int(number), int(code):
                engine.fail(number, code, "no")
            case "close", int(code):
                engine.close(code)
            case other:
                raise AssertionError(other)

    def _piece(self, piece: bytes) -> None:
        if not self._begun:
            self._engine.begin_stream()
            self._begun = True
        self._engine.send_piece(piece)

    def _flush(self) -> None:
        while self._engine.outgoing_size:
            self._sent += b"".join(self._engine.outgoing())

    def ending(self) -> tuple[str, int | None, int | None]:
        ending = self._engine.ending
        assert ending, "it has not ended"
        how = {"fault": "violation", "unanswered": "lost"}.get(ending.how, ending.how)
        return how, ending.code, ending.delivered
