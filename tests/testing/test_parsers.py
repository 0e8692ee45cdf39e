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


class CallsBack(GoodLines):
    """It hands its lines to a function, up to the first that is bad, as parsers of HTTP do."""

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        super().__init__()
        self._on_line = on_line

    def feed(self, data: bytes) -> None:  # type: ignore[override]
        for line in super().feed(data):
            if line == b"?":
                raise ValueError("a bad line")
            self._on_line(line)


def events() -> Callable[[bytes], Iterator[bytes]]:
    """Yield lines up to the first that is bad, as a wrapped h11 does."""
    lines = GoodLines()

    def feed(data: bytes) -> Iterator[bytes]:
        for line in lines.feed(data):
            if line == b"?":
                raise ValueError("a bad line")
            yield line

    return feed


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


def test_what_callbacks_are_handed_is_collected() -> None:
    seen: list[object] = [b"from before"]
    for stream in (STREAM, b"a\n?\nb\n"):
        assert_split_invariant(lambda: CallsBack(seen.append), stream, collected=seen)
    assert b"from before" not in seen

    class Late(CallsBack):
        def feed(self, data: bytes) -> None:  # type: ignore[override]
            super().feed(data.rstrip(b"\n") if len(data) > 3 else data)

    with pytest.raises(AssertionError, match=r"(?s)in one piece:   \[\]\n.*collected=collected, seed=0\)") as caught:
        assert_split_invariant(lambda: Late(seen.append), STREAM, collected=seen)
    assert "assert_split_invariant(parser, b'" in str(caught.value)


def test_what_is_yielded_in_front_of_an_error_counts() -> None:
    def lists() -> Callable[[bytes], list[bytes]]:
        feed = events()
        return lambda data: [*feed(data)]

    assert_split_invariant(events, b"a\nb\n?\nc\n")
    with pytest.raises(AssertionError):  # in a list, it is lost with the error
        assert_split_invariant(lists, b"a\nb\n?\nc\n")


def test_the_text_of_an_error_may_depend_on_the_cut() -> None:
    def parser() -> Callable[[bytes], None]:
        def feed(data: bytes) -> None:
            if b"?" in data:
                raise ValueError(f"bad byte at {data.index(b'?')}")

        return feed

    with pytest.raises(AssertionError, match="bad byte at 0"):
        assert_split_invariant(parser, b"abc?")
    assert_split_invariant(parser, b"abc?", error=type)


def test_a_failure_is_not_shrunk_to_another() -> None:
    def parser() -> Callable[[bytes], Iterator[bytes]]:
        def feed(data: bytes) -> Iterator[bytes]:
            yield from data.split(b"\n")[:-1]
            if b"?" in data:
                raise ValueError(f"{len(data)} bytes")  # a smaller failure, and not this one

        return feed

    with pytest.raises(AssertionError) as caught:
        assert_split_invariant(parser, b"one\ntwo?")
    smallest = eval(re.search(r"stream: (b.*)\n", str(caught.value))[1])  # type: ignore[index]
    assert b"\n" in smallest
    assert b"?" in smallest


def test_what_is_shown_can_be_pasted() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_split_invariant(NaiveLines, STREAM, end=True, normal=list, error=type, seed=7)
    (line,) = re.findall("to repeat it: (.*)", str(caught.value))
    assert line.endswith(", end=True, normal=list, error=type, seed=7)")
    with pytest.raises(AssertionError) as again:
        exec(line, {"assert_split_invariant": assert_split_invariant, "NaiveLines": NaiveLines})
    assert str(again.value) == str(caught.value)


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
