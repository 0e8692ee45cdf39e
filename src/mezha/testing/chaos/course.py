"""What to do with the bytes of one direction: a plan of faults, carried out on a stream, without I/O."""

import random
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from mezha.framing import Frame, Framing
from mezha.testing.chaos.faults import (
    Corrupt,
    CutAt,
    CutEvery,
    CutMessage,
    CutRandomly,
    Fault,
    HalfClose,
    Reset,
    Stall,
)

__all__ = ["Course", "Piece", "Point"]

#: A fault that happens at one place of the stream.
Point = Stall | HalfClose | Reset

#: The most bytes of a message that are held back until it is whole.
_LARGEST = 16 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that have to arrive by themselves, and what happens behind them."""

    data: bytes
    #: It ends in a cut, not where the bytes that are here end.
    cut: bool = False
    then: tuple[Point, ...] = ()


class _Part(NamedTuple):
    """Bytes on their way; and the frame they are, if it is known."""

    data: bytes
    frame: Frame | None = None


class Course:
    """One direction of one connection.

    Where it is cut depends on the faults, the seed, and the bytes: not on how they came.
    """

    def __init__(self, faults: Iterable[Fault], seed: object, framing: Framing | None = None) -> None:
        self._faults = tuple(faults)
        by_message = next((fault for fault in self._faults if _counts_messages(fault)), None)
        if by_message and framing is None:
            raise ValueError(f"{by_message} speaks of messages: say which framing=, as Lines()")
        self._framing = framing if by_message else None
        self._cutters = [cutter for fault in self._faults if (cutter := _places(fault, random.Random(repr(seed))))]
        self._next = [next(cutter, None) for cutter in self._cutters]
        self._points = [fault for fault in self._faults if isinstance(fault, Point)]
        self._held = bytearray()
        self._position = 0
        self._messages = 0
        #: Where it was cut: eight bytes a cut, since byte by byte there are many.
        self.places = array("Q")
        #: What else has happened, counted in bytes.
        self.happened: list[Fault] = []

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take bytes, and say in which pieces they go on. By message, a beginning is held back until it is whole."""
        for part in self._parts(data):
            yield from self._pieces(part)

    def end(self) -> Iterator[Piece]:
        """Say what is to be done with what was held back, at the end of the stream."""
        rest, self._held = bytes(self._held), bytearray()
        self._framing = None
        if rest:
            yield from self._pieces(_Part(rest))

    def start(self) -> tuple[Point, ...]:
        """Return what happens before the first byte."""
        return self._here()

    def _parts(self, data: bytes) -> Iterator[_Part]:
        self._held += data
        while self._held:
            frame = None
            if self._framing is not None:
                try:
                    verdict = self._framing.split(self._held, _LARGEST)
                except Exception:  # noqa: BLE001 - not for us to judge: whoever receives it has to
                    self._framing = None
                    continue
                if not isinstance(verdict, Frame):
                    return
                frame = verdict
            size = frame.end if frame else len(self._held)
            yield _Part(bytes(self._held[:size]), frame)
            del self._held[:size]

    def _pieces(self, part: _Part) -> Iterator[Piece]:
        begin, data = self._position, bytearray(part.data)
        end = begin + len(data)
        for fault in self._faults:
            if isinstance(fault, Corrupt) and begin <= fault.place < end:
                data[fault.place - begin] ^= fault.mask
                self.happened.append(fault)
        if part.frame:
            self._messages += 1
        inside = sorted({begin + place for place in self._inside(part)})
        while self._position < end:
            asked = {*self._cuts(end), *self._stops(end), *(place for place in inside if place > self._position)}
            stop = min(end, *asked) if asked else end
            piece = bytes(data[self._position - begin : stop - begin])
            self._position = stop
            then = self._here(whole=part.frame is not None and stop == end)
            cut = stop in asked or then != ()
            if cut:
                self.places.append(stop)
            yield Piece(piece, cut, then)

    def _inside(self, part: _Part) -> Iterator[int]:
        """Say where in a message to cut."""
        if part.frame is None:
            return
        start, stop, end = part.frame.start, part.frame.stop, part.frame.end
        header, body, trailer = max(start // 2, min(start, 1)), (start + stop) // 2, (stop + end + 1) // 2
        middles = {"header": header, "body": body, "trailer": trailer}
        for fault in self._faults:
            if isinstance(fault, CutMessage) and fault.number in (0, self._messages):
                place = fault.where if isinstance(fault.where, int) else middles[fault.where]
                if 0 < place < end:
                    yield place

    def _cuts(self, end: int) -> Iterator[int]:
        """Say where each cutter cuts next."""
        for number, cutter in enumerate(self._cutters):
            while (place := self._next[number]) is not None and place <= self._position:
                self._next[number] = next(cutter, None)
            if place is not None and place <= end:
                yield place

    def _stops(self, end: int) -> Iterator[int]:
        for fault in self._points:
            if not fault.messages and self._position < fault.after <= end:
                yield fault.after

    def _here(self, *, whole: bool = False) -> tuple[Point, ...]:
        """Return what happens at this place, each once, in the order given: up to what nothing can follow."""
        happens: list[Point] = []
        for fault in self._points[:]:
            here = self._messages == fault.after and (whole or not fault.after)
            if here if fault.messages else self._position == fault.after:
                self._points.remove(fault)
                self.happened.append(replace(fault, after=self._position, messages=False))
                happens.append(fault)
                if not (isinstance(fault, Stall) and fault.seconds is not None):
                    break
        return tuple(happens)


def _counts_messages(fault: Fault) -> bool:
    return isinstance(fault, CutMessage) or (isinstance(fault, Point) and fault.messages)


def _places(fault: Fault, chance: random.Random) -> Iterator[int] | None:
    match fault:
        case CutAt(places):
            return iter(places)
        case CutEvery(size):
            return _every(size)
        case CutRandomly(mean):
            return _randomly(mean, chance)
        case _:
            return None


def _every(size: int) -> Iterator[int]:
    place = 0
    while True:
        place += size
        yield place


def _randomly(mean: float, chance: random.Random) -> Iterator[int]:
    place = 0
    while True:
        place += 1 + int(chance.expovariate(1 / (mean - 1))) if mean > 1 else 1
        yield place
