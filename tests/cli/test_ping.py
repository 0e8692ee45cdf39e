"""Tests of mezha.cli.ping: percentiles of any number of round trips, and the verb itself."""

import math

import pytest
from cli.program import Run, Start
from hypothesis import given
from hypothesis import strategies as st

from mezha.cli.ping import RoundTrips


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200), st.floats(1, 100))
def test_a_percentile_is_true_to_one_per_cent(seconds: list[float], percent: float) -> None:
    trips = RoundTrips()
    for one in seconds:
        trips.add(one)
    exact = sorted(seconds)[math.ceil(len(seconds) * percent / 100) - 1]
    assert trips.percentile(percent) == pytest.approx(exact, rel=0.01)
    assert trips.shortest <= trips.percentile(percent) <= trips.longest
    assert trips.answered == len(seconds)


def test_without_a_round_trip_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no round trips"):
        RoundTrips().percentile(50)


def test_ping(mezha: Run, start: Start) -> None:
    server = start("listen", "0")
    done = mezha("ping", server.port, "--count", "3", "--interval", "0")
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third, summary, trips = done.stdout.splitlines()
    for number, line in enumerate((first, second, third), 1):
        assert line.startswith(f"ping {number}: ")
        assert line.endswith(" ms")
    assert summary.startswith(f"127.0.0.1:{server.port}: 3 pings, 3 answered, in ")
    assert trips.startswith("round trip min/p50/p90/p99/max = ")
    quiet = mezha("ping", server.port, "--count", "2", "--interval", "0", "--quiet")
    assert len(quiet.stdout.splitlines()) == 2


def test_who_does_not_speak_the_protocol_answers_no_ping(mezha: Run, start: Start) -> None:
    server = start("echo", "0", "--framing", "lines", "--quiet")
    done = mezha("ping", server.port, "--count", "1", "--timeout", "1")
    assert done.returncode == 1
    assert "mezha ping: the peer does not speak the mezha protocol" in done.stderr


def test_send_and_listen_speak_the_protocol(mezha: Run, start: Start) -> None:
    server = start("echo", "0")
    sent = mezha("send", server.port, "--replies", "all", "Hello!", "World!")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "Hello!\nWorld!\n", "")
    assert [server.line() for _ in range(2)] == ["Hello!", "World!"]
    assert server.notice().endswith("connected")
    assert server.notice().endswith("closed, after 2 messages")
