"""COBS: byte stuffing that costs one byte in 254, whatever the bytes are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import oversize
from mezha.framing.frame import Data, Frame, Need, Recover, Skip
from mezha.framing.optionless import Optionless
from mezha.framing.recover import past_mark

__all__ = ["Cobs"]

_ZERO = b"\0"
#: The code of a block with no zero behind it.
_FULL = 0xFF
_BLOCK = _FULL - 1


@dataclass(frozen=True, slots=True)
class Cobs(Optionless):
    """Each message is written without zeros, and a zero ends it.

    Consistent Overhead Byte Stuffing: S. Cheshire and M. Baker, IEEE/ACM Transactions on Networking 7(2), 1999, section
    III. The message ``11 22 00 33``::

        +------+-----------+------+------+------+
        |  03  |  11   22  |  02  |  33  |  00  |
        +------+-----------+------+------+------+
          3 bytes on,        2 bytes on,   the end
          a zero belongs     it ends

    In front of each block stands how many bytes further the next one begins; between two blocks a zero has been left
    out. A block of 254 bytes, whose code is ``ff``, has none behind it. So one byte more is written for 254, and one.

    Some write one more block, ``01``, where a message ends with a block of 254 bytes. It is read, and not written. A
    zero with nothing in front of it is no message; the empty message is ``01 00``.
    """

    name: ClassVar[str] = "cobs"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Replace the zeros in ``parts``, and put one behind."""
        return (b"".join(_blocks(b"".join(parts))), _ZERO)

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int, int] = 0) -> Frame | Need | Skip:
        """Look for the zero, go from block to block, and put the zeros back."""
        if buffer.startswith(_ZERO):
            return Skip(len(buffer) - len(buffer.lstrip(_ZERO)))
        looked, place, size = resume if isinstance(resume, tuple) else (0, 0, 0)
        stop = buffer.find(_ZERO, looked)
        end = len(buffer) if stop < 0 else stop
        while place < end:
            code = buffer[place]
            if size + code - 1 > limit:
                raise oversize.unended(limit)
            size += min(code, _BLOCK)  # with the zero behind, if another block follows
            place += code
        if stop < 0:
            return Need(end + 1, (end, place, size))
        if place > end:
            raise FramingError(
                f"a block of COBS announces {place - end} bytes more than stand in front of the zero behind it"
            )
        return Frame(0, end, end + 1, _message(buffer[:end]))

    def past_too_large(self) -> Recover:
        """Return what looks for the zero."""
        return past_mark(_ZERO)

    past_garbage = past_too_large


def _blocks(message: bytes) -> Iterator[bytes]:
    runs = message.split(_ZERO)
    for number, run in enumerate(runs, 1):
        for start in range(0, len(run), _BLOCK):
            block = run[start : start + _BLOCK]
            yield bytes((len(block) + 1,))
            yield block
        if not run or (len(run) % _BLOCK == 0 and number < len(runs)):
            yield b"\1"


def _message(blocks: bytearray) -> bytes:
    found = bytearray()
    place = 0
    while place < len(blocks):
        code = blocks[place]
        found += blocks[place + 1 : place + code]
        place += code
        if code < _FULL and place < len(blocks):
            found += _ZERO
    return bytes(found)
