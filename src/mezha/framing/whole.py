"""Protocols in which the length stands among other fields: the message is the whole unit, its header included."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import oversize, strangers
from mezha.framing.frame import Data, Frame, Need
from mezha.framing.headed import check_header
from mezha.framing.optionless import Optionless

__all__ = ["Whole"]


class Whole(Optionless):
    r"""A framing whose messages are whole units of a protocol, with a header that says how long each is.

    ::

        0         offset                                   end
        +---------+------------+---------------------------+
        | fields  |   length   | fields, and the body      |
        +---------+------------+---------------------------+
                   \_ width _/

    The program gets a unit as it stood on the wire, and hands in one that is complete: a header that is wrong is
    refused. So is one on receipt whose length is impossible, or that has other bytes where they are ``known``. A
    protocol with another header overrides ``end``.
    """

    __slots__ = ()

    #: What a message is called there.
    unit: ClassVar[str]
    #: Bytes in front of the length, and bytes of it, big-endian.
    offset: ClassVar[int] = 0
    width: ClassVar[int]
    #: What to add to the length to get the size of the whole unit.
    adjust: ClassVar[int] = 0
    #: The smallest unit and the largest, in bytes; all sizes are multiples of ``step``.
    least: ClassVar[int]
    most: ClassVar[int]
    step: ClassVar[int] = 1
    #: Bytes in front of the length that are always the same, by their places.
    known: ClassVar[Mapping[int, int]] = {}

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Return ``parts``, once their header has been found to be right.

        Raises:
            LocalProtocolError: the message is not one unit, neither more nor less.

        """
        check_header(parts, self.end, self.offset + self.width, self.unit)
        return parts

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the header; the unit is whole when so many bytes are there."""
        end = self.end(buffer)
        if isinstance(end, Need):
            return end
        if end > limit:
            raise oversize.announced(end, limit, strangers.clue(bytes(buffer[: self.offset + self.width])))
        return Frame(0, end, end) if len(buffer) >= end else Need(end)

    def end(self, buffer: bytearray) -> int | Need:
        """Return where the unit at the front ends, or what it takes to know that: no more than the length.

        Raises:
            FramingError: these bytes cannot begin a unit.

        """
        for place, want in self.known.items():
            if place < len(buffer) and buffer[place] != want:
                raise FramingError(
                    f"byte {place} of every {self.unit} is 0x{want:02x}, and here it is "
                    f"{chr(buffer[place])!r} (0x{buffer[place]:02x})"
                )
        header = bytes(buffer[: self.offset + self.width])
        if len(header) < self.offset + self.width:
            return Need(len(buffer) + 1)
        size = int.from_bytes(header[self.offset :], "big") + self.adjust
        if not self.least <= size <= self.most or size % self.step:
            step = f", a multiple of {self.step}" * (self.step > 1)
            raise FramingError(
                f"{self.unit}s have {self.least} to {self.most} bytes{step}, and this header says {size}"
                + strangers.clue(header)
            )
        return size
