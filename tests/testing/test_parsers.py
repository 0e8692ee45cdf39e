"""A parser that minds the cut is found out, with the smallest case; one that does not passes, whatever its form."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from mezha.framing import Lines
from mezha.testing import assert_split_invariant, cuts


class NaiveLines:
    """What everybody writes first."""

    def feed(self, data: bytes) -> list[bytes]:
        return data.split(b"\n")[:-1]


class GoodLines:
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


class OneAtATime(GoodLines):
    """It hands out one line for each call, and keeps the others to itself."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        self._lines += super().feed(data)
        return [self._lines.pop(0)] if self._lines else []


class CarriageReturn(GoodLines):
    r"""It takes the ``\r`` away only where ``\r\n`` came in one piece."""

    def feed(self, data: bytes) -> list[bytes]:
        return super().feed(data.replace(b"\r\n", b"\n"))


class Iterated(GoodLines):
    """It is fed, and then iterated over, as msgpack's Unpacker."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[bytes] = []

    def feed(self, data: bytes) -> None:  # type: ignore[override]
        self._lines += super().feed(data)

    def __iter__(self) -> Iterator[bytes]:
        while self._lines:
            yield self._lines.pop(0)


def documents() -> Callable[[bytes], list[object]]:
    """JSON in lines: a function that is fed; what is no JSON is an error."""
    lines = GoodLines()
    return lambda data: [json.loads(line) for line in lines.feed(data)]


def chunks() -> Callable[[bytes], bytes]:
    """Hand out bytes as they come: the parts mean nothing."""
    return lambda data: data


STREAM = b"one\r\ntwo\n\nthree\n"


@pytest.mark.parametrize("parser", [GoodLines, Iterated, lambda: Lines().decoder(limit=99)])
def test_who_does_not_mind_passes(parser: Callable[[], GoodLines]) -> None:
    assert_split_invariant(parser, STREAM)


@pytest.mark.parametrize(
    ("parser", "stream", "size"),
    [
        (NaiveLines, STREAM, 2),
        (OneAtATime, STREAM, 2),
        (CarriageReturn, STREAM, 3),
        (NaiveLines, b"x" * 3000 + b"\n", 2),
    ],
)
def test_who_minds_is_shown_the_smallest_case(parser: Callable[[], GoodLines], stream: bytes, size: int) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_split_invariant(parser, stream)
    text = str(caught.value)
    shown = re.search(r"stream: (b.*)\n", text)
    assert shown
    smallest = eval(shown[1])
    assert len(smallest) <= size
    assert "in 2 pieces" in text
    with pytest.raises(AssertionError):
        assert_split_invariant(parser, smallest)


def test_errors_are_part_of_what_comes_out() -> None:
    assert_split_invariant(documents, b"[1]\n{}\n")
    with pytest.raises(AssertionError, match="then JSONDecodeError"):  # glued, the good line before the bad one is lost
        assert_split_invariant(documents, b"[1]\n?\n[2]\n")


def test_a_sound_stream_is_shrunk_to_a_sound_one() -> None:
    def parser() -> Callable[[bytes], list[object]]:
        seen = 0

        def feed(data: bytes) -> list[object]:
            nonlocal seen
            seen += len(data)
            if b"!" not in data and seen < 3:
                raise ValueError("too little")
            return [len(data)]

        return feed

    with pytest.raises(AssertionError, match=r"in one piece:   \[\d+\]\n"):
        assert_split_invariant(parser, b"abcdef")


def test_the_end_can_be_fed() -> None:
    fed: list[bytes] = []
    assert_split_invariant(lambda: lambda data: fed.append(data), b"a")
    assert b"" not in fed
    assert_split_invariant(lambda: lambda data: fed.append(data), b"a", end=True)
    assert fed[-1] == b""


def test_what_may_come_in_parts_is_joined_first() -> None:
    with pytest.raises(AssertionError):
        assert_split_invariant(chunks, b"abc")
    assert_split_invariant(chunks, b"abc", normal=lambda parts: b"".join(map(bytes, parts)))  # type: ignore[arg-type]


def test_the_seed_chooses_the_random_cuts() -> None:
    seen: list[list[list[bytes]]] = []
    for seed in (1, 1, 2):
        cuttings: list[list[bytes]] = []

        def new(cuttings: list[list[bytes]] = cuttings) -> Callable[[bytes], None]:
            cuttings.append([])
            return cuttings[-1].append

        assert_split_invariant(new, bytes(range(40)), seed=seed)
        seen.append(cuttings)
    assert seen[0] == seen[1] != seen[2]
    assert all(b"".join(cutting) == bytes(range(40)) for cutting in seen[0])
    assert len(seen[0]) >= len([*cuts.everywhere(bytes(range(40)))])
