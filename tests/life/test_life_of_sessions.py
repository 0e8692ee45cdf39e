"""The life of a session in virtual time: anything, in any order, on either side, against a model of what is owed."""

from typing import ClassVar

import pytest
from faulty_sessions import FAULTY, Faulty
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
from life.parties import Party

from mezha import ClosedByUs, Limits, MezhaError, Timeouts
from mezha.session import Session
from mezha.testing import Line, Wire

LIMITS = Limits(max_message=300_000, inbox=1, requests=16)
#: What the protocol makes of that inbox.
WINDOW = 131_072
#: A frame, and what surrounds it.
FRAME = 65_545
SIZES = st.sampled_from((0, 0, 1, 40, 5000)) | st.integers(0, 70_000) | st.sampled_from((65_500, 150_000, 290_000))
QUESTIONS = st.integers(0, 300) | st.sampled_from((0, 1, 2, 3, 4, 5, 6, 65_530, 150_000))
SIDES = st.sampled_from((0, 1))
RARELY = st.integers(0, 19).map(lambda number: not number)
#: Of 40 seconds; the slowest line takes no longer for all that waits.
_MOST_ROUNDS = 2000
PLACES = st.integers(0, 20)


def lines() -> st.SearchStrategy[Line]:
    """Lines that carry hundreds of kilobytes in not too many steps."""
    seconds = st.floats(0, 5, allow_subnormal=False)
    # A small window that is emptied by the byte is filled by the byte.
    cuts = st.tuples(st.just("random") | st.lists(st.integers(0, 300), max_size=8), st.just(1 << 20))
    cuts |= st.tuples(st.just("never") | st.integers(500, 9000), st.sampled_from((2000, 64 << 10)))
    return cuts.flatmap(
        lambda some: st.builds(
            Line,
            latency=seconds | st.tuples(seconds, seconds).map(lambda two: (min(two), max(two))),
            bandwidth=st.none() | st.floats(20_000, 1e6),
            cut=st.just(some[0]),
            glue=st.just(0.0) | seconds,
            window=st.just(some[1]),
        )
    )


class LifeOfSessions(RuleBasedStateMachine):
    """Two sessions over a wire."""

    #: What they are.
    kind: ClassVar[type[Session]] = Session

    @initialize(
        line=lines(), back=lines(), seed=st.integers(0, 9), beats=st.tuples(*[st.sampled_from((None, 20.0, 60.0))] * 2)
    )
    def begin(self, line: Line, back: Line, seed: int, beats: tuple[float | None, float | None]) -> None:
        left, right = (
            self.kind(limits=LIMITS, timeouts=Timeouts(heartbeat=beat, message=None, handshake=None)) for beat in beats
        )
        self.wire = Wire(left, right, line, back, seed=seed)
        self.parties = (Party("left", left, self.wire.left), Party("right", right, self.wire.right))
        self.lost = False
        self.unplugged = False

    # -- what its users do --------------------------------------------------------------------------------------------

    @rule(place=SIDES, sizes=st.lists(SIZES, min_size=1, max_size=6))
    def send(self, place: int, sizes: list[int]) -> None:
        for size in sizes:
            self.parties[place].send(size)

    @rule(place=SIDES, count=st.integers(1, 300))
    def send_many_small(self, place: int, count: int) -> None:
        for _ in range(count):
            self.parties[place].send(3)

    @rule(place=SIDES, count=st.sampled_from((1, 1, 2, 1000)))
    def take(self, place: int, count: int) -> None:
        self.parties[place].take(count, self.parties[not place])

    @rule(place=SIDES, sizes=st.lists(SIZES, max_size=3), done=st.sampled_from(("end", "drop", "later")))
    def stream(self, place: int, sizes: list[int], done: str) -> None:
        party = self.parties[place]
        party.begin_stream()
        for size in sizes:
            if party.writing is not None and len(party.writing) + size + 30 < LIMITS.max_message:
                party.add_piece(size)
        if done == "end":
            party.end_stream()
        elif done == "drop":
            party.drop_stream()

    @rule(place=SIDES, count=st.integers(0, 5))
    def read(self, place: int, count: int) -> None:
        party, other = self.parties[place], self.parties[not place]
        party.open_stream(other)
        for _ in range(count):
            party.read(other)

    @rule(place=SIDES, sizes=st.lists(QUESTIONS, min_size=1, max_size=20))
    def ask(self, place: int, sizes: list[int]) -> None:
        for size in sizes:
            self.parties[place].ask(size)

    @rule(place=SIDES, places=st.lists(PLACES, max_size=10))
    def answer(self, place: int, places: list[int]) -> None:
        for which in places:
            self.parties[place].answer(which)

    @rule(place=SIDES, places=st.lists(PLACES, min_size=1, max_size=5))
    def cancel(self, place: int, places: list[int]) -> None:
        for which in places:
            self.parties[place].cancel(which)

    @rule(place=SIDES, count=st.integers(1, 20))
    def ping(self, place: int, count: int) -> None:
        for _ in range(count):
            self.parties[place].ping(self.wire.now)

    @rule(place=SIDES, rarely=RARELY)
    def end(self, place: int, rarely: bool) -> None:
        if rarely:
            self.parties[place].end()

    @rule(place=SIDES, rarely=RARELY, code=st.sampled_from((0, 0, 1, 300)), reason=st.sampled_from(("", "done")))
    def close(self, place: int, rarely: bool, code: int, reason: str) -> None:
        if rarely:
            self.parties[place].close(code, reason)

    @rule(place=SIDES, rarely=RARELY)
    def reset(self, place: int, rarely: bool) -> None:
        if rarely:
            self.parties[place].cut()

    # -- what the network does ----------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 50))
    def some_things_happen(self, count: int) -> None:
        for _ in range(count):
            self.wire.step(self.wire.now + 1000)

    @rule(seconds=st.sampled_from((0.0, 0.1, 7.0, 100.0)))
    def time_passes(self, seconds: float) -> None:
        self.wire.run(seconds)

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
            self.unplugged = True

    @rule()
    def the_cable_is_back(self) -> None:
        self.wire.plug()

    # -- what holds at any time, and in the end -----------------------------------------------------------------------

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        for party, other in self.pairs():
            party.look(other)
            party.check(other)

    @invariant()
    def memory_is_bounded(self) -> None:
        for party, _ in self.pairs():
            stats = party.session.stats
            assert stats.waiting <= WINDOW + LIMITS.max_message + FRAME
            assert stats.credit <= WINDOW
            questions = sum(map(len, party.asked.values()))
            assert stats.queued <= LIMITS.outbox + LIMITS.max_message + 20 * FRAME + questions
            assert stats.unanswered <= LIMITS.requests

    @invariant()
    def nobody_is_told_of_an_end_that_nobody_made(self) -> None:
        for party, other in self.pairs():
            if party.session.ending and not party.closed:
                made = other.closed or self.lost or self.unplugged
                assert made, f"{party.session.ending} without a reason: {party.why()!r}"

    def pairs(self) -> tuple[tuple[Party, Party], ...]:
        if not hasattr(self, "parties"):
            return ()
        left, right = self.parties
        return ((left, right), (right, left))

    def waits_for_something(self, party: Party) -> bool:
        return bool(party.session.backlog or party.side.queued or party.side.under_way > 100 or party.asked)

    def teardown(self) -> None:
        """Everybody hears the other out, answers, and closes."""
        if not hasattr(self, "wire"):
            return
        self.wire.plug()
        for party, _ in self.pairs():
            party.end_stream()
        for _ in range(_MOST_ROUNDS):
            self.wire.run(40)
            busy = any(self.waits_for_something(party) for party, _ in self.pairs())
            for party, other in self.pairs():
                party.look(other)
                while party.take(1000, other) or party.answer(0):
                    busy = True
            if not busy:
                break
        over = [party.closed or party.told for party, _ in self.pairs()]
        for party, other in self.pairs():
            if not any(over) and not party.session.ending:
                assert party.received == other.accepted, "messages are missing"
                assert not party.asked, "questions were not answered"
                assert not party.pings, "pings were not answered"
        self.parties[0].close(0, "bye")
        self.wire.run(60)
        for party, other in self.pairs():
            party.look(other)
            assert party.closed or party.session.ending
            party.close(1, "too")
        self.wire.run(60)
        for party, other in self.pairs():
            party.look(other)
            party.check(other)
            party.take(1, other)
            assert party.told is ClosedByUs
            assert not party.asked, "somebody waits for an answer for ever"
            assert not party.pings, "somebody waits for a sign of life for ever"
            assert party.session.deadline() is None
            assert party.session.finished()
        endings = [party.session.ending for party, _ in self.pairs()]
        assert endings[0]
        assert endings[1]
        if not (self.lost or self.unplugged or any(party.reset for party, _ in self.pairs())):
            assert endings[0].how == endings[1].how == "closed"
            assert endings[0].code == endings[1].code
            assert endings[0].reason == endings[1].reason
            assert not (endings[0].by_peer and endings[1].by_peer)


LifeOfSessions.TestCase.settings = settings(stateful_step_count=40)
TestLifeOfSessions = LifeOfSessions.TestCase


@pytest.mark.parametrize("kind", FAULTY, ids=lambda kind: kind.__name__)
def test_what_is_wrong_is_noticed(kind: type[Faulty]) -> None:
    class Life(LifeOfSessions):
        pass

    Life.kind = kind
    quickly = settings(
        stateful_step_count=40, max_examples=200, derandomize=True, database=None, phases=[Phase.generate]
    )
    with pytest.raises((AssertionError, MezhaError, KeyError)):
        run_state_machine_as_test(Life, settings=quickly)
