"""Laws of sessions over a network in virtual time: heartbeats, closing, and what strangers can do."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from session.pair import Alone, frame, hello

from mezha import ConnectionLost, Limits, MezhaError, Timeouts
from mezha.engine import State
from mezha.session import Ending, Session
from mezha.session.frames import (
    AnyFrame,
    Body,
    Cancel,
    Close,
    Counted,
    Drop,
    End,
    Failure,
    Kind,
    Numbered,
    Ping,
    Pong,
)
from mezha.session.greeting import MAGIC
from mezha.testing import Line, Wire

BEATS = st.sampled_from((None, 1.0, 5.0, 60.0))
LARGE = 300_000


def wire_of(
    beats: tuple[float | None, float | None], line: Line, back: Line | None = None, *, seed: int = 7
) -> tuple[Wire, Session, Session]:
    limits = Limits(max_message=LARGE, inbox=131_072)
    left, right = (
        Session(limits=limits, timeouts=Timeouts(heartbeat=beat, handshake=None, message=None)) for beat in beats
    )
    return Wire(left, right, line, back, seed=seed), left, right


# -- heartbeats -------------------------------------------------------------------------------------------------------


@example(beats=(1.0, None), bandwidth=1000.0, busy=(True, False), window=64 << 10)
@example(beats=(None, 1.0), bandwidth=1000.0, busy=(True, True), window=64 << 10)
@given(
    beats=st.tuples(BEATS, BEATS),
    bandwidth=st.floats(1000, 100_000),
    busy=st.tuples(st.booleans(), st.booleans()),
    window=st.sampled_from((2000, 64 << 10)),
)
def test_a_slow_and_busy_connection_is_not_given_up(
    beats: tuple[float | None, float | None], bandwidth: float, busy: tuple[bool, bool], window: int
) -> None:
    # A byte a millisecond: what is sent now is heard in minutes, and so is its answer.
    wire, left, right = wire_of(beats, Line(bandwidth=bandwidth, cut=500, window=window), seed=3)
    wire.run(10)
    for _ in range(8):
        for session, sends in ((left, busy[0]), (right, busy[1])):
            if sends and session.clear(LARGE):
                session.send(bytes(LARGE))
            session.take(9)
        wire.run(30)
        assert left.ending is None
        assert right.ending is None


@given(beats=st.tuples(BEATS, BEATS), latency=st.floats(0, 0.4), when=st.floats(0, 20), sends=st.booleans())
def test_a_dead_peer_is_found_in_time_also_by_who_only_reads(
    beats: tuple[float | None, float | None], latency: float, when: float, sends: bool
) -> None:
    wire, *sessions = wire_of(beats, Line(latency=latency))
    wire.run(5 + when)
    wire.unplug()
    if sends:
        sessions[0].send(bytes(1000))
    for session, beat in zip(sessions, beats, strict=True):
        if beat is None:
            continue
        wire.run(max(5 + when + 2 * beat + latency - wire.now, 0) + 0.001)
        with pytest.raises(ConnectionLost) as caught:
            session.take()
        assert caught.value.silence is not None
        assert caught.value.silence == pytest.approx(2 * beat)
    wire.run(30)
    for session, beat in zip(sessions, beats, strict=True):
        assert session.state is (State.OPEN if beat is None else State.FAILED)


def test_hours_of_silence_cost_a_ping_now_and_then() -> None:
    wire, left, right = wire_of((20.0, 20.0), Line(latency=0.05))
    wire.run(3600)
    for session in (left, right):
        assert session.state is State.OPEN
        assert session.stats.bytes_sent < 3600 // 10 * 30


# -- closing ----------------------------------------------------------------------------------------------------------


@given(
    delay=st.floats(0, 3),
    codes=st.tuples(st.sampled_from((0, 1, 300)), st.sampled_from((0, 1, 300))),
    counts=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    latency=st.floats(0, 1),
    seed=st.integers(0, 9),
)
def test_both_sides_agree_on_how_it_ended(
    delay: float, codes: tuple[int, int], counts: tuple[int, int], latency: float, seed: int
) -> None:
    wire, left, right = wire_of((20.0, 20.0), Line(latency=latency), seed=seed)
    wire.run(5)
    taken = [0, 0]
    for place, (session, count) in enumerate(zip((left, right), counts, strict=True)):
        for number in range(count):
            session.send(b"%d" % number)
        wire.run(0.2)
        taken[1 - place] += len((left, right)[1 - place].take(9))
    wire.left.close(codes[0], "left")
    wire.run(delay)
    wire.right.close(codes[1], "right")
    wire.run(60)
    here, there = left.ending, right.ending
    assert here
    assert there
    assert here.how == there.how == "closed"
    assert (here.code, here.reason) == (there.code, there.reason)
    assert here.by_peer != there.by_peer
    for ending, count, heard in ((here, counts[0], taken[1]), (there, counts[1], taken[0])):
        assert ending.delivered == heard
        assert ending.sent + ending.never_sent == count


def test_a_program_that_takes_nothing_lets_who_closes_wait_five_seconds() -> None:
    wire, left, right = wire_of((20.0, 20.0), Line(latency=0.1))
    wire.run(1)
    left.send(b"abc")
    wire.left.close()
    begun = wire.now
    wire.run_until(left.finished)
    assert wire.now == pytest.approx(begun + 5.2, abs=0.01)
    assert left.ending == Ending("closed", 0, "", False, 1, 0, 0)
    assert right.take() == [b"abc"]


def test_a_peer_that_vanished_lets_who_closes_wait_as_long_as_it_wants() -> None:
    wire, left, _ = wire_of((None, None), Line())
    wire.run(1)
    wire.unplug()
    wire.left.close(0, "bye", within=3.0)
    wire.run(2.9)
    assert not left.finished()
    wire.run(0.2)
    assert left.ending == Ending("unanswered", 0, "bye", False, 0, 0, 0)
    assert left.finished()


# -- any bytes at all -------------------------------------------------------------------------------------------------


TEXT = st.text(max_size=5)
NUMBERS = st.integers(0, 3)
BODIES = st.binary(max_size=9) | st.sampled_from((1000, 65_536)).map(bytes)
FRAMES: st.SearchStrategy[AnyFrame] = st.one_of(
    st.builds(Body, st.sampled_from((Kind.MESSAGE, Kind.MESSAGE, Kind.LAST)), BODIES),
    st.builds(Body, st.just(Kind.PART), BODIES.filter(bool)),
    st.builds(Numbered, st.sampled_from((Kind.REQUEST, Kind.REPLY)), NUMBERS, BODIES),
    st.builds(Numbered, st.sampled_from((Kind.REQUEST_PART, Kind.REPLY_PART)), NUMBERS, BODIES.filter(bool)),
    st.builds(Failure, NUMBERS, st.integers(0, 65_535), TEXT),
    st.builds(Cancel, NUMBERS),
    st.builds(Counted, st.just(Kind.CREDIT), st.sampled_from((0, 1, 100_000, 2**62, 2**64 - 1))),
    st.builds(Ping, st.binary(min_size=8, max_size=8)),
    st.builds(Pong, st.binary(min_size=8, max_size=8), st.integers(0, 3)),
    st.builds(Drop, st.integers(0, 65_535), TEXT),
    st.just(End()),
    st.builds(Close, st.integers(0, 65_535), st.integers(0, 3), TEXT),
)
NOISE = st.binary(min_size=1, max_size=20)
WHAT_COMES = st.lists(FRAMES | NOISE, max_size=40)


@given(
    opening=st.sampled_from((hello(), hello(heartbeat=1000, max_message=5), MAGIC, b"")),
    comes=WHAT_COMES,
    does=st.lists(
        st.sampled_from(("take", "send", "ask", "answer", "ping", "wait", "stream", "close", "end")), max_size=40
    ),
    size=st.sampled_from((1, 7, 1000, 1 << 20)),
)
def test_whatever_comes_it_neither_fails_nor_hangs_nor_grows(
    opening: bytes, comes: list[AnyFrame | bytes], does: list[str], size: int
) -> None:
    limits = Limits(max_message=100_000, inbox=131_072, requests=16)
    alone = Alone(opening=None, limits=limits)
    session = alone.session
    bound = 131_072 + 100_000 + 65_545
    for place in range(max(len(comes), len(does)) + 1):
        item = opening if not place else comes[place - 1] if place <= len(comes) else b""
        wire = item if isinstance(item, bytes) else frame(item)
        for start in range(0, len(wire), size):
            session.receive(wire[start : start + size], alone.now)
        if place < len(does):
            do(alone, does[place])
        alone.says()
        assert session.stats.waiting <= bound
        assert session.stats.unanswered <= 16
        due = session.deadline()
        assert due is None or due > alone.now - 1e-6
    session.receive(b"", alone.now)
    assert session.finished()
    assert session.deadline() is None
    try:
        while session.take(1000):
            pass
    except MezhaError:
        pass
    else:
        pytest.fail("it ended, and nobody is told")
    assert session.ending


def do(alone: Alone, what: str) -> None:
    """Do something with a session, and bear what comes of it."""
    session = alone.session
    try:
        match what:
            case "take":
                session.take(3)
            case "send":
                if session.clear(70_000):
                    session.send(bytes(70_000))
            case "ask":
                session.request(b"?")
            case "answer":
                for number in range(4):
                    session.answer(number, b"!")
            case "ping":
                session.ping(alone.now)
            case "wait":
                alone.waits(15.0)
            case "stream":
                if session.open_stream():
                    session.take_piece()
            case "end":
                session.end()
            case _:
                session.close(1, "enough")
    except MezhaError:
        pass
    assert session.backlog < math.inf
