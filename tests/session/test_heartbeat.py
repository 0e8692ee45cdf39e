"""The heartbeat: silence is broken in time, the dead are found in time, and the living are never taken for them."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mezha.session.heartbeat import LATE, Heartbeat

BEATS = st.sampled_from((1.0, 20.0, 300.0))


def beating(beat: float = 20.0, patience: float | None = 20.0, now: float = 0.0) -> Heartbeat:
    heartbeat = Heartbeat()
    heartbeat.begin(now, beat, patience)
    return heartbeat


def test_before_it_begins_and_without_a_beat_nothing_is_due() -> None:
    for heartbeat in (Heartbeat(), beating(0.0, None)):
        assert heartbeat.deadline() == math.inf
        assert not heartbeat.look(1e9)
        assert heartbeat.silence(1e9) is None


@given(beat=BEATS, patience=st.none() | BEATS, gaps=st.lists(st.floats(0, 700), max_size=30))
def test_a_peer_that_says_something_in_time_is_never_given_up(
    beat: float, patience: float | None, gaps: list[float]
) -> None:
    assume(patience is None or patience >= beat)
    heartbeat, now = beating(beat, patience), 0.0
    for gap in gaps:
        until = now + min(gap, 1.99 * patience if patience else gap)
        while heartbeat.deadline() <= until:
            now = heartbeat.deadline()
            heartbeat.look(now)
            assert heartbeat.silence(now) is None
            assert heartbeat.deadline() > now
        now = until
        heartbeat.heard = now


@given(beat=BEATS, patience=BEATS, last=st.floats(0, 1000))
def test_a_dead_peer_is_found_in_time_and_asked_before(beat: float, patience: float, last: float) -> None:
    assume(beat <= patience)
    heartbeat = beating(beat, patience)
    heartbeat.heard = last
    asked: list[float] = []
    while True:
        now = heartbeat.deadline()
        if heartbeat.look(now):
            asked.append(now)
        if (silence := heartbeat.silence(now)) is not None:
            break
    assert now == last + 2 * patience
    assert silence == pytest.approx(2 * patience)
    silent = [when for when in asked if when > last]
    assert silent[0] <= last + beat
    assert all(later - earlier <= beat / 2 for earlier, later in pairwise(silent))


@given(steps=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=20))
def test_it_asks_where_nothing_was_sent_or_nothing_heard_since_it_last_looked(steps: list[tuple[bool, bool]]) -> None:
    heartbeat = beating(patience=None)
    for sent, heard in steps:
        due = heartbeat.deadline()
        assert not heartbeat.look(math.nextafter(due, 0))
        heartbeat.sent = sent
        if heard:
            heartbeat.heard = due - 1
        assert heartbeat.look(due) == (not sent or not heard)
        assert not heartbeat.sent


def test_a_process_that_slept_asks_again_and_waits() -> None:
    heartbeat = beating()
    heartbeat.heard = 5.0
    woke = 10.0 + 3600.0
    assert heartbeat.look(woke)
    assert heartbeat.silence(woke) is None
    assert heartbeat.look(woke + 10.0)
    assert heartbeat.silence(woke + 10.0) is None
    assert heartbeat.deadline() == woke + 20.0
    assert heartbeat.silence(woke + 20.0) == woke + 20.0 - 5.0


def test_a_little_late_is_not_asleep() -> None:
    heartbeat = beating()
    for due in (10.0, 20.0, 30.0):
        heartbeat.look(due)
    now = 40.0 + LATE
    assert heartbeat.look(now)
    assert heartbeat.silence(now) == now


def test_where_only_the_patience_is_over_it_does_not_ask() -> None:
    heartbeat = beating(beat=20.0, patience=20.0)
    heartbeat.heard = 5.0
    for due in (10.0, 20.0, 30.0, 40.0):
        heartbeat.look(due)
    assert heartbeat.deadline() == 45.0
    assert not heartbeat.look(45.0)
    assert heartbeat.silence(45.0) == 40.0


def test_of_a_peer_that_said_goodbye_nothing_is_expected() -> None:
    heartbeat = beating()
    heartbeat.relax()
    for due in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0):
        assert heartbeat.deadline() == due
        assert heartbeat.look(due)
        assert heartbeat.silence(due) is None
