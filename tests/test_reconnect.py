"""Reconnecting: how long to wait, when to give up, and what another connection can mend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, FramingError, HandshakeError
from mezha.reconnect import Attempts, Loss, Reconnect, mends, require_protocol

CHANCE = st.floats(0, 1)
POLICIES = st.builds(
    Reconnect,
    first=st.floats(0.001, 100),
    factor=st.floats(1, 1e300),
    most=st.floats(0.001, 100),
    jitter=CHANCE,
)


@given(POLICIES, st.integers(0, 10_000), CHANCE)
def test_a_wait_is_never_longer_than_the_longest_and_chance_makes_it_shorter(
    policy: Reconnect, attempt: int, chance: float
) -> None:
    longest = policy.delay(attempt, 0)
    assert 0 <= policy.delay(attempt, chance) <= longest <= policy.most
    assert policy.delay(attempt, 0) <= policy.delay(attempt + 1, 0)
    assert policy.delay(attempt, 1) == pytest.approx(longest * (1 - policy.jitter))


def test_waits_become_longer() -> None:
    policy = Reconnect(first=1, factor=2, most=10, jitter=0)
    assert [policy.delay(attempt, 0.5) for attempt in range(6)] == [1, 2, 4, 8, 10, 10]
    assert Reconnect(first=1, most=10).delay(3, 0.25) == 6


@given(st.integers(1, 20))
def test_so_many_attempts_that_fail_are_enough(attempts: int) -> None:
    counted = Attempts(Reconnect(attempts=attempts), lambda: 0)
    assert counted.lost(0, greeted=True)
    for now in range(1, attempts):
        assert counted.lost(now, greeted=False)
    assert not counted.lost(attempts, greeted=False)
    assert counted.lost(attempts, greeted=True), "a connection that was one begins the count anew"


@given(st.floats(0.1, 50), CHANCE)
def test_so_many_seconds_are_enough_and_no_wait_goes_beyond_them(within: float, chance: float) -> None:
    attempts = Attempts(Reconnect(within=within, first=1, most=20), lambda: chance)
    now = 100.0
    assert attempts.lost(now, greeted=True)
    for _ in range(1000):
        now += attempts.delay(now)
        assert now <= 100 + within + 1e-9
        if not attempts.lost(now, greeted=False):
            break
        now += 0.1  # the attempt itself
        if now >= 100 + within:
            break
    assert not attempts.lost(100 + within + 1e-9, greeted=False)


def test_a_peer_that_hangs_up_before_it_has_said_hello_is_waited_for_longer_each_time() -> None:
    attempts = Attempts(Reconnect(jitter=0, attempts=3), lambda: 0)
    assert attempts.lost(0, greeted=True)
    waits = [attempts.delay(0)]
    for _ in range(2):
        assert attempts.lost(0, greeted=False)
        waits.append(attempts.delay(0))
    assert waits == [0.5, 1, 2]
    assert not attempts.lost(0, greeted=False)


def test_time_counts_from_the_first_failure_where_no_connection_ever_was() -> None:
    attempts = Attempts(Reconnect(within=5), lambda: 0)
    assert attempts.delay(7) == 0.5
    assert attempts.lost(7, greeted=False)
    assert not attempts.lost(12, greeted=False)


@pytest.mark.parametrize(
    ("error", "mended"),
    [
        (ConnectionLost("reset"), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (ClosedByPeer("", code=1), True),
        (ClosedByPeer(""), False),
        (ClosedByPeer("", code=300), False),
        (HandshakeError("", code=6), True),
        (HandshakeError("an HTTP server"), False),
        (FramingError("a frame of kind 99"), False),
        (ClosedByUs(), False),
    ],
)
def test_what_another_connection_mends(error: Exception, mended: bool) -> None:
    assert mends(error) == mended


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": 0},
        {"first": -1},
        {"most": 0},
        {"factor": 0.5},
        {"jitter": 1.5},
        {"attempts": 0},
        {"within": -1},
        {"unknown": "drop"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Reconnect(**wrong)  # type: ignore[arg-type]


def test_a_loss_is_told_in_a_line() -> None:
    loss = Loss(ConnectionLost("reset"), 3, (b"a",), (b"b", b"c"))
    assert str(loss).startswith("reset; messages: 3 delivered, ")
    assert "which go out over the next connection" in str(loss)
    assert "nor will be" in str(Loss(ConnectionLost(), 0, (), (b"b",), final=True))


def test_it_needs_the_protocol_and_a_reason() -> None:
    require_protocol(None, None, "lines")
    require_protocol(Reconnect(), print, None)
    with pytest.raises(TypeError, match="needs the mezha protocol"):
        require_protocol(Reconnect(), None, "lines")
    with pytest.raises(TypeError, match="give reconnect=Reconnect"):
        require_protocol(None, print, None)
