"""Two parties with a session each: what they did, what is owed to them, and how it may end."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    LocalProtocolError,
    MessageDropped,
    MezhaError,
    RequestFailed,
)
from mezha.engine import State
from mezha.session import Answered, Asked, Cancelled, Ending, Ponged, Session
from mezha.testing.wire import Side

__all__ = ["Party"]

#: From here on a message goes in pieces.
LARGE = 65_537


@dataclass
class Party:
    """One side. Every message and every question is different, so that none is taken for another."""

    name: str
    session: Session
    side: Side
    #: Messages that were accepted, in order; and those handed out to the other side's program, as the other has them.
    accepted: list[bytes] = field(default_factory=list[bytes])
    received: list[bytes] = field(default_factory=list[bytes])
    #: Questions of this side that wait for an answer; and all there ever were.
    asked: dict[int, bytes] = field(default_factory=dict[int, bytes])
    questions: set[bytes] = field(default_factory=set[bytes])
    #: Questions of the other side: those to be answered, and those that came.
    to_answer: dict[int, bytes] = field(default_factory=dict[int, bytes])
    heard: set[bytes] = field(default_factory=set[bytes])
    pings: set[int] = field(default_factory=set[int])
    #: The message that is being sent as a stream, and the one that is being read as one.
    writing: bytes | None = None
    reading: bytes | None = None
    #: It has ended its messages; closed; and cut the connection.
    ended: bool = False
    closed: bool = False
    reset: bool = False
    #: How receiving ended.
    told: type[Exception] | None = None
    _count: int = 0

    def new(self, size: int) -> bytes:
        """Make bytes that are like no others, about so many."""
        self._count += 1
        return b"%s %d " % (self.name.encode(), self._count) + b"." * size

    def why(self) -> Exception | None:
        """Return what is said to whoever still wants something of it."""
        try:
            self.session.request(b"")
        except MezhaError as error:
            return error
        return None

    # -- messages -----------------------------------------------------------------------------------------------------

    def send(self, size: int) -> bool:
        """Send a message, if the way is clear and there is one."""
        message = self.new(size)
        if not self.session.clear(len(message)) or not self._sends(lambda: self.side.send(message)):
            return False
        self.accepted.append(message)
        return True

    def begin_stream(self) -> None:
        """Begin a message that is sent as a stream, if the way is clear."""
        if self.writing is None and self.session.clear(LARGE) and self._sends(self.session.begin_stream):
            self.writing = b""

    def add_piece(self, size: int) -> None:
        """Add to it."""
        piece = self.new(size)
        if self.writing is not None and self._sends(lambda: self.session.send_piece(piece)):
            self.writing += piece

    def end_stream(self) -> None:
        """End it, in time."""
        if self.writing is not None and self._sends(self.session.end_stream):
            self.accepted.append(self.writing)
            self.writing = None

    def drop_stream(self) -> None:
        """Give it up."""
        if self.writing is not None and self._sends(lambda: self.session.drop_stream(300, "never mind")):
            self.writing = None

    def take(self, count: int, other: "Party") -> int:
        """Take messages; return how many there were."""

        def take() -> int:
            messages = self.side.take(count)
            assert len(messages) <= count
            for message in messages:
                self._receive(message, other)
            return len(messages)

        if self.reading is not None:
            return self.read(other)
        return self._receives(take, other)

    def open_stream(self, other: "Party") -> None:
        """Read the next message as a stream, if there is one."""
        if self.reading is None and self._receives(self.session.open_stream, other):
            self.reading = b""

    def read(self, other: "Party") -> int:
        """Read on, if there is more."""

        def read() -> int:
            assert self.reading is not None
            try:
                piece = self.session.take_piece()
            except MessageDropped as error:
                self.reading, code = None, error.code
                assert code in (300, 9)
                return 1
            if piece is None:
                return 0
            self.reading += piece
            if not piece:
                message, self.reading = self.reading, None
                self._receive(message, other)
            return 1

        return self._receives(read, other) if self.reading is not None else 0

    def leave_stream(self, other: "Party") -> None:
        """Read no more of it: the message counts as taken, when all of it has come."""
        if self.reading is not None and not self.session_is_over:
            self.session.leave_stream()
            self.reading = None
            self.left = True

    @property
    def session_is_over(self) -> bool:
        return self.closed or self.told is not None

    def _receive(self, message: bytes, other: "Party") -> None:
        """Check a message: it is the next that the other sent."""
        place = len(self.received)
        assert place < len(other.accepted), f"{message[:20]!r} came, and was not sent"
        assert message == other.accepted[place], f"{message[:20]!r} came, and {other.accepted[place][:20]!r} is next"
        self.received.append(message)

    def _sends(self, send: Callable[[], None]) -> bool:
        """Send something; check why it is refused, if it is."""
        try:
            send()
        except ClosedByUs:
            assert self.closed or self.ended
        except (ClosedByPeer, ConnectionLost):
            assert not self.closed
            assert self.session.ending, "it is over, and nobody says how"
        else:
            assert not self.closed, "sent after close()"
            assert not self.ended, "sent after end()"
            return True
        return False

    def _receives(self, receive: Callable[[], int], other: "Party") -> int:
        """Receive something; check how receiving ended, if it did."""
        try:
            received = receive()
        except (ClosedByPeer, ClosedByUs, ConnectionLost) as error:
            kind = type(error)
        else:
            assert not received or not self.told, "received after the end"
            return received
        assert self.closed == (kind is ClosedByUs), f"{kind.__name__}, and closed here: {self.closed}"
        assert self.closed or self.told in (None, kind), f"{kind.__name__} after {self.told}"
        assert kind is not ClosedByPeer or other.ended or other.closed, "the other neither ended nor closed"
        self.told = kind
        return 0

    # -- requests and pings -------------------------------------------------------------------------------------------

    def ask(self, size: int) -> None:
        """Ask something, if that can be."""
        question = self.new(size)
        try:
            number = self.session.request(question)
        except (ClosedByUs, ClosedByPeer, ConnectionLost):
            assert self.session.ending
        else:
            assert number not in self.asked
            self.asked[number] = question
            self.questions.add(question)

    def cancel(self, place: int) -> None:
        """Give a question up, if there is one."""
        if self.asked:
            number = [*self.asked][place % len(self.asked)]
            del self.asked[number]
            self.session.cancel(number)

    def ping(self, now: float) -> None:
        """Ask for a sign of life, if that can be."""
        try:
            self.pings.add(self.session.ping(now))
        except (ClosedByUs, ClosedByPeer, ConnectionLost):
            assert self.session.ending

    def answer(self, place: int) -> bool:
        """Answer a question, if there is one: every third is failed, and some answers are large."""
        if not self.to_answer:
            return False
        number = [*self.to_answer][place % len(self.to_answer)]
        question = self.to_answer.pop(number)
        if len(question) % 3 == 2:
            self.session.fail(number, 1000, f"no answer to {len(question)} bytes")
        else:
            self.session.answer(number, answer_to(question))
        return True

    def look(self, other: "Party") -> None:
        """Take what the session has to tell, and check it."""
        while events := self.session.events:
            match events.popleft():
                case Asked(number, body):
                    assert number not in self.to_answer
                    assert body in other.questions, "it was never asked"
                    assert body not in self.heard, "it was asked twice"
                    self.heard.add(body)
                    self.to_answer[number] = body
                case Cancelled(number):
                    self.to_answer.pop(number, None)
                    self.session.fail(number, 9, "cancelled")
                case Answered(number, outcome):
                    self._hear(self.asked.pop(number), outcome)
                case Ponged(number, outcome):
                    self.pings.remove(number)
                    assert not isinstance(outcome, float) or outcome >= 0
                case event:
                    raise AssertionError(event)

    def _hear(self, question: bytes, outcome: bytes | MezhaError) -> None:
        """Check an answer: it is that to this question, or says why there is none."""
        match outcome:
            case bytes():
                assert len(question) % 3 != 2
                assert outcome == answer_to(question)
            case RequestFailed():
                assert len(question) % 3 == 2
                assert (outcome.code, str(outcome)) == (1000, f"no answer to {len(question)} bytes")
            case _:
                assert not isinstance(outcome, LocalProtocolError)
                assert self.session.ending, f"{outcome!r}, and it is not over"

    # -- the end ------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """End the messages of this side; a stream that is not ended is given up."""
        self.side.end()
        self.ended = True
        self.writing = None

    def close(self, code: int, reason: str) -> None:
        """Close."""
        self.side.close(code, reason, within=100_000)
        self.closed = True
        self.writing = self.reading = None
        self.to_answer.clear()

    def cut(self) -> None:
        """Cut the connection."""
        self.side.reset()
        self.closed = self.reset = True
        self.writing = self.reading = None
        self.to_answer.clear()

    def check(self, other: "Party") -> None:
        """Check what holds at any time."""
        ending = self.session.ending
        assert self.session.state is State.CLOSED or not self.closed
        if ending is None:
            assert not self.closed
            return
        self.check_ending(ending, other)

    def check_ending(self, ending: Ending, other: "Party") -> None:
        """Check what is told of the messages of this side: all are accounted for, and no claim is wrong."""
        assert ending.sent + ending.never_sent == len(self.accepted)
        assert len(other.received) <= ending.sent
        assert ending.delivered <= min(ending.sent, len(other.received))
        assert ending.how != "fault"


def answer_to(question: bytes) -> bytes:
    """Return the answer to a question; to some it is large."""
    return b"answer to " + question + b"!" * (70_000 if len(question) % 7 == 3 else 0)
