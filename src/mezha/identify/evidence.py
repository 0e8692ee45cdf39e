"""How well a framing explains a stream: in bits, by what it would not have accepted."""

import math
import random
from collections import Counter
from dataclasses import dataclass

from mezha.errors import MezhaError
from mezha.framing import Framing
from mezha.framing.frame import Frame, Need, Skip

__all__ = ["Explanation", "explain"]

#: How many messages are kept to be shown, and how many are looked at closely.
_SHOWN = 5
_WEIGHED = 8
#: Bytes of a unit that are changed one by one, at its front, at its back, and in between.
_FRONT, _BACK, _BETWEEN = 32, 16, 8
#: Other values tried for each of these bytes.
_TRIALS = 24
#: What the length of a unit costs beyond the logarithm of the mean: those of a geometric distribution.
_SPREAD = math.log2(math.e)
#: Bytes handed to ``split`` at first; twice as many each time they do not do.
_PIECE = 4096


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a framing makes of a stream."""

    form: str
    #: How many messages it found, and the first few.
    count: int
    messages: tuple[bytes, ...]
    #: Bits of evidence. A byte that could not have been another counts for a framing, by how rare it is in this stream;
    #: where messages end counts against it, by what it takes to say so. A byte that merely is frequent, as a zero or a
    #: blank, marks no messages by this reckoning: it comes out at or below 0.
    bits: float
    #: Bytes behind the last message: the beginning of another, or all from the first that is none.
    rest: int
    #: Why those are none, if they are not just unfinished.
    fault: str | None = None
    #: Other forms that say exactly the same: the bytes cannot tell them apart.
    also: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is left unexplained."""
        return not self.rest and self.count > 0


def explain(framing: Framing, data: bytes, *, limit: int) -> Explanation:
    """Cut a stream by a framing, and weigh what that says for it."""
    units: list[tuple[int, int]] = []
    messages: list[bytes] = []
    place, fault = 0, None
    while place < len(data):
        try:
            end, frame = _next(framing, data, place, limit)
        except MezhaError as error:
            fault = str(error)
            break
        if frame is not None:
            if len(messages) < _SHOWN:
                messages.append(frame.cut(bytearray(data[place : place + frame.end])))
            units.append((place, end))
        elif end == place:  # unfinished
            break
        place = end
    bits = _Scales(framing, data, limit).weigh(units)
    return Explanation(str(framing), len(units), tuple(messages), bits, len(data) - place, fault)


def _next(framing: Framing, data: bytes, place: int, limit: int) -> tuple[int, Frame | None]:
    """Return where the unit at a place ends, and the frame if it is a message; the same place if it is unfinished."""
    piece = _PIECE
    while True:
        verdict = framing.split(bytearray(data[place : place + piece]), limit)
        if isinstance(verdict, Frame):
            return place + verdict.end, verdict
        if isinstance(verdict, Skip):
            return place + verdict.end, None
        if place + piece >= len(data):
            return place, None
        piece = max(2 * piece, verdict.size)


class _Scales:
    """Weighs the units of a stream: what a framing asks of their bytes, against what these bytes are anyway."""

    def __init__(self, framing: Framing, data: bytes, limit: int) -> None:
        self._framing = framing
        self._data = data
        self._limit = limit
        counts = Counter(data)
        # As if every value had been seen once in 1024 bytes more: what is rare in few bytes need not be.
        self._share = [(counts[value] + 0.25) / (len(data) + 64) for value in range(256)]
        self._chance = random.Random(0)

    def weigh(self, units: list[tuple[int, int]]) -> float:
        """Return the bits of evidence in all units, reckoned from a few of them."""
        if not units:
            return 0.0
        some = units[:: max(len(units) // _WEIGHED, 1)][:_WEIGHED]
        asked = sum(self._asked(start, end) for start, end in some) / len(some)
        mean = sum(end - start for start, end in units) / len(units)
        return (asked - math.log2(mean) - _SPREAD) * len(units)

    def _asked(self, start: int, end: int) -> float:
        """Return what a unit that has to end where it does asks of its bytes."""
        size = end - start
        front, back = min(_FRONT, size), min(_BACK, max(size - _FRONT, 0))
        middle = range(front, size - back)
        between = middle[:: max(len(middle) // _BETWEEN, 1)]
        context = bytearray(self._data[start : end + 64])
        edges = sum(self._of(context, place, size) for place in (*range(front), *range(size - back, size)))
        if not between:
            return edges
        return edges + sum(self._of(context, place, size) for place in between) / len(between) * len(middle)

    def _of(self, context: bytearray, place: int, size: int) -> float:
        """Return what is asked of one byte: how unlikely it is that the stream has one there that would do."""
        old = context[place]
        others = self._chance.sample([value for value in range(256) if value != old], _TRIALS)
        accepted = 0
        for context[place] in others:
            accepted += _ends(self._framing, context, self._limit) == size
        share = self._share[old]
        share += (1 - share) * accepted / _TRIALS
        context[place] = old
        return -math.log2(share)


def _ends(framing: Framing, buffer: bytearray, limit: int) -> int | None:
    """Return where the message at the front of a buffer ends; ``None`` if there is none."""
    try:
        verdict = framing.split(buffer, limit)
    except MezhaError:
        return None
    return None if isinstance(verdict, Need | Skip) else verdict.end
