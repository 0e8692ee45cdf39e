"""The outbox: what is to be sent, and in which order."""

from collections.abc import Sequence
from struct import Struct

from mezha.errors import LocalProtocolError, RemoteProtocolError
from mezha.framing import Data
from mezha.framing.kernels import Outgoing
from mezha.session.frames import HEADER, PIECE, AnyFrame, Code, Drop, End, Failure, Kind, Token, encode_frame
from mezha.session.hello import ALLOWANCE, MOST_CREDIT
from mezha.session.inbox import MESSAGES
from mezha.session.pieces import Cutting

__all__ = ["Outbox"]

#: Bytes of pieces handed over at once: whatever is urgent has no more than so many in front of it, and one piece.
_AT_ONCE = 64 << 10

_HEADER = Struct(">IB").pack
_NUMBERED = Struct(">IBI").pack
_GIVEN_UP = Drop(Code.CANCELLED, "the stream was not ended")
_PARTS = {Kind.REQUEST: Kind.REQUEST_PART, Kind.REPLY: Kind.REPLY_PART}


class _Numbered:
    """A large question or answer on its way out."""

    __slots__ = ("body", "kind", "number")

    def __init__(self, kind: Kind, number: int, body: Cutting) -> None:
        self.kind = kind
        self.number = number
        self.body = body


class Outbox:
    r"""Three lines, and one place where they meet.

    ::

        ready: messages for which there is credit, questions, answers, CREDIT, PING ... ---------->-+
        messages that wait for credit, or are cut into pieces, and what stands behind them --->-----+->---
        large questions and answers, by turns -------------------------------------------------->---+

    What is ready goes first. Of the other two lines a piece of each is added by turns, and only when somebody asks for
    what is to be sent, a few at a time: so whatever is urgent overtakes them. Messages keep their order: while one
    waits, ``push`` is shut.
    """

    __slots__ = (
        "_bodies",
        "_credit",
        "_dead",
        "_forgotten",
        "_last",
        "_messages",
        "_pong",
        "_ready",
        "_sent",
        "_stream",
        "handed_over",
        "push",
        "said",
    )

    def __init__(self, largest: int, high: int) -> None:
        """``largest`` and ``high`` are in bytes: the largest message, and from where on ``push`` takes none."""
        self._ready = Outgoing(MESSAGES, largest, high)
        #: Queue a small message for which there is credit, if none waits; say whether that was so.
        self.push = self._ready.spend
        self._messages: list[Cutting | AnyFrame] = []
        self._stream: Cutting | None = None  # one of the messages, to which more will be added
        self._bodies: list[_Numbered] = []
        self._last: AnyFrame | None = None  # goes when nothing else is left
        #: The last frame has been handed over.
        self.said = False
        #: Questions and answers of which the last piece is ready: after ``collect`` to be taken out from here.
        self.handed_over: list[tuple[Kind, int]] = []
        # The credit is in one place: here while messages wait, otherwise in ``_ready``.
        self._credit = 0
        self._ready.credit = ALLOWANCE
        self._sent = self._forgotten = 0
        self._pong: bytes | None = None
        self._dead = False

    # -- what there is ------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that ``collect`` would return, at least; 0 if there are none."""
        size = self._ready.size
        if self._pong is not None:
            size += HEADER + len(self._pong)
        if self._messages and (piece := self._next_piece()) is not None:
            size += HEADER + piece
        if self._bodies:
            size += HEADER + 4 + min(self._bodies[0].body.rest, PIECE)
        return size

    @property
    def waiting(self) -> bool:
        """Whether a message waits, for credit or for its pieces to be cut: another has to wait behind it."""
        return bool(self._messages)

    @property
    def credit(self) -> int:
        """Bytes of messages that the peer still takes."""
        return self._credit if self._messages else self._ready.credit

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent, for whatever reason; without headers where they are not yet known."""
        cuttings = [one.body for one in self._bodies] + [one for one in self._messages if isinstance(one, Cutting)]
        return self._ready.size + sum(cutting.rest for cutting in cuttings)

    @property
    def sent(self) -> int:
        """Messages of which the last byte has been handed over."""
        return self._sent

    @property
    def unsent(self) -> int:
        """Messages of which it has not, and perhaps never will be."""
        waiting = sum(isinstance(one, Cutting) and one.whole for one in self._messages)
        return self._ready.count - self._sent + waiting + self._forgotten

    # -- what is added ------------------------------------------------------------------------------------------------

    def greet(self, parts: Sequence[Data]) -> None:
        """Add what goes before all frames, and the first of them."""
        self._ready.put(parts)

    def control(self, frame: AnyFrame) -> None:
        """Add a frame that overtakes all that waits."""
        if not self._dead:
            self._ready.put(encode_frame(frame))

    def pong(self, token: bytes) -> None:
        """Answer a PING, and all before it: however many come, and however slowly answers go, one is enough."""
        if not self._dead:
            self._pong = token

    def message(self, message: Data) -> None:
        """Add a message. It is kept by reference."""
        size = HEADER + len(message)
        if self._messages or len(message) > PIECE or size > self._ready.credit:
            self._wait(Cutting(memoryview(message)))
        else:
            self._ready.put(MESSAGES.encode(message))
            self._ready.credit -= size
            self._ready.count += 1

    def numbered(self, kind: Kind, number: int, body: Data) -> None:
        """Add a question or an answer (REQUEST or REPLY), in pieces where it is large."""
        if len(body) > PIECE:
            self._bodies.append(_Numbered(kind, number, Cutting(memoryview(body))))
        else:
            self._put_numbered(kind, number, [memoryview(body)])

    def failure(self, frame: Failure) -> None:
        """Add an answer that is none."""
        self.control(frame)
        self.handed_over.append((Kind.REPLY, frame.id))

    def withdraw(self, number: int) -> bool:
        """Send no more of this question; return whether nothing of it has gone."""
        for one in self._bodies:
            if one.kind is Kind.REQUEST and one.number == number:
                self._bodies.remove(one)
                return not one.body.begun
        return False

    def end(self) -> None:
        """Add the end of the messages, behind those that wait."""
        self._ready.shut = True
        self._drop(_GIVEN_UP)
        if self._messages:
            self._messages.append(End())
        else:
            self.control(End())

    def close(self, frame: AnyFrame) -> None:
        """Add the last frame of all, behind all that waits."""
        self._ready.shut = True
        self._drop(_GIVEN_UP)
        if self._messages or self._bodies:
            self._last = frame
        else:
            self._say_last(frame)

    def clear(self, frame: AnyFrame | None = None) -> None:
        """Forget all that has not been handed over. This frame, if there is one, is the last; nothing more is added."""
        self._ready.shut = True
        self._forgotten = self.unsent - self._ready.count + self._sent
        self._messages.clear()
        self._bodies.clear()
        self._stream = self._last = None
        self.handed_over.clear()
        self._pong = None
        self._ready.collect()
        if frame:
            self._say_last(frame)

    # -- streams ------------------------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Bytes that may be added to the stream until some of it has gone."""
        return max(PIECE - self._the_stream().rest, 0)

    def begin_stream(self) -> None:
        """Add a message of which nothing is here yet.

        Raises:
            LocalProtocolError: there is one already.

        """
        if self._stream is not None:
            raise LocalProtocolError("a message is being sent as a stream already: end it first")
        self._stream = Cutting(whole=False)
        self._wait(self._stream)

    @property
    def stream_size(self) -> int:
        """Bytes of the stream until now."""
        return self._the_stream().size

    def add_piece(self, piece: memoryview) -> None:
        """Add to the stream."""
        self._the_stream().add(piece)

    def end_stream(self) -> None:
        """Add nothing more to the stream."""
        self._the_stream().whole = True
        self._stream = None

    def drop_stream(self, code: int, text: str) -> None:
        """Give the stream up."""
        self._the_stream()
        self._drop(Drop(code, text))

    # -- what goes out ------------------------------------------------------------------------------------------------

    def grant(self, credit: int) -> None:
        """Take more credit.

        Raises:
            RemoteProtocolError: now it is more than there can be.

        """
        if self.credit + credit > MOST_CREDIT:
            raise RemoteProtocolError(
                f"the peer granted {credit} bytes of credit on top of {self.credit}: there are {MOST_CREDIT} at most"
            )
        if self._messages:
            self._credit += credit
        else:
            self._ready.credit += credit

    def lend(self) -> int:
        """Lend all credit to who sends messages past this; none while one waits here."""
        credit, self._ready.credit = self._ready.credit, 0
        return credit

    def settle(self, credit: int, count: int) -> None:
        """Take back what is left of the credit lent; so many messages were sent for the rest."""
        self.grant(credit)
        self._ready.count += count
        self._sent += count

    def collect(self) -> list[Data]:
        """Hand over what is ready, and some pieces of what waits."""
        if self._pong is not None:
            self.control(Token(Kind.PONG, self._pong))
            self._pong = None
        if self._messages or self._bodies:
            while self._ready.size < _AT_ONCE and self._move_body() | self._move_message():
                pass
            if self._last is not None and not self._messages and not self._bodies:
                self._say_last(self._last)
        parts = self._ready.collect()
        self._sent = self._ready.count
        self.said = self._dead
        return parts

    # -- below --------------------------------------------------------------------------------------------------------

    def _say_last(self, frame: AnyFrame) -> None:
        self._last = self._pong = None
        self.control(frame)
        self._dead = True

    def _wait(self, message: Cutting) -> None:
        if not self._messages:
            self._credit, self._ready.credit = self._ready.credit, 0
        self._messages.append(message)

    def _waited(self) -> None:
        """Let messages through again, if none waits."""
        if not self._messages:
            self._credit, self._ready.credit = 0, self._credit

    def _next_piece(self) -> int | None:
        """Return how much of the next message goes as one piece; None if it has to wait."""
        front = self._messages[0]
        if not isinstance(front, Cutting):
            return 0
        size = min(front.rest, PIECE)
        return size if HEADER + size <= self._credit and (size or front.whole) else None

    def _move_message(self) -> bool:
        """Make a piece of the next message ready."""
        if not self._messages or (size := self._next_piece()) is None:
            return False
        front = self._messages[0]
        if not isinstance(front, Cutting):
            self.control(front)
        else:
            last = front.whole and size == front.rest
            kind = Kind.PART if not last else Kind.LAST if front.begun else Kind.MESSAGE
            self._ready.put([_HEADER(size + 1, kind), *front.cut(size)])
            self._credit -= HEADER + size
            if not last:
                return True
            self._ready.count += 1
        self._messages.pop(0)
        self._waited()
        return True

    def _move_body(self) -> bool:
        """Make a piece of the next large question or answer ready."""
        if not self._bodies:
            return False
        one = self._bodies.pop(0)
        size = min(one.body.rest, PIECE)
        if size == one.body.rest:
            self._put_numbered(one.kind, one.number, one.body.cut(size))
        else:
            self._ready.put([_NUMBERED(size + 5, _PARTS[one.kind], one.number), *one.body.cut(size)])
            self._bodies.append(one)
        return True

    def _put_numbered(self, kind: Kind, number: int, parts: list[memoryview]) -> None:
        self._ready.put([_NUMBERED(sum(map(len, parts)) + 5, kind, number), *parts])
        self.handed_over.append((kind, number))

    def _the_stream(self) -> Cutting:
        if self._stream is None:
            raise LocalProtocolError("no message is being sent as a stream")
        return self._stream

    def _drop(self, frame: Drop) -> None:
        """Put a DROP in the place of the stream, if there is one and some of it has gone."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        place = self._messages.index(stream)
        if stream.begun:
            self._messages[place] = frame
        else:
            del self._messages[place]
            self._waited()
