"""The outbox: what is to be sent, and in which order."""

from collections.abc import Sequence
from struct import Struct

from mezha.errors import LocalProtocolError, RemoteProtocolError
from mezha.framing import Data
from mezha.framing.kernels import Outgoing
from mezha.session.backlog import Backlog, Piece, numbered_frame
from mezha.session.frames import HEADER, PIECE, AnyFrame, Close, Code, Drop, End, Failure, Kind, Pong, encode_frame
from mezha.session.hello import ALLOWANCE, MOST_CREDIT
from mezha.session.inbox import MESSAGES

__all__ = ["Outbox"]

#: Bytes of pieces handed over at once: whatever is urgent has no more than so many in front of it, and one piece.
_AT_ONCE = 64 << 10
_CREDIT = Struct(">IBQ").pack
_GIVEN_UP = Drop(Code.CANCELLED, "the stream was not ended")


class Outbox:
    r"""Where all lines meet.

    ::

        ready: messages for which there is credit, questions, answers, CREDIT, PING, PONG ... ----+--->
        backlog: pieces of messages, and of large questions and answers, by turns ----------------+

    What is ready goes first. Pieces are added only when somebody asks for what is to be sent, a few at a time: so
    whatever is urgent overtakes them. Messages keep their order: while one waits, ``push`` is shut.
    """

    __slots__ = (
        "_backlog",
        "_credit",
        "_forgotten",
        "_last",
        "_lent",
        "_pong",
        "_ready",
        "_sent",
        "_silent",
        "_taken",
        "bytes_sent",
        "handed_over",
        "push",
        "said",
    )

    def __init__(self, largest: int, high: int) -> None:
        """``largest`` and ``high`` are in bytes: the largest message, and from where on ``push`` takes none."""
        self._ready = Outgoing(MESSAGES, largest, high)
        #: Queue a small message for which there is credit, if none waits; say whether that was so.
        self.push = self._ready.spend
        self._backlog: Backlog | None = None  # while anything waits
        # The credit is in one place: here while messages wait, otherwise in ``_ready``, or lent.
        self._credit = 0
        self._ready.credit = ALLOWANCE
        self._lent = 0  # bytes of credit
        self._sent = self._forgotten = 0
        self._taken = 0
        self._pong: Pong | None = None
        self._last: Close | None = None  # goes when nothing else is left
        self._silent = False  # it has gone: nothing may follow
        #: Bytes that have been handed over.
        self.bytes_sent = 0
        #: The last frame has been handed over.
        self.said = False
        #: Questions and answers of which the last piece was handed over: to be taken out from here.
        self.handed_over: list[tuple[Kind, int]] | None = None

    # -- what there is ------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that ``collect`` would return, at least; 0 if there are none."""
        size = self._ready.size + (HEADER + 16 if self._pong else 0)
        if self._backlog and size < _AT_ONCE:
            size += self._backlog.due(self._credit)
        return size

    @property
    def waiting(self) -> bool:
        """Whether a message waits, for credit or for its pieces to be cut: another has to wait behind it."""
        return self._backlog is not None and self._backlog.messages

    @property
    def credit(self) -> int:
        """Bytes of messages that the peer still takes, those lent not counted."""
        return self._credit if self.waiting else self._ready.credit

    @property
    def lent(self) -> bool:
        """Whether somebody else sends messages: then it is not known how many."""
        return self._lent > 0

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent, for whatever reason; without headers where they are not known yet."""
        return self._ready.size + (self._backlog.size if self._backlog else 0)

    @property
    def sending(self) -> int:
        """Bytes that have gone of the message that is going out in pieces."""
        return self._backlog.sending if self._backlog else 0

    @property
    def sent(self) -> int:
        """Messages of which the last byte has been handed over."""
        return self._sent

    @property
    def delivered(self) -> int:
        """Messages that the peer's program has taken, as far as the peer has said so."""
        return min(self._taken, self._sent)

    @property
    def unsent(self) -> int:
        """Messages of which it has not, and perhaps never will be."""
        return self._ready.count - self._sent + (self._backlog.whole if self._backlog else 0) + self._forgotten

    # -- what is added ------------------------------------------------------------------------------------------------

    def greet(self, parts: Sequence[Data]) -> None:
        """Add what goes before everything."""
        self._ready.put(parts)

    def control(self, frame: AnyFrame) -> None:
        """Add a frame that overtakes all that waits."""
        if not self._silent:
            self._ready.put(encode_frame(frame))

    def give(self, credit: int) -> None:
        """Add a CREDIT, as ``control`` does, and quicker."""
        if not self._silent:
            self._ready.put((_CREDIT(9, Kind.CREDIT, credit),))

    def pong(self, frame: Pong) -> None:
        """Answer a PING; of those that come before the answer has gone, the last."""
        if not self._silent:
            self._pong = frame

    def message(self, message: Data) -> None:
        """Add a message. It is kept by reference."""
        size = HEADER + len(message)
        if self.waiting or len(message) > PIECE or size > self._ready.credit:
            self._wait().message(message)
        else:
            self._ready.credit -= size
            self._put(Piece(MESSAGES.encode(message), whole=1))

    def numbered(self, kind: Kind, number: int, body: Data) -> None:
        """Add a question or an answer (REQUEST or REPLY), in pieces where it is large. It is kept by reference."""
        if len(body) > PIECE:
            self._backlog = self._backlog or Backlog()
            self._backlog.numbered(kind, number, body)
        else:
            self._put(Piece(numbered_frame(kind, number, body), done=(kind, number)))

    def failure(self, frame: Failure) -> None:
        """Add an answer that is none."""
        self._put(Piece(encode_frame(frame), done=(Kind.REPLY, frame.id)))

    def withdraw(self, number: int) -> bool:
        """Send no more of this question; return whether nothing of it has gone."""
        return self._backlog is not None and self._backlog.withdraw(number)

    def end(self) -> None:
        """Add the end of the messages, behind those that wait."""
        self._finish_messages()
        if self._backlog and self._backlog.messages:
            self._backlog.end()
        else:
            self.control(End())

    def close(self, frame: Close) -> None:
        """Add the last frame of all, behind all that waits."""
        self._finish_messages()
        if self._backlog:
            self._last = frame
        else:
            self._say_last(frame)

    def clear(self, frame: Close | None = None) -> None:
        """Forget all that has not been handed over, and take no more messages; this frame, if any, is the last."""
        self._ready.shut = True
        self._silent = self.said
        self._forgotten = self.unsent
        self._ready.count = self._sent
        self._backlog = self.handed_over = self._last = self._pong = None
        self._ready.collect()
        if frame:
            self._say_last(frame)

    # -- streams ------------------------------------------------------------------------------------------------------

    def begin_stream(self) -> None:
        """Add a message of which nothing is here yet.

        Raises:
            LocalProtocolError: there is one already.

        """
        self._wait().begin_stream()

    @property
    def room(self) -> int:
        """Bytes that it is useful to add to the stream now.

        Raises:
            LocalProtocolError: there is none.

        """
        return max(PIECE - self._stream.stream.rest, 0)

    @property
    def stream_size(self) -> int:
        """Bytes of the stream until now.

        Raises:
            LocalProtocolError: there is none.

        """
        return self._stream.stream.size

    def add_piece(self, piece: memoryview) -> None:
        """Add to the stream; it is kept by reference."""
        self._stream.stream.add(piece)

    def end_stream(self) -> None:
        """Add nothing more to the stream."""
        self._stream.end_stream()

    def drop_stream(self, frame: Drop) -> None:
        """Give the stream up."""
        self._stream.drop_stream(frame)
        self._waited()

    # -- what goes out ------------------------------------------------------------------------------------------------

    def hear_credit(self, credit: int) -> None:
        """Take the peer's CREDIT.

        Raises:
            RemoteProtocolError: it is nothing, or now there is more than there can be.

        """
        if not 0 < credit <= MOST_CREDIT - self.credit:
            raise RemoteProtocolError(
                f"the peer granted {credit} bytes of credit on top of {self.credit}: 1 or more is to be granted, "
                f"and {MOST_CREDIT} together at most"
            )
        self.grant(credit)

    def limit(self, largest: int) -> None:
        """Let ``push`` take no larger messages than the peer does."""
        self._ready.limit(largest)

    def hear_taken(self, taken: int) -> None:
        """Note how many messages the peer says that its program has taken.

        Raises:
            RemoteProtocolError: it said before that it had taken more, or there are not so many.

        """
        if taken < self._taken:
            raise RemoteProtocolError(f"the peer says that it took {taken} messages, and said {self._taken} before")
        if taken > self._sent and not self.lent:
            raise RemoteProtocolError(f"the peer says that it took {taken} messages, and {self._sent} were sent")
        self._taken = taken

    def grant(self, credit: int) -> None:
        """Add credit."""
        if self.waiting:
            self._credit += credit
        else:
            self._ready.credit += credit

    def lend(self) -> int:
        """Lend all credit to who sends messages past this; none while one waits here."""
        credit, self._ready.credit = self._ready.credit, 0
        self._lent += credit
        return credit

    def settle(self, credit: int, count: int) -> None:
        """Take back what is left of the credit lent; so many messages were sent for the rest."""
        self.bytes_sent += self._lent - credit
        self._lent = 0
        self.grant(credit)
        self._ready.count += count
        self._sent += count

    def collect(self) -> list[Data]:
        """Hand over what is ready, and some pieces of what waits."""
        if self._pong:
            self.control(self._pong)
            self._pong = None
        if self._backlog:
            self._move(self._backlog)
        ready = self._ready
        self.bytes_sent += ready.size
        self._sent = ready.count
        self.said = self._silent
        return ready.collect()

    # -- below --------------------------------------------------------------------------------------------------------

    @property
    def _stream(self) -> Backlog:
        if self._backlog is None:
            raise LocalProtocolError("no message is being sent as a stream")
        return self._backlog

    def _put(self, piece: Piece) -> None:
        """Make a frame ready."""
        self._ready.put(piece.parts)
        self._ready.count += piece.whole
        if piece.done:
            self.handed_over = self.handed_over or []
            self.handed_over.append(piece.done)

    def _move(self, backlog: Backlog) -> None:
        """Make pieces ready, of each line in turn."""
        moved = True
        while moved and self._ready.size < _AT_ONCE:
            moved = False
            for piece in (backlog.next_of_numbered(), backlog.next_of_messages(self._credit)):
                if piece:
                    self._credit -= piece.cost
                    self._put(piece)
                    moved = True
        self._waited()

    def _wait(self) -> Backlog:
        """Let messages wait."""
        self._backlog = self._backlog or Backlog()
        if not self._backlog.messages:
            self._credit, self._ready.credit = self._ready.credit, 0
        return self._backlog

    def _waited(self) -> None:
        """Let messages through again, if none waits."""
        if self._backlog and not self._backlog.messages:
            self._ready.credit += self._credit
            self._credit = 0
        if self._backlog and self._backlog.empty:
            self._backlog = None
            if self._last:
                self._say_last(self._last)

    def _finish_messages(self) -> None:
        """Take no more messages; a stream that was not ended is given up."""
        self._ready.shut = True
        if self._backlog:
            self._backlog.drop_stream(_GIVEN_UP)
            self._waited()

    def _say_last(self, frame: Close) -> None:
        self.control(frame)
        self._last = self._pong = None
        self._silent = True
