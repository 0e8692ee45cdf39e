"""What runs at the two sides of a simulated connection: programs that send, read and end, each in its own way."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from mezha import ClosedByPeer, Delimited, FixedSize, Framing, Limits, Lines, MezhaError, Timeouts
from mezha.engine import Framed
from mezha.framing import Data
from mezha.testing import Wire
from mezha.testing.wire import Side

__all__ = ["ENDINGS", "FAULTS", "Blurting", "Plan", "Program", "frame"]

#: What a program does when all is sent: it ends its stream, closes or cuts the connection, or waits for an end.
ENDINGS = ("end", "close", "reset", "wait")
#: What it does wrong before that: it sends a message over the limit; half a message; or half of one, and no end.
FAULTS = ("too large", "torn", "unfinished")


def frame(framing: Framing, message: bytes) -> bytes:
    """Return the bytes of a message on the wire."""
    return b"".join(framing.encode(message))


class Blurting(Framed):
    """An engine that can also send what is no message."""

    __slots__ = ("_words",)

    def __init__(self, framing: Framing, *, limits: Limits | None = None, timeouts: Timeouts | None = None) -> None:
        super().__init__(framing, limits=limits, timeouts=timeouts)
        self._words = b""

    def blurt(self, words: bytes) -> None:
        self._words += words

    @property
    def outgoing_size(self) -> int:
        return super().outgoing_size + len(self._words)

    def outgoing(self) -> list[Data]:
        words, self._words = self._words, b""
        return [*super().outgoing(), words]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a program is going to do. Times are in virtual seconds."""

    #: So many messages, no larger than this, so many at once, with such a pause behind.
    messages: int
    largest: int
    burst: int
    pause: float
    #: It takes so many at once, and rests then.
    take: int
    rest: float
    #: How it ends, how long after the last message, or after the other's end.
    ending: str
    linger: float
    fault: str = ""


class Program:
    """One side: it does what is planned, and remembers what was sent and received."""

    def __init__(self, side: Side, plan: Plan, framing: Framing, limits: Limits, random: Random, wire: Wire) -> None:
        self.side = side
        self.plan = plan
        self._framing = framing
        self._limits = limits
        self._random = random
        self._wire = wire
        self._to_send: Iterator[bytes] = map(self._message, range(plan.messages))
        self._all_sent = False
        #: Messages that were accepted.
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        #: How receiving ended, in the end; and whether this side had closed or cut the connection before.
        self.error: MezhaError | None = None
        self.gone_before = False
        #: How sending did, if it failed.
        self.refused: MezhaError | None = None
        #: What this side did to end the connection, in order.
        self.endings: list[str] = []
        #: It has done wrong what was planned.
        self.blurted = ""
        self._resting = False
        self._waiting = False  # for room
        wire.at(0, self._send)

    @property
    def over(self) -> bool:
        """Whether it has nothing more to do."""
        return self.error is not None and self.gone

    @property
    def gone(self) -> bool:
        """Whether it has closed or cut the connection."""
        return not {"close", "reset"}.isdisjoint(self.endings)

    def look(self) -> None:
        """Look what has changed: there may be a message to take, or room to send."""
        if not (self._resting or self.error):
            self._take()
        if self._waiting and self.side.queued < self._limits.outbox:
            self._waiting = False
            self._send()

    def _message(self, number: int) -> bytes:
        if isinstance(self._framing, FixedSize):
            return (b"%d" % number).rjust(self._framing.size, b"0")[-self._framing.size :]
        some = self._random.randint
        size = self._random.choice((0, 1, min(30, self.plan.largest), some(0, self.plan.largest)))
        filler = b"x" * size if isinstance(self._framing, Lines | Delimited) else self._random.randbytes(size)
        return (b"%d " % number + filler)[:size]

    def _send(self) -> None:
        """Send a burst, as far as there is room."""
        for _ in range(self.plan.burst):
            if self.endings:
                return
            if self.side.queued >= self._limits.outbox:
                self._waiting = True
                return
            if (message := next(self._to_send, None)) is None:
                self._wire.at(self._wire.now + self.plan.linger, self._finish)
                return
            try:
                self.side.send(message)
            except MezhaError as error:
                self.refused = error
                self._all_sent = True
                self._go()
                return
            self.sent.append(message)
        self._wire.at(self._wire.now + self.plan.pause, self._send)

    def _finish(self) -> None:
        """Do wrong what is to be done wrong, and end."""
        self._all_sent = True
        if self.plan.fault and not self.endings:
            assert isinstance(self.side.engine, Blurting)
            self.blurted = self.plan.fault
            if self.plan.fault == "too large":
                self.side.engine.blurt(frame(self._framing, b"x" * (self._limits.max_message + 1)))
            else:
                self.side.engine.blurt(frame(self._framing, b"unfinished")[:-1])
        if self.plan.ending != "wait" and self.plan.fault != "unfinished":
            self._end(self.plan.ending)
        self._go()

    def _take(self) -> None:
        try:
            while messages := self.side.take(self.plan.take):
                self.received += messages
                if self.plan.rest:
                    self._resting = True
                    self._wire.at(self._wire.now + self.plan.rest, self._wake)
                    return
        except MezhaError as error:
            self.error = error
            self.gone_before = self.gone
            self._wire.at(self._wire.now + self.plan.linger, self._go)

    def _wake(self) -> None:
        self._resting = False

    def _go(self) -> None:
        """Close, when the other has ended and all is sent; or at once, if it ended in any other way."""
        if self.error and (self._all_sent or not isinstance(self.error, ClosedByPeer)):
            self._end("close")

    def _end(self, ending: str) -> None:
        if not self.gone and ending not in self.endings:
            self.endings.append(ending)
            {"end": self.side.end, "close": self.side.close, "reset": self.side.reset}[ending]()
