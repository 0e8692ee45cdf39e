"""A connection's life in virtual time: anything, in any order, on either side, against a model of what is owed."""

import pytest
from faulty_engines import FAULTY, PATIENCE, Faulty
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from life.model import Stream
from network import lines

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, LengthPrefixed, Limits, MezhaError, Timeouts
from mezha.engine import Engine, Framed, State
from mezha.testing import Line, Wire

FRAMING = LengthPrefixed(2)
LIMITS = Limits(max_message=300, inbox=100)
#: The least of all, and what one read may bring.
SIZES = st.sampled_from((0, 1, 40)) | st.integers(0, 280)
SIDES = st.sampled_from((0, 1))
#: Of some things, one in a life is enough.
RARELY = st.integers(0, 14).map(lambda number: not number)


class Party:
    """One side, and what the model knows of it."""

    def __init__(self, wire: Wire, name: str) -> None:
        self.side = wire.left if name == "left" else wire.right
        self.stream = Stream(name)
        #: It has ended its stream, closed the connection, cut it; and, by one of the first two, said goodbye.
        self.ended = self.closed = self.reset = self.goodbye = False
        #: How receiving ended, and how sending failed.
        self.told: type[Exception] | None = None
        self.refused = False


class LifeOnWire(RuleBasedStateMachine):
    """Two engines over a wire."""

    @staticmethod
    def engine() -> Engine:
        """Make the engine of a side."""
        return Framed(FRAMING, limits=LIMITS, timeouts=Timeouts(message=None))

    @initialize(line=lines(), back=lines(), seed=st.integers(0, 9))
    def begin(self, line: Line, back: Line, seed: int) -> None:
        self.lines = (line, back)
        self.wire = Wire(self.engine(), self.engine(), line, back, seed=seed)
        self.parties = (Party(self.wire, "left"), Party(self.wire, "right"))
        self.lost = False

    # -- what its users do --------------------------------------------------------------------------------------------

    @rule(place=SIDES, sizes=st.lists(SIZES, min_size=1, max_size=6))
    def send(self, place: int, sizes: list[int]) -> None:
        party, other = self.parties[place], self.parties[not place]
        for size in sizes:
            sent = party.stream.new(size)
            try:
                party.side.send(sent.message)
            except ClosedByUs:
                assert party.closed or party.ended
            except ConnectionLost:
                assert not party.closed
                assert self.lost or other.closed
                party.refused = True
            else:
                assert not party.closed, "sent after close()"
                assert not party.ended, "sent after end()"
                assert not party.refused, "sent after the connection was lost"
                sent.promised = True
                continue
            party.stream.refuse(sent)

    @rule(place=SIDES, count=st.sampled_from((1, 1, 2, 1000)))
    def take(self, place: int, count: int) -> None:
        self.taken(place, count)

    def taken(self, place: int, count: int) -> int:
        """Take messages, check them, or how receiving ended; return how many there were."""
        party, other = self.parties[place], self.parties[not place]
        try:
            messages = party.side.take(count)
        except (ClosedByPeer, ClosedByUs, ConnectionLost) as error:
            self.told(party, other, type(error))
            return 0
        assert not party.closed
        assert not messages or not party.told, f"{messages} after the end"
        assert len(messages) <= count
        for message in messages:
            other.stream.arrive(message)
        return len(messages)

    def told(self, party: Party, other: Party, kind: type[Exception]) -> None:
        """Check how receiving ended: with a reason, again the same, and not before everything has arrived."""
        assert party.closed or party.told in (None, kind)
        party.told = kind
        lossy = self.lost or other.reset
        reasons: dict[type[Exception], bool] = {
            ClosedByUs: party.closed,
            ClosedByPeer: other.goodbye,
            ConnectionLost: lossy or (other.closed and bool(party.stream.sent)),
        }
        assert reasons[kind], f"{kind.__name__} without a reason"
        assert party.closed == (kind is ClosedByUs)
        if kind is ClosedByPeer or (kind is ConnectionLost and not lossy):
            other.stream.end()

    @rule(place=SIDES, rarely=RARELY)
    def end(self, place: int, rarely: bool) -> None:
        if rarely:
            party = self.parties[place]
            party.side.end()
            party.goodbye = party.goodbye or not party.closed
            party.ended = True

    @rule(place=SIDES, rarely=RARELY)
    def close(self, place: int, rarely: bool) -> None:
        if rarely:
            party = self.parties[place]
            party.side.close()
            party.goodbye = party.goodbye or not party.closed
            party.closed = True

    @rule(place=SIDES, rarely=RARELY)
    def reset(self, place: int, rarely: bool) -> None:
        if rarely:
            self.parties[place].side.reset()
            self.parties[place].closed = self.parties[place].reset = True

    # -- what the network does ----------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 20))
    def some_things_happen(self, count: int) -> None:
        for _ in range(count):
            self.wire.step()

    @rule(seconds=st.sampled_from((0.0, 0.1, 7.0, 3600.0)))
    def time_passes(self, seconds: float) -> None:
        before = self.wire.now
        self.wire.run(seconds)
        assert self.wire.now == before + seconds

    @precondition(lambda self: not self.lost)
    @rule(rarely=RARELY)
    def the_connection_breaks(self, rarely: bool) -> None:
        if rarely:
            self.wire.lose()
            self.lost = True

    @rule(rarely=RARELY)
    def the_cable_is_out(self, rarely: bool) -> None:
        if rarely:
            self.wire.unplug()

    @rule()
    def the_cable_is_back(self) -> None:
        self.wire.plug()

    # -- what holds at any time, and in the end -----------------------------------------------------------------------

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "wire"):
            for sender, receiver, line in zip(self.parties, self.parties[::-1], self.lines, strict=True):
                assert sender.side.under_way <= line.window
                assert len(receiver.side.engine.unused()) < LIMITS.max_message + 2 + line.window

    @invariant()
    def the_state_says_how_things_are(self) -> None:
        parties = getattr(self, "parties", ())
        for party, other in zip(parties, reversed(parties), strict=True):
            state = party.side.engine.state
            if party.closed:
                assert state is State.CLOSED
            elif party.told is ConnectionLost:
                assert state is State.FAILED
            elif party.told is ClosedByPeer:  # then it may hear of a loss, too
                expected = {State.CLOSED} if party.ended or party.refused else {State.PEER_ENDED}
                assert state in expected | ({State.CLOSED} if self.lost or other.closed else set())

    def teardown(self) -> None:
        """Everybody hears the other out, and ends."""
        if not hasattr(self, "wire"):
            return
        self.wire.plug()
        for party in self.parties:
            if not party.closed:
                party.side.end()
                party.ended = party.goodbye = True
        progress = True
        while progress:
            self.wire.run()
            progress = bool(self.taken(0, 1000) + self.taken(1, 1000))
        for place, party in enumerate(self.parties):
            assert party.told, "it hangs: nobody was told of the end"
            before = party.told
            self.taken(place, 1)
            assert party.told is (ClosedByUs if party.closed else before)


LifeOnWire.TestCase.settings = settings(stateful_step_count=60)
TestLifeOnWire = LifeOnWire.TestCase


@pytest.mark.parametrize("kind", [kind for kind in FAULTY if kind not in PATIENCE], ids=lambda kind: kind.__name__)
def test_what_is_wrong_is_noticed(kind: type[Faulty]) -> None:
    class Life(LifeOnWire):
        engine = staticmethod(lambda: kind(FRAMING, LIMITS, Timeouts(message=None)))

    quickly = settings(
        stateful_step_count=60, max_examples=500, derandomize=True, database=None, phases=[Phase.generate]
    )
    with pytest.raises((AssertionError, MezhaError, OSError)):
        run_state_machine_as_test(Life, settings=quickly)
