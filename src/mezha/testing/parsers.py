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
    error: str | None

    def __str__(self) -> str:
        return f"{self.results}{f', then {self.error}' if self.error else ''}"


def assert_split_invariant(
    parser: Callable[[], Feeding | Callable[[bytes], object]],
    data: bytes,
    *,
    end: bool = False,
    normal: Callable[[list[object]], object] | None = None,
    seed: int = 0,
) -> None:
    r"""Check that a parser makes the same of a stream, however it is cut: the same results, then the same error.

    ``parser`` makes a new parser: an object with a method ``feed``, or a function that is fed. Its results are what a
    ``feed`` returns, a list or another iterable, a single value, or None for nothing; and what iterating over the
    parser yields after it, if it can be iterated over. If yours has another form, give a small function::

        def new():
            connection = h11.Connection(h11.SERVER)
            def feed(data):
                connection.receive_data(data)
                return list(iter(connection.next_event, h11.NEED_DATA))
            return feed

    ``end`` feeds ``b""`` behind all, as a socket does at the end of its stream. ``normal`` is given all results, and
    returns what has to be the same, where a parser may hand out one thing in parts, as bodies of HTTP: join them.

    Tried are: all in one, byte by byte, pieces of 2, 3 and 5, every single place, every pair of places if the stream is
    short, and a hundred random cuttings that ``seed`` chooses. Of a failure the shortest stream is shown that still
    fails, and the fewest cuts.

    >>> class Naive:
    ...     def feed(self, data):
    ...         return data.split(b"\n")[:-1]
    >>> assert_split_invariant(Naive, b"one\ntwo\n")
    Traceback (most recent call last):
    AssertionError: what comes out depends on where the stream is cut
      stream: b'0\n'...

    Raises:
        AssertionError: it does care. The message can be pasted into a test.

    """
    trial = _Trial(parser, end, normal, seed)
    if (failing := trial.failing(data)) is None:
        return
    sound = trial.outcome([data] if data else []).error is None
    left = _PATIENCE

    def still_fails(stream: list[int]) -> bool:
        nonlocal left
        left -= 1
        if left < 0 or (sound and trial.outcome([bytes(stream)]).error):  # that would be another failure
            return False
        return trial.failing(bytes(stream)) is not None

    smallest = fewest(list(data), still_fails)
    stream = bytes(smallest)
    failing = trial.failing(stream) or failing
    places = fewest(cuts.places_of(failing), lambda some: not trial.same(stream, cuts.at(stream, *some)))
    cutting = cuts.at(stream, *places)
    raise AssertionError(
        f"what comes out depends on where the stream is cut\n"
        f"  stream: {stream!r}\n"
        f"  in one piece:   {trial.outcome([stream])}\n"
        f"  in {len(cutting)} pieces: {trial.outcome(cutting)}\n"
        f"  the pieces: {cutting!r}\n"
        f"  to repeat it: assert_split_invariant(..., {stream!r})"
    )


class _Trial(NamedTuple):
    """How to feed new parsers."""

    parser: Callable[[], Feeding | Callable[[bytes], object]]
    end: bool
    normal: Callable[[list[object]], object] | None
    seed: int

    def failing(self, stream: bytes) -> list[bytes] | None:
        """Return a cutting of which comes something else than of the whole stream."""
        expected = self._judged(cuts.whole(stream))
        for cutting in self._cuttings(stream):
            if self._judged(cutting) != expected:
                return cutting
        return None

    def same(self, stream: bytes, cutting: Iterable[bytes]) -> bool:
        """Say whether the same comes of this cutting as of the whole stream."""
        return self._judged(cutting) == self._judged(cuts.whole(stream))

    def outcome(self, cutting: Iterable[bytes]) -> _Outcome:
        """Feed a new parser with these pieces."""
        parser = self.parser()
        feed = parser.feed if isinstance(parser, Feeding) else parser
        results: list[object] = []
        try:
            for piece in (*cutting, *([b""] if self.end else ())):
                results += _listed(feed(piece))
                if isinstance(parser, Iterable):
                    results += parser
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is compared
            return _Outcome(results, repr(error))
        return _Outcome(results, None)

    def _judged(self, cutting: Iterable[bytes]) -> tuple[object, str | None]:
        results, error = self.outcome(cutting)
        return (self.normal(results) if self.normal else results), error

    def _cuttings(self, stream: bytes) -> Iterator[list[bytes]]:
        if len(stream) <= _EVERYWHERE:
            yield from cuts.everywhere(stream)
        else:
            yield from (cuts.pieces(stream, size) for size in (1, 2, 3, 5, 1000))
        yield from cuts.at_random(stream, self.seed)


def _listed(result: object) -> Iterable[object]:
    """List what one ``feed`` has returned."""
    if result is None:
        return ()
    if isinstance(result, str | bytes | bytearray | memoryview | dict):
        return (cast("bytes", result),)
    return cast("Iterable[object]", result) if isinstance(result, Iterable) else (result,)
