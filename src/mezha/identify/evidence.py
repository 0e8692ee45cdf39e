"""How well a framing explains a stream: in bits, by what it would not have accepted."""

import math
import random
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
    #: Bits of evidence. What a framing asks of the bytes it marks messages with counts for it, 8 bits a byte that could
    #: not have been another; where it says that messages end counts against it, by what it costs to say so. Bytes that
    #: are no messages come out at or below 0.
    bits: float
    #: Bytes behind the last message: the beginning of another, or all from the first that is none.
    rest: int
    #: Why those are none, if they are not just unfinished.
    fault: str | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is left unexplained."""
        return not self.rest and self.count > 0


def explain(framing: Framing, data: bytes, *, limit: int, form: str | None = None) -> Explanation:
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
    bits = _weigh(framing, data, units, limit)
    return Explanation(form or str(framing), len(units), tuple(messages), bits, len(data) - place, fault)


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


def _weigh(framing: Framing, data: bytes, units: list[tuple[int, int]], limit: int) -> float:
    """Return the bits of evidence in all units, reckoned from a few of them."""
    if not units:
        return 0.0
    step = max(len(units) // _WEIGHED, 1)
    some = units[::step][:_WEIGHED]
    asked = sum(_constrained(framing, data, start, end, limit) for start, end in some) / len(some)
    mean = sum(end - start for start, end in units) / len(units)
    return (asked - math.log2(mean) - _SPREAD) * len(units)


def _constrained(framing: Framing, data: bytes, start: int, end: int, limit: int) -> float:
    """Return how many bits of a unit could not have been others, if it has to end where it does."""
    size = end - start
    front, back = min(_FRONT, size), min(_BACK, max(size - _FRONT, 0))
    middle = range(front, size - back)
    between = middle[:: max(len(middle) // _BETWEEN, 1)]
    chance = random.Random(0)
    context = bytearray(data[start : end + 64])

    def bits(place: int) -> float:
        old = context[place]
        others = chance.sample([value for value in range(256) if value != old], _TRIALS)
        accepted = 0
        for context[place] in others:
            accepted += _ends(framing, context, limit) == size
        context[place] = old
        return 8.0 if not accepted else -math.log2((accepted + 1) / (_TRIALS + 1))

    edges = sum(bits(place) for place in (*range(front), *range(size - back, size)))
    return edges + (sum(map(bits, between)) / len(between) * len(middle) if between else 0.0)


def _ends(framing: Framing, buffer: bytearray, limit: int) -> int | None:
    """Return where the message at the front of a buffer ends; ``None`` if there is none."""
    try:
        verdict = framing.split(buffer, limit)
    except MezhaError:
        return None
    return None if isinstance(verdict, Need | Skip) else verdict.end
