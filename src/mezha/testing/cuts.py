"""Ways to cut a stream: what lies between the sends and the receives of any network.

A cutting is a list of pieces that joined are the stream. No piece is empty: no read returns nothing and goes on.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "around",
    "at",
    "at_random",
    "byte_by_byte",
    "everywhere",
    "glued",
    "in_three",
    "in_two",
    "pieces",
    "places_of",
    "whole",
]


def at(stream: bytes, *places: int) -> list[bytes]:
    """Cut at these places, in any order; those outside the stream, or named twice, cut nothing.

    >>> at(b"Hello!World!", 6, 7)
    [b'Hello!', b'W', b'orld!']
    """
    bounds = sorted({0, len(stream), *(place for place in places if 0 < place < len(stream))})
    return [stream[start:stop] for start, stop in itertools.pairwise(bounds)]


def places_of(cutting: Iterable[bytes]) -> list[int]:
    """Say where a stream has been cut: ``at(stream, *places_of(cutting))`` is the cutting again."""
    return list(itertools.accumulate(map(len, cutting)))[:-1]


def whole(stream: bytes) -> list[bytes]:
    """Cut nowhere: all in one read."""
    return at(stream)


def pieces(stream: bytes, size: int) -> list[bytes]:
    """Cut into pieces of one size; the last may be shorter."""
    return at(stream, *range(size, len(stream), size))


def byte_by_byte(stream: bytes) -> list[bytes]:
    """Cut everywhere at once."""
    return pieces(stream, 1)


def in_two(stream: bytes) -> Iterator[list[bytes]]:
    """Cut once, at every place."""
    for place in range(1, len(stream)):
        yield at(stream, place)


def in_three(stream: bytes) -> Iterator[list[bytes]]:
    """Cut twice, at every pair of places: there are n²/2."""
    for first in range(1, len(stream)):
        for second in range(first + 1, len(stream)):
            yield at(stream, first, second)


def around(frames: Sequence[bytes], reach: int = 1) -> Iterator[list[bytes]]:
    """Cut the stream of these frames at each boundary between them, and up to ``reach`` bytes before and behind it.

    Once each; then at all boundaries at once, shifted by as much.
    """
    stream = b"".join(frames)
    boundaries = places_of(frames)
    for boundary in boundaries:
        for shift in range(-reach, reach + 1):
            yield at(stream, boundary + shift)
    for shift in range(-reach, reach + 1):
        yield at(stream, *(boundary + shift for boundary in boundaries))


def glued(frames: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Glue neighbouring frames in every way, and cut none: what coalescing alone can do. There are 2ⁿ⁻¹ ways."""
    stream = b"".join(frames)
    boundaries = places_of(frames)
    for count in range(len(boundaries) + 1):
        for chosen in itertools.combinations(boundaries, count):
            yield at(stream, *chosen)


def at_random(stream: bytes, seed: int, count: int = 100) -> Iterator[list[bytes]]:
    """Cut at random places, now few, now many, ``count`` times. The same seed makes the same cuts."""
    chance = random.Random(seed)
    for _ in range(count):
        rate = chance.random() ** 3  # mostly few cuts
        yield at(stream, *(place for place in range(1, len(stream)) if chance.random() < rate))


def everywhere(stream: bytes, *, short: int = 14) -> Iterator[list[bytes]]:
    """Cut in all these ways; in three only a stream of at most ``short`` bytes."""
    yield whole(stream)
    yield byte_by_byte(stream)
    for size in (2, 3, 5):
        yield pieces(stream, size)
    yield from in_two(stream)
    if len(stream) <= short:
        yield from in_three(stream)
