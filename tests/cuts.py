"""Ways to cut a stream: what lies between the sends and the receives of any network.

A cutting is a list of pieces that joined are the stream. No piece is empty: no read returns nothing and goes on.
"""

import itertools
from collections.abc import Iterator

__all__ = ["at", "byte_by_byte", "everywhere", "in_three", "in_two", "pieces", "whole"]


def at(stream: bytes, *places: int) -> list[bytes]:
    """Cut at these places, in any order; those outside the stream, or named twice, cut nothing."""
    bounds = sorted({0, len(stream), *(place for place in places if 0 < place < len(stream))})
    return [stream[start:stop] for start, stop in itertools.pairwise(bounds)]


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


def everywhere(stream: bytes, *, short: int = 14) -> Iterator[list[bytes]]:
    """Cut in all these ways; in three only a stream of at most ``short`` bytes."""
    yield whole(stream)
    yield byte_by_byte(stream)
    for size in (2, 3, 5):
        yield pieces(stream, size)
    yield from in_two(stream)
    if len(stream) <= short:
        yield from in_three(stream)
