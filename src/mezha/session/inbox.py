"""The inbox: what has arrived and was not handed out, in order: whole messages, and behind them one in pieces."""

import sys
from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from mezha.errors import LocalProtocolError, MessageDropped
from mezha.framing import Data, LengthPrefixed
from mezha.framing.kernels import Buffer
from mezha.session.frames import HEADER, PIECE, Kind
from mezha.session.pieces import Assembly

__all__ = ["MESSAGES", "Inbox"]

#: MESSAGE frames, as a framing. The hot loops know no other kind.
MESSAGES = LengthPrefixed(4, strip=HEADER, fixed=bytes([Kind.MESSAGE]))

_HEADER = Struct(">IB").pack


class _Large(NamedTuple):
    """A message that came in pieces, and stands behind so many bytes of frames that have ever come."""

    place: int
    message: bytes
    #: Bytes of credit that it holds.
    held: int


class Inbox:
    r"""Messages in the order in which they came.

    ::

        frames          large           frames           arriving
        +---+---+---+  +-------------+  +---+---+---+---+  +-------
        | M | M | M |  | PART + LAST |  | M | M | M | M |  | PART ...
        +---+---+---+  +-------------+  +---+---+---+---+  +-------
         next

    Small messages stay the frames that they came in, so that those of no bytes cost no more memory than credit. ``pop``
    hands them out, until its budget is spent: up to the next large one, or until credit is due to the peer.

    A message in pieces holds its credit until it is handed out, unless it is the next one and somebody waits for it:
    then its pieces are given back as they come, so that it can be larger than the window. As a stream, it is handed
    out piece by piece.
    """

    __slots__ = (
        "_arriving",
        "_buffer",
        "_counted",
        "_discarding",
        "_dropped",
        "_fed",
        "_freed",
        "_large",
        "_limit",
        "_reading",
        "_skipping",
        "_taken",
        "_wanted",
        "pop",
    )

    def __init__(self, limit: int) -> None:
        self._buffer = Buffer(MESSAGES.run(), PIECE)
        #: Hand out the next message, if it is a small one and the budget is not spent.
        self.pop = self._buffer.pop
        self._limit = limit
        self._large: Sequence[_Large] = ()  # an empty list costs memory in each idle connection
        self._arriving: Assembly | None = None
        self._reading: Assembly | None = None  # the stream that is open: the one arriving, or one that is whole
        self._dropped: MessageDropped | None = None  # what has become of the stream that is open
        self._skipping = False  # the one arriving is of no interest
        self._discarding = False  # and so is everything
        self._wanted = False  # somebody waits for a message
        self._fed = 0  # bytes of frames that have ever come
        self._taken = 0  # of those, handed out and already freed
        self._freed = 0
        self._counted = 0  # handed out, and not by the buffer

    @property
    def count(self) -> int:
        """How many messages have been handed out."""
        return self._buffer.count + self._counted

    @property
    def size(self) -> int:
        """Bytes that wait here."""
        arriving, reading = self._arriving, self._reading
        held = sum(large.held for large in self._large) + (arriving.held if arriving else 0)
        return self._buffer.buffered + held + (reading.held if reading and reading is not arriving else 0)

    @property
    def unfinished(self) -> int:
        """Bytes of the message that is arriving in pieces."""
        return self._arriving.size if self._arriving else 0

    @property
    def empty(self) -> bool:
        """Whether no whole message is here, and no stream is open."""
        return not (self._buffer.buffered or self._large or self._reading)

    @property
    def vacant(self) -> bool:
        """Whether nothing at all is here."""
        return not (self._buffer.buffered or self._large or self._reading or self._arriving)

    def idle(self) -> bool:
        """Say whether there is nothing to take, nor an end, nor anything that would be given back."""
        return (
            self._buffer.idle()
            and not self._large
            and self._reading is None
            and (self._arriving is None or not self._arriving.held)
        )

    # -- what arrives -------------------------------------------------------------------------------------------------

    def feed(self, frames: Data) -> None:
        """Add whole MESSAGE frames; they are copied."""
        if self._discarding:
            self._freed += len(frames)
        else:
            self._buffer.feed(frames)
            self._fed += len(frames)

    def part(self, piece: Data) -> None:
        """Add a piece of the message in pieces.

        Raises:
            MessageTooLarge: now it is over the limit.

        """
        arriving = self._arriving
        if arriving is None:
            arriving = self._arriving = Assembly("a message", self._limit)
        arriving.add(piece)
        arriving.held += HEADER + len(piece)
        if self._skipping:
            arriving.take()
            self._free(arriving)
        elif self._wanted and self.empty:
            self._free(arriving)

    def last(self, piece: Data) -> None:
        """Add its last piece.

        Raises:
            MessageTooLarge: now it is over the limit.

        """
        self.part(piece)
        arriving, self._arriving = self._arriving, None
        assert arriving
        self._wanted = False
        if self._skipping:
            self._skipping = self._discarding
            self._counted += not self._discarding
        elif arriving is not self._reading:
            self._finish(arriving.take(), arriving.held)

    def drop(self, error: MessageDropped) -> None:
        """Forget the message in pieces: its sender has given it up."""
        arriving, self._arriving = self._arriving, None
        assert arriving
        self._free(arriving)
        self._skipping = self._discarding
        if arriving is self._reading:
            self._dropped = error

    def end(self) -> None:
        """Note that no more messages come."""
        self._buffer.feed(b"")

    def discard(self) -> None:
        """Throw away what is here, and what still comes."""
        self._freed += self._fed - self._taken + sum(large.held for large in self._large)
        self._taken = self._fed
        self._buffer.shut = True
        self._buffer.front().clear()
        self._large = ()
        for assembly in (self._arriving, self._reading):
            if assembly:
                assembly.take()
                self._free(assembly)
        self._reading = self._dropped = None
        self._discarding = self._skipping = True

    # -- what is handed out -------------------------------------------------------------------------------------------

    def take(self, count: int) -> list[bytes]:
        """Hand out up to ``count`` messages; an empty list says that somebody waits for the next.

        Raises:
            LocalProtocolError: a stream is open.

        """
        if self._reading is not None:
            raise LocalProtocolError("the next message is being received as a stream: read it to its end, or leave it")
        messages: list[bytes] = []
        while len(messages) < count:
            before = self._before_large()
            if not before:
                large, *self._large = self._large
                self._freed += large.held
                messages.append(large.message)
                self._counted += 1
                continue
            self._buffer.budget = before
            run = self._buffer.cut(count - len(messages))
            if not run:
                break
            messages += run
        if not messages:
            self.want()
        return messages

    def want(self) -> None:
        """Note that somebody waits for the next message, whatever it is."""
        self._wanted = True
        if self._arriving:
            self._free(self._arriving)

    def open_stream(self) -> bool:
        """Open the next message as a stream; return False if nothing of it is here.

        Raises:
            LocalProtocolError: one is open.

        """
        if self.empty and self._arriving and not self._skipping:
            self._reading = self._arriving
            return True
        messages = self.take(1)
        self._wanted = False  # not as a whole: its first piece is to be seen
        if messages:
            self._counted -= 1  # when it has been read
            self._reading = Assembly("a message", len(messages[0]))
            self._reading.add(messages[0])
        return bool(messages)

    def read(self) -> bytes | None:
        """Hand out what has come of the stream; ``b""`` at its end, and None if more has to arrive.

        Raises:
            MessageDropped: the peer has given it up.
            LocalProtocolError: none is open.

        """
        reading = self._reading
        if reading is None:
            raise LocalProtocolError("no message is being received as a stream")
        if self._dropped:
            error, self._dropped = self._dropped, None
            self._reading = None
            raise error
        piece = reading.take()
        self._free(reading)
        if piece:
            return piece
        if reading is self._arriving:
            return None
        self._reading = None
        self._counted += 1
        return b""

    def leave_stream(self) -> None:
        """Leave the stream: what is here of it, and what still comes, is thrown away."""
        reading, self._reading = self._reading, None
        dropped, self._dropped = self._dropped, None
        if reading is None or dropped:
            return
        reading.take()
        self._free(reading)
        if reading is self._arriving:
            self._skipping = True
        else:
            self._counted += 1

    def freed(self) -> int:
        """Return how many bytes have left since this was last asked."""
        taken = self._fed - self._buffer.buffered
        freed = self._freed + taken - self._taken
        self._taken = taken
        self._freed = 0
        return freed

    def allow(self, budget: int) -> None:
        """Let ``pop`` hand out so many bytes and no more, nor what stands behind a large message."""
        self._buffer.budget = 0 if self._reading else min(budget, self._before_large())

    # -- below --------------------------------------------------------------------------------------------------------

    def _before_large(self) -> int:
        """Return how many bytes of frames stand in front of the next large message."""
        return self._large[0].place - self._fed + self._buffer.buffered if self._large else sys.maxsize

    def _free(self, assembly: Assembly) -> None:
        self._freed += assembly.held
        assembly.held = 0

    def _finish(self, message: bytes, held: int) -> None:
        """Queue a message that came in pieces."""
        spare = held - HEADER - len(message)
        if len(message) <= PIECE and spare >= 0:  # as a frame it costs the least
            self.feed(_HEADER(1 + len(message), Kind.MESSAGE) + message)
            self._freed += spare
        else:
            self._large = (*self._large, _Large(self._fed, message, held))
