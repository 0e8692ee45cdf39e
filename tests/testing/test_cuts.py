"""Every way to cut is what it says, and no way loses or moves a byte."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.testing import cuts

streams = st.binary(max_size=12)
frames = st.lists(st.binary(min_size=1, max_size=4), max_size=5)


@given(streams, st.integers(0, 1000))
def test_joined_the_pieces_are_the_stream_and_none_is_empty(stream: bytes, seed: int) -> None:
    for cutting in itertools.chain(cuts.everywhere(stream), cuts.at_random(stream, seed, count=5)):
        assert b"".join(cutting) == stream
        assert all(cutting)


@given(streams, st.sets(st.integers(1, 11)))
def test_places_of_undoes_at(stream: bytes, places: set[int]) -> None:
    inside = sorted(place for place in places if place < len(stream))
    assert cuts.places_of(cuts.at(stream, *places)) == inside


def test_at_passes_over_what_is_outside_or_named_twice() -> None:
    assert cuts.at(b"abc", 2, -1, 0, 3, 9, 2) == [b"ab", b"c"]
    assert cuts.at(b"") == []


@given(streams)
def test_everywhere_has_every_place_and_every_pair(stream: bytes) -> None:
    found = {tuple(cuts.places_of(cutting)) for cutting in cuts.everywhere(stream)}
    places = range(1, len(stream))
    assert found >= {(), tuple(places), *((place,) for place in places), *itertools.combinations(places, 2)}


def test_a_long_stream_is_not_cut_in_three() -> None:
    assert sum(1 for _ in cuts.everywhere(b"x" * 100)) == 5 + 99
    assert sum(1 for _ in cuts.everywhere(b"x" * 100, short=100)) == 5 + 99 + 99 * 98 // 2


@given(frames)
def test_around_has_each_boundary_and_its_neighbours(frames: list[bytes]) -> None:
    stream = b"".join(frames)
    found = {tuple(cuts.places_of(cutting)) for cutting in cuts.around(frames)}
    for boundary in itertools.accumulate(map(len, frames[:-1])):
        for place in (boundary - 1, boundary, boundary + 1):
            assert ((place,) if 0 < place < len(stream) else ()) in found
    assert not frames or tuple(cuts.places_of(frames)) in found, "at all boundaries at once"


@given(frames)
def test_glued_cuts_at_boundaries_only_and_in_every_way(frames: list[bytes]) -> None:
    found = {tuple(cuts.places_of(cutting)) for cutting in cuts.glued(frames)}
    boundaries = set(cuts.places_of(frames))
    assert all(set(places) <= boundaries for places in found)
    assert len(found) == 2 ** len(boundaries)


def test_the_seed_alone_decides_what_is_random() -> None:
    stream = bytes(range(50))
    assert [*cuts.at_random(stream, 7)] == [*cuts.at_random(stream, 7)]
    assert [*cuts.at_random(stream, 7)] != [*cuts.at_random(stream, 8)]
    counts = [len(cutting) for cutting in cuts.at_random(stream, 7)]
    assert min(counts) < 5
    assert max(counts) > 30


@pytest.mark.parametrize(
    ("cutting", "pieces"),
    [
        (cuts.whole(b"abcde"), [b"abcde"]),
        (cuts.byte_by_byte(b"abc"), [b"a", b"b", b"c"]),
        (cuts.pieces(b"abcde", 2), [b"ab", b"cd", b"e"]),
        ([*cuts.in_two(b"abc")], [[b"a", b"bc"], [b"ab", b"c"]]),
        ([*cuts.in_three(b"abc")], [[b"a", b"b", b"c"]]),
    ],
)
def test_examples(cutting: list[object], pieces: list[object]) -> None:
    assert cutting == pieces
