"""A session, compiled and in plain Python, both in step; and a peer that sends it any frames, and any bytes.

Invariant: whatever a peer, a driver and a program do, in any order, both say the same; what waits stays within what
this side said in its HELLO; every deadline that has passed is gone when it has been kept; what goes out is frames, and
CLOSE the last of them; and when the stream has ended everybody who waits is told so, for good.

Allowed: from what is sent or asked LocalProtocolError, RemoteProtocolError and those below it, ClosedByPeer, ClosedByUs
and ConnectionLost; from what is received the same, and MessageDropped; from everything else nothing.
"""

from collections.abc import Callable
from typing import Any

from fuzz.choices import Choices
from fuzz.copies import COPIES
from fuzz.model import Fault, agreed, attempt
from mezha.framing import Frame
from mezha.session import Session
from mezha.session.frames import BOUNDS, PIECE, Frames, Kind
from mezha.session.greeting import MAGIC

__all__ = ["check"]

OVER = {
    "ClosedByPeer",
    "ClosedByUs",
    "ConnectionLost",
    "FramingError",
    "HandshakeError",
    "MessageTooLarge",
    "MessageTooSlow",
    "RemoteProtocolError",
}
LARGEST = 150_000
WINDOW = 131_072
#: What a frame has, at most, with its header.
FRAME = 65_545
#: A HELLO that says little, one that says much, and one that is not there.
OPENINGS = (
    MAGIC + bytes.fromhex("00000006 00 0001 0001 01"),
    MAGIC + bytes.fromhex("0000001a 00 0001 0001 01 0002 0008 0000000000000005 0004 0004 000003e8"),
    b"",
)


def check(data: bytes) -> None:
    """Drive the sessions as the bytes say."""
    choices = Choices(data)
    connection = Connection(answers=bool(choices.below(4)))
    connection.receive(choices.one_of(OPENINGS))
    while choices:
        match choices.below(18):
            case 0 | 1:
                connection.receive(connection.plausible(choices))
            case 2:
                connection.receive(frame(choices))
            case 3:
                connection.receive(choices.piece(1 + choices.below(40)))
            case 4:
                connection.take(1 + choices.below(4))
            case 5:
                connection.pop()
            case 6:
                connection.send(choices.piece(choices.below(40)))
            case 7:
                connection.send(bytes(choices.one_of((0, 8191, 8192, PIECE, PIECE + 1, LARGEST))))
            case 8:
                connection.stream(choices.below(5), choices.piece(choices.below(20)))
            case 9:
                connection.read(choices.below(3))
            case 10:
                connection.ask(choices.piece(choices.below(9)) + bytes(choices.one_of((0, 0, 0, 70_000))))
            case 11:
                connection.answer(choices.below(3), choices.below(4), choices.piece(choices.below(9)))
            case 12:
                connection.do(lambda session, _: session.ping(connection.now))
            case 13:
                connection.put_on_the_wire()
            case 14:
                connection.wait(choices.one_of((0.5, 3.0, 10.0, 100.0)))
            case 15:
                connection.borrow()
            case 16:
                connection.end(choices.below(8))
            case _:
                connection.receive(bytes(choices.one_of((4, 5, 1000))))
    connection.finish()


def frame(choices: Choices) -> bytes:
    """Choose a frame of some kind, and as large as it may be, or a little more or less."""
    kind, shortest, longest = BOUNDS[choices.below(17)]
    fixed = shortest == longest and kind is not Kind.HELLO
    size = shortest - 1 if fixed or not choices.below(3) else choices.below(min(longest, 256))
    body = choices.piece(size).ljust(size, b"\0")
    if not choices.below(9):
        body += bytes(choices.one_of((1, 5000, longest - 1)))[:longest]
    return (1 + len(body)).to_bytes(4, "big") + bytes([kind]) + body


class Connection:
    """One connection, on both sessions at once, and what is known of it."""

    def __init__(self, *, answers: bool) -> None:
        self._sessions: list[Session] = [
            copy.session(limits=copy.limits(max_message=LARGEST, inbox=1, requests=16), answers=answers)
            for copy in COPIES
        ]
        self.now = 0.0
        self._ended = self._over = self._closed = False
        self._middle = False  # of a message that comes in pieces
        self._frames = Frames()
        self._sent = bytearray()  # not read yet; the magic in front
        self._last: int | None = None  # kind of the last frame that was sent
        agreed(self._sessions, lambda session: session.begin(self.now))

    def receive(self, data: bytes) -> None:
        """Let bytes arrive, or the end; nothing arrives behind it."""
        if not self._ended:
            self._ended = not data
            agreed(self._sessions, lambda session: session.receive(data, self.now))
        self._look()

    def plausible(self, choices: Choices) -> bytes:
        """Choose a frame that a peer might send now."""
        number = choices.below(3).to_bytes(4, "big")
        body = choices.piece(1 + choices.below(9)) or b"."
        if not choices.below(9):
            body = bytes(choices.one_of((5000, PIECE)))
        kind, body = choices.one_of(
            (
                (Kind.PART, body),
                (Kind.LAST if self._middle else Kind.MESSAGE, body),
                (Kind.DROP if self._middle else Kind.MESSAGE, b"\1\0no"),
                (Kind.REQUEST, number + body),
                (Kind.REQUEST_PART, number + body),
                (Kind.REPLY, number + body),
                (Kind.REPLY_PART, number + body),
                (Kind.FAILURE, number + b"\1\0no"),
                (Kind.CANCEL, number),
                (Kind.CREDIT, bytes(5) + b"\1" + bytes(2)),
                (Kind.PING, b"12345678"),
                (Kind.PONG, bytes(4) + number + bytes(7) + bytes([choices.below(3)])),
                (Kind.CLOSE if not choices.below(5) else Kind.PING, bytes(8)),
            )
        )
        if kind is Kind.CLOSE:
            body = b"\1\0" + body + b"enough"
        self._middle = kind is Kind.PART or (self._middle and kind is not Kind.LAST and kind is not Kind.DROP)
        return (1 + len(body)).to_bytes(4, "big") + bytes([kind]) + body

    def do(self, call: Callable[[Session, int], Any], *allowed: str) -> Any:
        """Do something; nothing else may come of it than is allowed."""
        result = agreed(self._sessions, lambda session: attempt(lambda: call(session, 0)))
        assert not isinstance(result, Fault) or result.name in {"LocalProtocolError", *OVER, *allowed}
        self._look()
        return result

    def take(self, count: int) -> list[bytes]:
        """Take messages."""
        taken = self.do(lambda session, _: session.take(count))
        if isinstance(taken, Fault):
            self._over = self._over or taken.name != "LocalProtocolError"
            return []
        assert not (self._over and taken)
        assert len(taken) <= count
        return list(taken)

    def pop(self) -> None:
        """Take one at the quick door."""
        message = agreed(self._sessions, lambda session: session.pop())
        assert message is None or len(message) <= PIECE
        self._look()

    def send(self, message: bytes) -> None:
        """Send a message, if the way is clear."""
        clear = agreed(self._sessions, lambda session: session.clear(len(message)))
        if clear and not agreed(self._sessions, lambda session: session.push(message)):
            self.do(lambda session, _: session.send(message))

    def stream(self, step: int, piece: bytes) -> None:
        """Send a message piece by piece, one step of it."""
        match step:
            case 0:
                if agreed(self._sessions, lambda session: session.clear(LARGEST)):
                    self.do(lambda session, _: session.begin_stream())
            case 1 | 2:
                self.do(lambda session, _: session.send_piece(piece))
            case 3:
                self.do(lambda session, _: session.end_stream())
            case _:
                self.do(lambda session, _: session.drop_stream(300, "no"))

    def read(self, step: int) -> None:
        """Take a message piece by piece, one step of it."""
        match step:
            case 0:
                self.do(lambda session, _: session.open_stream())
            case 1:
                self.do(lambda session, _: session.take_piece(), "MessageDropped")
            case _:
                self.do(lambda session, _: session.leave_stream())

    def ask(self, question: bytes) -> None:
        """Ask something."""
        self.do(lambda session, _: session.request(question))

    def answer(self, how: int, number: int, answer: bytes) -> None:
        """Answer something, or give it up."""
        match how:
            case 0:
                self.do(lambda session, _: session.answer(number, answer))
            case 1:
                self.do(lambda session, _: session.fail(number, 300, "no"))
            case _:
                self.do(lambda session, _: session.cancel(number))

    def borrow(self) -> None:
        """Borrow all credit, and spend some of it on a message that is sent past the session."""
        credit = agreed(self._sessions, lambda session: session.lend())
        spent = min(credit, 5) if credit >= 5 else 0
        agreed(self._sessions, lambda session: session.settle(credit - spent, spent // 5))

    def put_on_the_wire(self) -> None:
        """Let go out what is to go out."""
        while agreed(self._sessions, lambda session: session.outgoing_size):
            sent = agreed(self._sessions, lambda session: b"".join(session.outgoing()))
            assert sent
            self._sent += sent
        if self._sent.startswith(MAGIC):
            del self._sent[: len(MAGIC)]
        while self._sent:
            assert self._last != Kind.CLOSE, "something follows CLOSE"
            verdict = self._frames.split(self._sent, 1 << 20)
            assert isinstance(verdict, Frame), "half a frame was sent"
            self._last = self._sent[4]
            del self._sent[: verdict.end]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while True:
            due = agreed(self._sessions, lambda session: session.deadline())
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            agreed(self._sessions, lambda session: session.expire(self.now))
            assert agreed(self._sessions, lambda session: session.deadline()) != due, "it is still due"
        self.now = until
        self._look()

    def end(self, how: int) -> None:
        """End the messages of this side; or the connection, in some way."""
        match how:
            case 0:
                self.receive(b"")
            case 1:
                cause = ConnectionResetError("reset")
                agreed(self._sessions, lambda session: session.lost(cause))
            case 2:
                self._closed = True
                agreed(self._sessions, lambda session: session.close(300, "enough"))
            case _:
                agreed(self._sessions, lambda session: session.end())
        self._look()

    def finish(self) -> None:
        """Let the peer end its stream, and see everything through."""
        self.put_on_the_wire()
        self.receive(b"")
        while not self._over:
            if not self.take(100):
                self.read(2)
        self.put_on_the_wire()
        assert agreed(self._sessions, lambda session: session.finished())
        assert agreed(self._sessions, lambda session: session.deadline()) is None
        assert agreed(self._sessions, lambda session: session.ending is not None)

    def _look(self) -> None:
        """See that they are in the same state, hold the same, and tell the same."""
        stats = agreed(self._sessions, lambda session: attributes(session.stats))
        assert stats["waiting"] <= WINDOW + LARGEST + FRAME
        assert stats["unanswered"] <= 16
        assert agreed(self._sessions, lambda session: session.state.value) == "closed" or not self._closed
        agreed(self._sessions, lambda session: session.idle())
        agreed(self._sessions, lambda session: session.deadline())
        agreed(self._sessions, lambda session: str(session.ending))
        agreed(self._sessions, told)


def attributes(value: Any) -> dict[str, int]:
    """Return the numbers of a dataclass of either copy."""
    return {name: getattr(value, name) for name in value.__slots__}


def told(session: Session) -> list[tuple[str, ...]]:
    """Take what a session has to tell, as far as that of two copies can be the same."""
    events = [(type(event).__name__, *map(repr, event)) for event in session.events]  # type: ignore[call-overload]
    session.events.clear()
    return events
