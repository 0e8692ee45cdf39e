"""The backlog: messages that wait for credit or are cut into pieces, and large questions and answers."""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from mezha.errors import LocalProtocolError
from mezha.framing import Data
from mezha.session.frames import HEADER, PIECE, Drop, End, Kind, encode_frame
from mezha.session.pieces import Cutting

__all__ = ["Backlog", "Piece", "numbered_frame"]

_HEADER = Struct(">IB").pack
_NUMBERED = Struct(">IBI").pack
_PARTS = {Kind.REQUEST: Kind.REQUEST_PART, Kind.REPLY: Kind.REPLY_PART}


class Piece(NamedTuple):
    """A frame whose turn has come."""

    parts: Sequence[Data]
    #: Bytes of credit that it costs.
    cost: int = 0
    #: How many messages are whole with it: 0 or 1.
    whole: int = 0
    #: The question or answer that is whole with it.
    done: tuple[Kind, int] | None = None


class Backlog:
    r"""Two lines of what waits.

    ::

        messages, in order, and DROP or END behind them:   [ PART PART LAST ] [ MESSAGE ] [ END ]
        large questions and answers, by turns:             [ 7: REPLY_PART ... ] [ 3: REQUEST_PART ... ]
    """

    __slots__ = ("_messages", "_numbered", "_stream")

    def __init__(self) -> None:
        self._messages: list[Cutting | Drop | End] = []
        self._stream: Cutting | None = None  # one of the messages, to which more will be added
        self._numbered: list[tuple[Kind, int, Cutting]] = []

    @property
    def messages(self) -> bool:
        """Whether messages wait, or what stands behind them."""
        return bool(self._messages)

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._messages or self._numbered)

    @property
    def size(self) -> int:
        """Bytes that wait, without headers."""
        waiting = [body for _, _, body in self._numbered]
        waiting += [message for message in self._messages if isinstance(message, Cutting)]
        return sum(body.rest for body in waiting)

    @property
    def sending(self) -> int:
        """Bytes that have gone of the message that is going out in pieces."""
        first = self._messages[0] if self._messages else None
        return first.gone if isinstance(first, Cutting) else 0

    @property
    def whole(self) -> int:
        """How many messages wait, those not counted that are still growing."""
        return sum(isinstance(message, Cutting) and message.whole for message in self._messages)

    def due(self, credit: int) -> int:
        """Return how many bytes the next pieces have together; 0 if there are none for which there is credit."""
        size = 0
        if self._messages and (piece := self._next(credit)) is not None:
            size += HEADER + piece
        if self._numbered:
            size += HEADER + 4 + min(self._numbered[0][2].rest, PIECE)
        return size

    # -- what is added ------------------------------------------------------------------------------------------------

    def message(self, message: Data) -> None:
        """Add a message; it is kept by reference."""
        self._messages.append(Cutting(memoryview(message)))

    def end(self) -> None:
        """Add the end of the messages."""
        self._messages.append(End())

    def numbered(self, kind: Kind, number: int, body: Data) -> None:
        """Add a large question or answer (REQUEST or REPLY); it is kept by reference."""
        self._numbered.append((kind, number, Cutting(memoryview(body))))

    def withdraw(self, number: int) -> bool:
        """Take a question out; return whether nothing of it has gone."""
        for place, (kind, other, body) in enumerate(self._numbered):
            if kind is Kind.REQUEST and other == number:
                del self._numbered[place]
                return not body.begun
        return False

    # -- a message that grows -----------------------------------------------------------------------------------------

    @property
    def stream(self) -> Cutting:
        """The message that is being sent as a stream.

        Raises:
            LocalProtocolError: there is none.

        """
        if self._stream is None:
            raise LocalProtocolError("no message is being sent as a stream")
        return self._stream

    def begin_stream(self) -> None:
        """Add a message of which nothing is here yet.

        Raises:
            LocalProtocolError: there is one already.

        """
        if self._stream is not None:
            raise LocalProtocolError("a message is being sent as a stream already: end it first")
        self._stream = Cutting(whole=False)
        self._messages.append(self._stream)

    def end_stream(self) -> None:
        """Add nothing more to it."""
        self.stream.whole = True
        self._stream = None

    def drop_stream(self, frame: Drop) -> None:
        """Give it up, if there is one; if some of it has gone, this frame stands in its place."""
        stream, self._stream = self._stream, None
        if stream is not None:
            place = self._messages.index(stream)
            self._messages[place : place + 1] = [frame] if stream.begun else []

    # -- what goes out ------------------------------------------------------------------------------------------------

    def next_of_messages(self, credit: int) -> Piece | None:
        """Return the next piece of the messages, if there is one, and credit for it."""
        if not self._messages or (size := self._next(credit)) is None:
            return None
        message = self._messages[0]
        if not isinstance(message, Cutting):
            del self._messages[0]
            return Piece(encode_frame(message))
        last = message.whole and size == message.rest
        kind = Kind.PART if not last else Kind.LAST if message.begun else Kind.MESSAGE
        if last:
            del self._messages[0]
        return Piece([_HEADER(size + 1, kind), *message.cut(size)], HEADER + size, last)

    def next_of_numbered(self) -> Piece | None:
        """Return the next piece of the questions and answers, if there is one."""
        if not self._numbered:
            return None
        kind, number, body = self._numbered.pop(0)
        size = min(body.rest, PIECE)
        if size == body.rest:
            return Piece(numbered_frame(kind, number, *body.cut(size)), done=(kind, number))
        self._numbered.append((kind, number, body))
        return Piece(numbered_frame(_PARTS[kind], number, *body.cut(size)))

    def _next(self, credit: int) -> int | None:
        """Return how much of the first message goes next; None if it has to wait."""
        message = self._messages[0]
        if not isinstance(message, Cutting):
            return 0
        size = min(message.rest, PIECE)
        return size if HEADER + size <= credit and (size or message.whole) else None


def numbered_frame(kind: Kind, number: int, *parts: Data) -> list[Data]:
    """Return the buffers of a frame that carries a number and bytes; the bytes are not copied."""
    return [_NUMBERED(5 + sum(map(len, parts)), kind, number), *parts]
