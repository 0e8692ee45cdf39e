"""What drives an engine on a wire: it reads and writes, keeps deadlines, and notes in the trace what happens."""

import errno
import math
from collections import deque
from typing import NamedTuple

from mezha.engine import Engine, State
from mezha.testing.line import Mark, Way

__all__ = ["Driver", "Event", "Timeline"]

#: The most that is read at once, as drivers do.
_READ = 64 << 10
#: How many bytes of an event are kept.
_KEPT = 20


class Event(NamedTuple):
    """Something that happened on a wire; ``str`` makes a line of a table of it."""

    #: When, in virtual seconds.
    now: float
    #: To which side, ``"left"`` or ``"right"``; or ``"wire"``, for both.
    side: str
    #: What, in a word or two.
    what: str
    #: How many bytes it is about.
    size: int = 0
    #: The first few of them.
    data: bytes = b""

    def __str__(self) -> str:
        line = f"{self.now:14.6f}  {self.side:5}  {self.what}"
        more = "..." if self.size > len(self.data) else ""
        return f"{line:36} {self.size:6}  {self.data!r}{more}" if self.size else line


class Timeline:
    """What time it is on a wire, and what happened until now."""

    def __init__(self, remember: int | None) -> None:
        self.now = 0.0
        #: When the wire was unplugged: since then nothing has arrived.
        self.unplugged = math.inf
        self.trace: deque[Event] = deque(maxlen=remember)

    def has_come(self, arrival: float) -> bool:
        """Say whether what was to arrive then has arrived."""
        return arrival <= self.now and arrival < self.unplugged

    def note(self, side: str, what: str, data: bytes | memoryview = b"") -> None:
        """Add an event to the trace."""
        self.trace.append(Event(self.now, side, what, len(data), bytes(data[:_KEPT])))


class Driver:
    """The driver of one engine, as ``Engine`` wants it; between the way out and the way in."""

    def __init__(self, name: str, engine: Engine, out: Way, into: Way, timeline: Timeline) -> None:
        self._name = name
        self._engine = engine
        self._out = out
        self._in = into
        self._time = timeline
        self._unsent = memoryview(b"")  # handed over by the engine, and the line had no room for it
        self._heard_end = False
        self._told = False  # it is known on this side that the connection broke
        self._gone = False  # and nobody is here any more
        self._closed = False
        self._close_by = math.inf
        #: The byte stream is to be ended, behind what there is.
        self.ended = False
        engine.begin(timeline.now)

    @property
    def queued(self) -> int:
        """Bytes to be sent, for which the line had no room."""
        return self._engine.outgoing_size + len(self._unsent)

    @property
    def under_way(self) -> int:
        """Bytes sent, that the other side has not read."""
        return self._out.size

    def put(self) -> None:
        """Put on the line what there is room for, and the end behind all of it."""
        engine, out, time = self._engine, self._out, self._time
        while self._unsent or engine.outgoing_size:
            if time.has_come(self._in.reset_at):  # who writes is told, whatever is still to be read
                self._break()
                break
            if not (room := out.room):
                return
            if not self._unsent:
                self._unsent = memoryview(b"".join(engine.outgoing()))
            data, self._unsent = self._unsent[:room], self._unsent[room:]
            time.note(self._name, "sends", data)
            out.put(data, time.now)
        if not (out.ended or out.broken) and (self.ended or self._left or self._half_closed):
            time.note(self._name, "ends")
            out.end(time.now)

    def next_read(self) -> float:
        """Say when there is something to read: never while the engine is full."""
        if not self._in.pieces or (when := self._in.pieces[0][0]) >= self._time.unplugged:
            return math.inf
        return when if self._deaf or not self._engine.full() else math.inf

    def read(self) -> None:
        """Read some of what has arrived; or the end, or that the connection broke."""
        engine, time, deaf = self._engine, self._time, self._deaf
        space = None if deaf else engine.space()
        item = self._in.read(time.now, _READ if space is None else len(space))
        if isinstance(item, Mark):
            if item is Mark.RESET:
                self._break()
            else:
                time.note(self._name, "hears end")
            if not self._heard_end:
                self._heard_end = True
                engine.receive(b"", time.now)
        elif deaf:
            time.note(self._name, "ignores", item)
            if self._out.ended and self._out.leaves == math.inf:  # nothing can be lost any more
                self._told = True
                self._out.reset(time.now)
        else:
            time.note(self._name, "reads", item)
            if space is not None:
                space[: len(item)] = item
            engine.receive(item if space is None else space[: len(item)], time.now)

    def deadline(self) -> float:
        """Say when the engine's deadline is, or that of its closing: inf for none."""
        if self._gone or self._left:
            return math.inf
        deadline = self._engine.deadline()
        return self._close_by if deadline is None else min(deadline, self._close_by)

    def expire(self) -> None:
        """Tell the engine that its deadline has passed; or give up closing in order.

        Raises:
            AssertionError: it is still the same; a driver would spin.

        """
        now, deadline = self._time.now, self._engine.deadline()
        if now >= self._close_by:
            self.reset()
            return
        self._time.note(self._name, "is due")
        self._engine.expire(now)
        if self._engine.deadline() == deadline:
            raise AssertionError(f"the deadline {deadline} has passed, and expire({now}) left it as it was")

    def close(self, code: int, reason: str, within: float) -> None:
        """Close: go on until the engine has finished, but not for longer than so many seconds."""
        self._closed = True
        self._close_by = min(self._close_by, self._time.now + within)
        self._engine.close(code, reason)

    def reset(self) -> None:
        """Cut the connection."""
        self._time.note(self._name, "resets")
        self._told = self._gone = self._closed = True
        self._engine.close()
        self._engine.lost(ConnectionAbortedError(errno.ECONNABORTED, "cut on this side"))
        self._engine.outgoing()
        self._unsent = memoryview(b"")
        self._out.reset(self._time.now)

    @property
    def _half_closed(self) -> bool:
        """Whether the engine of a bare framing was told the end past this driver."""
        return self._engine.state is State.WE_ENDED and not self._engine.unattended

    @property
    def _left(self) -> bool:
        """Whether this side has closed, and the engine wants to hear nothing more."""
        closed = self._closed or (not self._engine.unattended and self._engine.state is State.CLOSED)
        return closed and self._engine.finished()

    @property
    def _deaf(self) -> bool:
        """Whether nobody listens on this side, and the other may not know."""
        return (self._gone or self._left) and not self._heard_end

    def _break(self) -> None:
        """Tell the engine that the connection broke, and the other side, if it does not know."""
        self._unsent = memoryview(b"")
        self._out.reset(self._time.now)
        if not self._told:
            self._told = True
            self._time.note(self._name, "hears reset")
            self._engine.lost(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
        self._engine.outgoing()
