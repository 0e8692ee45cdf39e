"""Check that a parser does not care where its stream was cut, or show the smallest case in which it does."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, cast, runtime_checkable

from mezha.testing import cuts
from mezha.testing.shrinking import fewest

__all__ = ["Feeding", "assert_split_invariant"]

#: The most bytes for which a cut is tried at every place: that takes n² steps.
_EVERYWHERE = 2000
#: How often a smaller stream is tried before the smallest so far is shown.
_PATIENCE = 3000


@runtime_checkable
class Feeding(Protocol):
    """A parser that is fed."""

    def feed(self, data: bytes, /) -> object:
        """Take bytes; return results, if it is asked for them in this way."""


class _Outcome(NamedTuple):
    """What came out of a parser: results, then the error, if any."""

    results: list[object]
    error: Exception | None

    def __str__(self) -> str:
        return f"{self.results}{f', then {self.error!r}' if self.error else ''}"


def assert_split_invariant(
    parser: Callable[[], Feeding | Callable[[bytes], object]],
    data: bytes,
    *,
    end: bool = False,
    collected: list[object] | None = None,
    normal: Callable[[list[object]], object] | None = None,
    error: Callable[[Exception], object] = repr,
    seed: int = 0,
) -> None:
    r"""Check that a parser makes the same of a stream, however it is cut: the same results, then the same error.

    ``parser`` makes a new parser: an object with a method ``feed``, or a function that is fed. Its results are what a
    ``feed`` returns, a list or another iterable, a single value, or None for nothing; and what iterating over the
    parser yields after it, if it can be iterated over. If yours has another form, give a small function. Let it yield,
    so that what comes in front of an error is not lost with it::

        def new():
            connection = h11.Connection(h11.SERVER)
            def feed(data):
                connection.receive_data(data)
                while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                    yield event
            return feed

    A parser that hands its results to callbacks puts them into a list of yours, ``collected``, which is emptied in
    front of each new parser::

        seen = []
        assert_split_invariant(lambda: Parser(on_line=seen.append), data, collected=seen)

    ``end`` feeds ``b""`` behind all, as a socket does at the end of its stream. ``normal`` is given all results, and
    returns what has to be the same, where a parser may hand out one thing in parts, as bodies of HTTP: join them.
    ``error`` does so for an error: say ``error=type`` where its text may depend on the cut.

    Tried are: all in one, byte by byte, pieces of 2, 3 and 5, every single place, every pair of places if the stream is
    short, and a hundred random cuttings that ``seed`` chooses. Of a failure the shortest stream is shown that still
    fails in the same way, and the fewest cuts.

    >>> class Naive:
    ...     def feed(self, data):
    ...         return data.split(b"\n")[:-1]
    >>> assert_split_invariant(Naive, b"one\ntwo\n")
    Traceback (most recent call last):
    AssertionError: what comes out depends on where the stream is cut
      stream: b'o\n'...

    Raises:
        AssertionError: it does care. The message can be pasted into a test.

    """
    trial = _Trial(parser, end, collected, normal, error, seed)
    if (found := trial.failing(data)) is None:
        return
    failing, way = found
    left = _PATIENCE

    def still_fails(stream: list[int]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and trial.failing(bytes(stream), way) is not None

    shortest = fewest(list(data), still_fails)
    stream = bytes(shortest)
    failing, _ = trial.failing(stream, way) or found
    all_places = cuts.places_of(failing)
    places = fewest(all_places, lambda some: trial.difference(stream, cuts.at(stream, *some)) == way)
    cutting = cuts.at(stream, *places)
    options = [
        *(["end=True"] if end else []),
        *(["collected=collected"] if collected is not None else []),
        *([f"normal={_named(normal, 'normal')}"] if normal else []),
        *([f"error={_named(error, 'error')}"] if error is not repr else []),
        f"seed={seed}",
    ]
    raise AssertionError(
        f"what comes out depends on where the stream is cut\n"
        f"  stream: {stream!r}\n"
        f"  in one piece:   {trial.outcome(cuts.whole(stream))}\n"
        f"  in {len(cutting)} pieces: {trial.outcome(cutting)}\n"
        f"  the pieces: {cutting!r}\n"
        f"  to repeat it: assert_split_invariant({', '.join((_named(parser, 'parser'), repr(stream), *options))})"
    )


class _Way(NamedTuple):
    """In which way a cutting fails, so that shrinking does not end with another failure."""

    #: The results are others, and not the error alone.
    results: bool
    #: The stream in one piece makes no error.
    sound: bool


class _Trial(NamedTuple):
    """How to feed new parsers."""

    parser: Callable[[], Feeding | Callable[[bytes], object]]
    end: bool
    collected: list[object] | None
    normal: Callable[[list[object]], object] | None
    error: Callable[[Exception], object]
    seed: int

    def failing(self, stream: bytes, way: _Way | None = None) -> tuple[list[bytes], _Way] | None:
        """Find a cutting of which comes something else than of the whole stream; in this way, if one is given."""
        expected = self._judged(cuts.whole(stream))
        for cutting in self._cuttings(stream):
            found = self._compared(expected, cutting)
            if found and way in (None, found):
                return cutting, found
        return None

    def difference(self, stream: bytes, cutting: Iterable[bytes]) -> _Way | None:
        """Say in which way something else comes of this cutting than of the whole stream."""
        return self._compared(self._judged(cuts.whole(stream)), cutting)

    def outcome(self, cutting: Iterable[bytes]) -> _Outcome:
        """Feed a new parser with these pieces."""
        if self.collected is not None:
            self.collected.clear()
        parser = self.parser()
        feed = parser.feed if isinstance(parser, Feeding) else parser
        results: list[object] = []
        fault: Exception | None = None
        try:
            for piece in (*cutting, *([b""] if self.end else ())):
                results += _listed(feed(piece))
                if isinstance(parser, Iterable):
                    results += parser
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is compared
            fault = error
        return _Outcome([*results, *(self.collected or ())], fault)

    def _compared(self, expected: tuple[object, object], cutting: Iterable[bytes]) -> _Way | None:
        found = self._judged(cutting)
        return None if found == expected else _Way(results=found[0] != expected[0], sound=expected[1] is None)

    def _judged(self, cutting: Iterable[bytes]) -> tuple[object, object]:
        results, fault = self.outcome(cutting)
        return self.normal(results) if self.normal else results, fault and (self.error(fault),)

    def _cuttings(self, stream: bytes) -> Iterator[list[bytes]]:
        if len(stream) <= _EVERYWHERE:
            yield from cuts.everywhere(stream)
        else:
            yield from (cuts.pieces(stream, size) for size in (1, 2, 3, 5, 1000))
        yield from cuts.at_random(stream, self.seed)


def _named(value: object, otherwise: str) -> str:
    """Name a function or a class as a test would; what has no such name is called ``otherwise``."""
    name = str(getattr(value, "__qualname__", "<"))
    return otherwise if "<" in name else name


def _listed(result: object) -> Iterable[object]:
    """List what one ``feed`` has returned."""
    if result is None:
        return ()
    if isinstance(result, str | bytes | bytearray | memoryview | dict):
        return (cast("bytes", result),)
    return cast("Iterable[object]", result) if isinstance(result, Iterable) else (result,)
