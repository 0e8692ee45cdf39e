"""Lines: what is put on one arrives, in order, when and in the pieces that it says, up to where it breaks."""

import itertools
from collections import deque
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network import lines

from mezha.testing.line import Line, Mark, Way

Puts = list[tuple[bytes, float]]
PUTS: st.SearchStrategy[Puts] = st.lists(
    st.tuples(st.binary(max_size=60), st.sampled_from((0.0, 0.0, 0.1, 7.0))), max_size=8
)


def play(line: Line, puts: Puts, seed: str = "7", most: int = 1 << 16) -> list[tuple[float, Any]]:
    """Put bytes on a line, each so long after those before, and then the end; return what was read, and when."""
    way = Way(line, seed)
    times = itertools.accumulate(pause for _, pause in puts)
    waiting = deque(zip(times, (data for data, _ in puts), strict=True))
    left = b""
    read: list[tuple[float, Any]] = []
    now = 0.0
    while True:
        while waiting and waiting[0][0] <= now:
            left += waiting.popleft()[1]
        if left and way.room:
            data, left = left[: way.room], left[way.room :]
            way.put(data, now)
        if not (left or waiting or way.ended):
            way.end(now)
        assert way.size <= line.window
        arrival = way.pieces[0][0] if way.pieces else inf
        then = min(way.leaves, arrival, waiting[0][0] if waiting else inf)
        if then == inf:
            assert not way.size
            return read
        now = max(now, then)
        if way.leaves <= now:
            way.leave(now)
        elif arrival <= now:
            read.append((now, way.read(now, most)))


def stream_of(read: list[tuple[float, Any]]) -> bytes:
    return b"".join(item for _, item in read if not isinstance(item, Mark))


@given(lines(), PUTS, st.integers(1, 100))
def test_all_arrives_in_order_and_then_the_end(line: Line, puts: Puts, most: int) -> None:
    read = play(line, puts, most=most)
    assert stream_of(read) == b"".join(data for data, _ in puts)
    assert [item for _, item in read if isinstance(item, Mark)] == [Mark.END]
    assert read[-1][1] is Mark.END
    assert all(0 < len(item) <= most for _, item in read[:-1])
    assert [when for when, _ in read] == sorted(when for when, _ in read)


@given(lines(breaks=True), PUTS)
def test_it_breaks_at_the_byte_it_says(line: Line, puts: Puts) -> None:
    whole = b"".join(data for data, _ in puts)
    read = play(line, puts)
    if line.break_at is None or line.break_at > len(whole):
        assert (stream_of(read), read[-1][1]) == (whole, Mark.END)
    else:
        assert (stream_of(read), read[-1][1]) == (whole[: line.break_at], Mark.RESET)
    assert sum(isinstance(item, Mark) for _, item in read) == 1


@given(lines(), PUTS)
def test_the_same_seed_does_the_same(line: Line, puts: Puts) -> None:
    assert play(line, puts, "7") == play(line, puts, "7")


def test_another_seed_does_something_else() -> None:
    line = Line(latency=(0, 1))
    puts = [(bytes(60), 0.0)]
    assert len({str(play(line, puts, str(seed))) for seed in range(20)}) == 20


@given(st.integers(1, 30), PUTS)
def test_no_read_goes_beyond_a_cut_every_so_many_bytes(size: int, puts: Puts) -> None:
    place = 0
    for _, item in play(Line(cut=size), puts)[:-1]:
        assert place // size == (place + len(item) - 1) // size
        place += len(item)


@given(st.lists(st.integers(0, 200)), PUTS)
def test_no_read_goes_beyond_a_given_cut(cuts: list[int], puts: Puts) -> None:
    place = 0
    for _, item in play(Line(cut=cuts), puts)[:-1]:
        assert not [cut for cut in cuts if place < cut < place + len(item)]
        place += len(item)


def test_what_is_sent_at_once_arrives_in_the_pieces_given() -> None:
    puts = [(b"Hello!", 0.0), (b"World!", 0.0)]
    assert [item for _, item in play(Line(cut=[9, 2]), puts)] == [b"He", b"llo!Wor", b"ld!", Mark.END]
    assert [item for _, item in play(Line(cut=5), puts)] == [b"Hello", b"!Worl", b"d!", Mark.END]
    assert [item for _, item in play(Line(cut=1), puts)] == [*(bytes([sign]) for sign in b"Hello!World!"), Mark.END]
    assert [item for _, item in play(Line(cut="never"), puts)] == [b"Hello!World!", Mark.END]


def test_random_cuts_come_everywhere_and_nowhere() -> None:
    puts = [(b"abc", 0.0), (b"def", 0.0)]
    ways = {tuple(item for _, item in play(Line(), puts, str(seed))[:-1]) for seed in range(3000)}
    assert len(ways) == 2**5
    later = [(b"abc", 0.0), (b"def", 0.5)]
    glued = {tuple(item for _, item in play(Line(latency=(0, 2)), later, str(seed))[:-1]) for seed in range(3000)}
    assert {(b"abcdef",), (b"abc", b"def"), (b"a", b"bcde", b"f")} <= glued


def test_it_takes_the_time_it_says() -> None:
    one = [(b"x" * 50, 0.0)]
    assert play(Line(cut="never"), one) == [(0.0, b"x" * 50), (0.0, Mark.END)]
    assert play(Line(cut="never", latency=0.5), one) == [(0.5, b"x" * 50), (0.5, Mark.END)]
    assert play(Line(cut=25, latency=0.5, bandwidth=100), one) == [
        (0.75, b"x" * 25),
        (1.0, b"x" * 25),
        (1.0, Mark.END),
    ]
    assert play(Line(cut="never", window=20, latency=1), one) == [
        (1.0, b"x" * 20),
        (2.0, b"x" * 20),
        (3.0, b"x" * 10),
        (3.0, Mark.END),
    ]


def test_jitter_is_within_its_bounds_and_nothing_overtakes() -> None:
    puts = [(b"x", 0.0)] + [(b"x", 1.0)] * 99
    times = [when for when, _ in play(Line(cut=1, latency=(0.25, 3.0)), puts)[:-1]]
    late = [when - sent for sent, when in enumerate(times)]
    assert len(times) == 100
    assert all(0.25 <= some <= 3.0 for some in late)
    assert len(set(late)) > 50
    assert times == sorted(times)


def test_glue_holds_bytes_back_for_others() -> None:
    puts = [(b"Hel", 0.0), (b"lo!", 0.5), (b"World!", 1.0)]
    line = Line(cut="never", glue=1.0, latency=0.25)
    assert play(line, puts) == [(1.25, b"Hello!"), (1.75, b"World!"), (1.75, Mark.END)]
    assert play(replace(line, glue=2.0), puts) == [(1.75, b"Hello!World!"), (1.75, Mark.END)]


def test_what_has_not_arrived_can_be_lost() -> None:
    way = Way(Line(cut="never", latency=1.0), "7")
    for now in (0.0, 0.5):
        way.put(b"some", now)
        way.leave(now)
    way.put(b"held back", 0.9)
    way.end(0.9)
    assert way.size == 17
    way.lose(1.2, lambda arrival: arrival <= 1.2)
    assert (way.size, list(way.pieces), way.leaves) == (4, [(1.0, b"some"), (1.2, Mark.RESET)], inf)
    assert way.reset_at == 1.2
    way.put(b"nowhere", 1.3)
    way.end(1.3)
    way.reset(1.3)
    assert (way.size, len(way.pieces), way.leaves) == (4, 2, inf)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"latency": -1}, "seconds"),
        ({"latency": (2, 1)}, "seconds"),
        ({"glue": -1}, "seconds"),
        ({"bandwidth": 0}, "bandwidth"),
        ({"cut": 0}, "every 1 byte or more, not every 0"),
        ({"cut": "sometimes"}, "not 'sometimes'"),
        ({"window": 0}, "window"),
        ({"break_at": -1}, "break_at"),
    ],
)
def test_no_line_is_like_that(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Line(**options)
