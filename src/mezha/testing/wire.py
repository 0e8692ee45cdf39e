"""Wire: two engines joined in virtual time. Hours of protocol pass in milliseconds, alike for the same seed."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from mezha.engine import Engine
from mezha.framing import Data
from mezha.testing.driver import Driver, Event, Timeline
from mezha.testing.line import Line, Way

__all__ = ["Side", "Wire"]

#: How many events of the trace a failure shows.
_SHOWN = 20


class Wire:
    r"""Two engines, and a network between them that does the same again for the same seed.

    It is the driver of both: it puts what they have to say on the line, hands them what arrives, unless they are full,
    and keeps their deadlines; in virtual time, which takes none::

        wire = Wire(Framed(Lines()), Framed(Lines()), Line(latency=0.05), seed=7)
        wire.left.send(b"Hello!")
        wire.right.recv()             # b"Hello!"; and wire.now is 0.05

    ``line`` is what the network does to the bytes that go from left to right, ``back`` to the others; without ``back``
    both are alike. Nothing happens outside ``step``, ``run``, ``run_until`` and ``Side.recv``. The last ``remember``
    events are kept, ``None`` for all.
    """

    def __init__(
        self,
        left: Engine,
        right: Engine,
        line: Line | None = None,
        back: Line | None = None,
        *,
        seed: int = 0,
        remember: int | None = 1000,
    ) -> None:
        line = line or Line()
        self._ways = there, here = Way(line, f"{seed} there"), Way(back or line, f"{seed} back")
        self._time = Timeline(remember)
        self._drivers = (
            Driver("left", left, there, here, self._time),
            Driver("right", right, here, there, self._time),
        )
        #: The side of each engine.
        self.left = Side(self, left, self._drivers[0])
        self.right = Side(self, right, self._drivers[1])
        self._random = Random(f"{seed} turns")
        self._turns = (self._drivers, self._drivers[::-1])
        self._turn = self._drivers
        self._plans: list[tuple[float, int, Callable[[], object]]] = []
        self._planned = 0

    @property
    def now(self) -> float:
        """Virtual time, in seconds; it begins at 0."""
        return self._time.now

    @property
    def trace(self) -> deque[Event]:
        r"""What happened, in order: ``print(*wire.trace, sep="\n")`` shows it."""
        return self._time.trace

    def step(self, until: float = math.inf) -> bool:
        """Let the next thing happen, and go to its time; return False if nothing will until then."""
        when, happen = self._next()
        if when > until or when == math.inf:
            return False
        self._time.now = max(self.now, when)
        happen()
        self._turn = self._random.choice(self._turns)
        return True

    def run(self, seconds: float = math.inf) -> None:
        """Let so much time pass; or by default let happen all there is to happen."""
        end = self.now + seconds
        while self.step(end):
            pass
        if end < math.inf:
            self._time.now = end

    def run_until(self, condition: Callable[[], object], within: float = 3600.0) -> None:
        """Run until a condition holds. It is asked at once, and again after each thing that happens.

        Raises:
            AssertionError: it did not within so many virtual seconds, or nothing happens any more. The text ends with
                the last of the trace.

        """
        end = self.now + within
        while not condition():
            if not self.step(end):
                why = f"within {within:g} s" if self._next()[0] < math.inf else "and nothing happens any more"
                last = "\n".join(map(str, list(self.trace)[-_SHOWN:]))
                raise AssertionError(f"what was to happen did not, {why}; it is {self.now:g} s, and last was:\n{last}")

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Plan to call something at a time; if that has passed, at the next step. Plans for one time keep their order.

        What the action raises comes out of ``step``.
        """
        self._planned += 1
        heapq.heappush(self._plans, (when, self._planned, action))

    def lose(self) -> None:
        """Break the connection: what has not arrived is gone; each side hears of it when it reads on, or writes."""
        self._time.note("wire", "is lost")
        for way in self._ways:
            way.lose(self.now, self._time.has_come)
        self._time.unplugged = math.inf

    def unplug(self) -> None:
        """Let nothing arrive until ``plug``, and tell nobody: the cable is out."""
        self._time.note("wire", "is unplugged")
        self._time.unplugged = min(self._time.unplugged, self.now)

    def plug(self) -> None:
        """Put the cable back: what was sent arrives after all."""
        self._time.note("wire", "is plugged in")
        self._time.unplugged = math.inf

    def _next(self) -> tuple[float, Callable[[], object]]:
        """Say what happens next, and when: inf for never."""
        for driver in self._drivers:
            driver.put()
        return min(self._due(), key=lambda due: due[0])

    def _due(self) -> Iterator[tuple[float, Callable[[], object]]]:
        """List what is due. Of what is due at the same time the first happens, now of this side, now of that."""
        one, other = self._turn
        for way in self._ways:
            yield way.leaves, partial(way.leave, way.leaves)
        yield one.next_read(), one.read
        yield other.next_read(), other.read
        if self._plans:
            yield self._plans[0][0], lambda: heapq.heappop(self._plans)[2]()
        yield one.deadline(), one.expire
        yield other.deadline(), other.expire


class Side:
    """One side of a wire: what a program does there. A ``Wire`` makes them."""

    def __init__(self, wire: Wire, engine: Engine, driver: Driver) -> None:
        #: Its engine: to ask it, or to use it past this, is fine.
        self.engine = engine
        self._wire = wire
        self._driver = driver

    def send(self, message: Data) -> None:
        """Queue a message. It does not wait for room: whoever wants to, runs the wire while ``queued`` is too much.

        Raises:
            MezhaError: what ``Engine.send`` raises.

        """
        if not self.engine.push(message):
            self.engine.send(message)

    def take(self, count: int = 1) -> list[bytes]:
        """Take up to ``count`` messages that are here; an empty list means that more has to arrive.

        Raises:
            MezhaError: what ``Engine.take`` raises.

        """
        if count == 1 and (message := self.engine.pop()) is not None:
            return [message]
        return self.engine.take(count)

    def recv(self, within: float = 3600.0) -> bytes:
        """Run the wire until a message is here, and take it.

        Raises:
            AssertionError: none came within so many virtual seconds, or none will.
            MezhaError: what ``Engine.take`` raises.

        """
        taken: list[bytes] = []

        def received() -> bool:
            taken.extend(self.take())
            return bool(taken)

        self._wire.run_until(received, within)
        return taken[0]

    def end(self) -> None:
        """End this side's stream, behind what is queued; it can still receive (half-close)."""
        if self.engine.end():
            self._driver.ended = True

    def close(self, code: int = 0, reason: str = "", *, within: float = 10.0) -> None:
        """Close: what is queued still goes out. What arrives when it has is answered by a reset, as systems do.

        A session takes leave of the other side first, and cuts the line if that takes longer than ``within`` seconds.
        """
        self._driver.close(code, reason, within)

    def reset(self) -> None:
        """Cut the connection: what is queued is gone, and the other side hears of it after what is under way."""
        self._driver.reset()

    @property
    def queued(self) -> int:
        """Bytes that are to be sent, and for which there was no room on the line."""
        return self._driver.queued

    @property
    def under_way(self) -> int:
        """Bytes that were sent, and that the other side has not read."""
        return self._driver.under_way
