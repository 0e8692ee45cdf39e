"""ONC RPC's record marking: each message in fragments, the last of which says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mezha.errors import FramingError
from mezha.framing import oversize
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.parts import pieces

__all__ = ["OncRpc"]

_HEADER = 4
_LAST = 1 << 31
_LONGEST = _LAST - 1
_ENDLESS = "a fragment that is empty, and not the last of its record"


@dataclass(frozen=True, slots=True)
class OncRpc(Framing):
    """Each message is a record, in one fragment or in several.

    ONC RPC over TCP: RFC 5531, section 11. In front of each fragment stand 32 bits, big-endian: the highest says that
    the fragment is the last of its record, the others are its length. ``OncRpc(fragment=4)`` writes ``Hello!`` as::

        +-------------------+-----------------+-------------------+---------+
        |  00  00  00  04   |  H   e   l   l  |  80  00  00  02   |  o   !  |
        +-------------------+-----------------+-------------------+---------+
          more, length 4                         last, length 2

    The message is the record, joined; where its fragments ended means nothing, and is not told. A fragment that is
    empty and not the last is refused, as the RPC library of Linux refuses it: a record could have them without end.

    - ``fragment``: the largest fragment to write, in bytes: all that fits, if nothing is said. Write one if you can:
      servers with the library of Linux (libtirpc 1.3.3) hang up at a record in several, though they write such.

    Raises:
        ValueError: ``fragment`` is below 1, or does not fit 31 bits.

    """

    fragment: int = _LONGEST

    def __post_init__(self) -> None:
        if not 1 <= self.fragment <= _LONGEST:
            raise ValueError(f"a fragment has 1 to {_LONGEST} bytes, not {self.fragment}")

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put a header in front of each fragment of ``parts``."""
        some = list(pieces(parts, self.fragment))
        headers = (_LAST * (place == len(some)) | sum(map(len, piece)) for place, piece in enumerate(some, 1))
        return [
            part
            for header, piece in zip(headers, some, strict=True)
            for part in (header.to_bytes(_HEADER, "big"), *piece)
        ]

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int] = 0) -> Frame | Need:
        """Go from fragment to fragment; the message is whole when the last one is."""
        place, size = resume if isinstance(resume, tuple) else (0, 0)
        while len(buffer) >= (start := place + _HEADER):
            header = int.from_bytes(buffer[place:start], "big")
            length = header & _LONGEST
            if not header:
                raise FramingError(_ENDLESS)
            if size + length > limit:
                raise (oversize.announced if header & _LAST else oversize.at_least)(size + length, limit)
            end = start + length
            if len(buffer) < end:
                return Need(end, (place, size))
            if header & _LAST:
                return Frame(start, end, end) if not place else Frame(0, end, end, _joined(buffer, end))
            place, size = end, size + length
        return Need(start, (place, size))

    def past_too_large(self) -> Recover:
        """Return what goes from fragment to fragment, up to the last."""
        return _past_fragment

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read the size of the largest fragment to write, in bytes, if it is there."""
        if len(options) > 1:
            raise ValueError("its one option is the largest fragment to write, in bytes")
        return cls(*map(int, options))

    def __str__(self) -> str:
        return "oncrpc" if self.fragment == _LONGEST else f"oncrpc:{self.fragment}"


def _past_fragment(buffer: bytearray, limit: int, resume: int) -> Garbage:
    """Go on by one fragment."""
    if len(buffer) < _HEADER:
        return Garbage(0, resume=1)
    header = int.from_bytes(buffer[:_HEADER], "big")
    if not header:
        raise FramingError(_ENDLESS)
    return Garbage(_HEADER + (header & _LONGEST), resume=not header & _LAST)


def _joined(buffer: bytearray, end: int) -> bytes:
    """Return what the fragments up to ``end`` hold."""
    found: list[memoryview] = []
    place = 0
    with memoryview(buffer) as view:
        while place < end:
            start = place + _HEADER
            place = start + (int.from_bytes(view[place:start], "big") & _LONGEST)
            found.append(view[start:place])
        return b"".join(found)
