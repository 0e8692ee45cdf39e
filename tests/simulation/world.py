"""A world made from a seed: two programs, and a network between them; and what must hold at every moment of it."""

from collections.abc import Callable
from random import Random

from simulation.programs import ENDINGS, FAULTS, Blurting, Plan, Program, frame

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    Delimited,
    FixedSize,
    Framing,
    LengthPrefixed,
    Limits,
    Lines,
    MessageTooLarge,
    MessageTooSlow,
    MezhaError,
    Netstring,
    Timeouts,
    TruncatedMessage,
    VarintPrefixed,
)
from mezha.engine import Engine
from mezha.testing import Line, Wire

__all__ = ["Make", "World", "blurting"]

FRAMINGS: tuple[Framing, ...] = (
    LengthPrefixed(4),
    LengthPrefixed(2, "little"),
    VarintPrefixed(),
    Netstring(),
    Lines(),
    Delimited(b"\0\0"),
    FixedSize(7),
)
#: What one read returns at most.
_READ = 64 << 10
#: What is not over by then never will be.
_MOST_STEPS = 4_000_000
_MOST_SECONDS = 90 * 86400.0

#: What makes an engine.
Make = Callable[[Framing, Limits, Timeouts], Engine]


def blurting(framing: Framing, limits: Limits, timeouts: Timeouts) -> Engine:
    """Make an engine that does what its program asks, also what is wrong."""
    return Blurting(framing, limits=limits, timeouts=timeouts)


class World:
    """One connection. The same seed makes the same world, with the same history."""

    def __init__(self, seed: int, make: Make = blurting, *, remember: int | None = 1000) -> None:
        self._random = random = Random(seed)
        choose = random.choice
        self._framing = choose(FRAMINGS)
        self._largest = 7 if isinstance(self._framing, FixedSize) else choose((10, 100, 1000, 50_000))
        self._frame = len(frame(self._framing, b"1" * self._largest))
        self._limits = Limits(
            max_message=self._largest, inbox=choose((1, 300, 256 << 10)), outbox=choose((1, 300, 64 << 10))
        )
        self._timeouts = Timeouts(message=choose((None, 10.0, 10.0, 60.0)), min_rate=choose((1.0, 1024.0)))
        self._lines = self._line(), self._line()
        self.wire = Wire(
            make(self._framing, self._limits, self._timeouts),
            make(self._framing, self._limits, self._timeouts),
            *self._lines,
            seed=seed,
            remember=remember,
        )
        left, right = (
            Program(side, self._plan(endings), self._framing, self._limits, Random(random.random()), self.wire)
            for side, endings in ((self.wire.left, ENDINGS[:-1]), (self.wire.right, ENDINGS))
        )
        self._directions = (
            ("left to right", left, right, self._lines[0]),
            ("right to left", right, left, self._lines[1]),
        )
        self._checked = [0, 0]
        self._lost = False
        if random.random() < 0.1:
            self.wire.at(random.uniform(0, choose((1, 100, 10_000))), self._lose)
        self._unplugged = random.random() < 0.2
        if self._unplugged:
            when = random.uniform(0, choose((1, 1000)))
            self.wire.at(when, self.wire.unplug)
            self.wire.at(when + choose((0.1, 15.0, 700.0)), self.wire.plug)
        #: How many things have happened.
        self.steps = 0

    def live(self) -> None:
        """Let happen all there is to happen, and check it at each step.

        Raises:
            AssertionError: something happened that must not, or did not that must.

        """
        while self.wire.step():
            self.steps += 1
            for _, _, receiver, _ in self._directions:
                receiver.look()
            self._check()
            assert self.steps < _MOST_STEPS, f"it goes on and on: {self.steps} steps"
            assert self.wire.now < _MOST_SECONDS, f"it goes on and on: {self.wire.now} s"
        for way, sender, receiver, line in self._directions:
            assert receiver.over, f"{way}: it hangs, nothing happens any more"
            self._judge(way, sender, receiver, line)

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self._framing}, {self._limits}, {self._timeouts}",
                *(f"{way}: {line}, and its sender: {sender.plan}" for way, sender, _, line in self._directions),
            )
        )

    @property
    def received(self) -> list[bytes]:
        """All messages received, in both directions."""
        return [message for _, _, receiver, _ in self._directions for message in receiver.received]

    @property
    def outcomes(self) -> list[str]:
        """How receiving ended, in both directions."""
        return [type(receiver.error).__name__ for _, _, receiver, _ in self._directions]

    # -- how it is made -----------------------------------------------------------------------------------------------

    def _line(self) -> Line:
        choose, some = self._random.choice, self._random.randint
        small = self._largest <= 100
        return Line(
            latency=choose((0.0, 0.05, (0.0, 3.0), (0.01, 5.0))),
            bandwidth=choose((None, None, 1e6, 20_000.0, 500.0)),
            cut=choose(("random", "random", "never", some(1, 30 if small else 1460), [some(1, 999) for _ in range(9)])),
            glue=choose((0.0, 0.0, 0.04, 1.0)),
            window=choose((1 if small else 100, 1000, 64 << 10)),
            break_at=some(0, choose((20, 1000, 100_000))) if some(0, 9) == 0 else None,
        )

    def _plan(self, endings: tuple[str, ...]) -> Plan:
        choose, some = self._random.choice, self._random.randint
        fault = choose(FAULTS) if some(0, 9) == 0 and not isinstance(self._framing, FixedSize) else ""
        if fault == "unfinished" and self._timeouts.message is None:
            fault = ""  # nobody would notice
        if fault == "torn":
            endings = ("end", "close")  # or nobody would
        return Plan(
            messages=choose((0, 1, some(0, 20), some(0, 200 if self._largest <= 1000 else 20))),
            largest=self._largest,
            burst=choose((1, 3, 50)),
            pause=choose((0.01, 1.0, 30.0, 300.0)),
            take=choose((1, 3, 1000)),
            rest=choose((0.0, 0.0, 0.1, 5.0, 100.0)),
            ending=choose(endings),
            linger=choose((0.0, 0.01, 20.0)),
            fault=fault,
        )

    def _lose(self) -> None:
        self._lost = True
        self.wire.lose()

    # -- what must hold -----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Check what holds at every moment: whole, in order, within the bounds."""
        for place, (way, sender, receiver, line) in enumerate(self._directions):
            checked, count = self._checked[place], len(receiver.received)
            assert receiver.received[checked:] == sender.sent[checked:count], f"{way}: received what was not sent"
            self._checked[place] = count
            inbox = len(receiver.side.engine.unused())
            bound = max(self._limits.inbox, self._frame) + min(line.window, _READ)
            assert inbox < bound, f"{way}: {inbox} bytes in the inbox"
            queued = sender.side.queued
            assert queued < self._limits.outbox + 2 * self._frame + 20, f"{way}: {queued} bytes in the outbox"
            under_way = sender.side.under_way
            assert under_way <= line.window, f"{way}: {under_way} bytes under way"

    def _judge(self, way: str, sender: Program, receiver: Program, line: Line) -> None:
        """Check how it ended: with a documented error, for a reason; and nothing is missing that must be there."""
        error = receiver.error
        ended = not {"end", "close"}.isdisjoint(sender.endings)
        broke = self._lost or "reset" in sender.endings or any(line.break_at is not None for line in self._lines)
        reasons: dict[type[MezhaError], bool] = {
            ClosedByPeer: ended and not sender.blurted,
            ClosedByUs: receiver.gone_before,
            ConnectionLost: broke or (sender.gone and bool(receiver.sent or receiver.blurted)),
            TruncatedMessage: ended and sender.blurted in ("torn", "unfinished"),
            MessageTooLarge: sender.blurted == "too large",
            MessageTooSlow: sender.blurted == "unfinished" or self._may_be_slow(line),
        }
        assert error is not None
        assert reasons.get(type(error)), f"{way}: it ended without a reason with {error!r}"
        assert receiver.gone_before == isinstance(error, ClosedByUs), f"{way}: this side had closed, and {error!r}"
        broken = isinstance(error, ConnectionLost) and broke
        slow = isinstance(error, MessageTooSlow) and self._may_be_slow(line)
        if not (receiver.gone_before or broken or slow):
            missing = sender.sent[len(receiver.received) :]
            assert not missing, f"{way}: {len(missing)} of {len(sender.sent)} messages are missing, and {error!r}"
        refused = sender.refused
        assert refused is None or type(refused) is ConnectionLost, f"{way}: sending failed with {refused!r}"
        assert not refused or broke or receiver.gone, f"{way}: sending failed without a reason with {refused!r}"

    def _may_be_slow(self, line: Line) -> bool:
        """Say whether the network may take longer over a message than the receiver allows."""
        if self._timeouts.message is None:
            return False
        most = line.latency[1] if isinstance(line.latency, tuple) else line.latency
        windowful = most + line.glue + (line.window / line.bandwidth if line.bandwidth else 0.0)
        return self._unplugged or windowful * (2 + self._frame / line.window) > self._timeouts.message
