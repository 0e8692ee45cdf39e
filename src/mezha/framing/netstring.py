"""Netstrings: a length in decimal digits in front of each message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing.digits import leading
from mezha.framing.frame import Data, Frame, Need
from mezha.framing.optionless import Optionless

__all__ = ["Netstring"]

_COLON, _COMMA = b":,"


@dataclass(frozen=True, slots=True)
class Netstring(Optionless):
    """Each message is preceded by its length in decimal and a colon, and followed by a comma.

    D. J. Bernstein, "Netstrings" (1997), https://cr.yp.to/proto/netstrings.txt::

        +------+------+--------------------------------+------+
        |  6   |  :   |  H    e    l    l    o    !    |  ,   |
        +------+------+--------------------------------+------+

    A length has no leading zeros, but for the empty message ``0:,``.
    """

    name: ClassVar[str] = "netstring"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put ``parts`` between length and comma."""
        return (b"%d:" % sum(map(len, parts)), *parts, b",")

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the digits up to the colon; the message is whole when the comma is there."""
        head = leading(buffer, limit, _COLON, what="a netstring", begins="digits and a colon")
        if isinstance(head, Need):
            return head
        size, start = head
        stop = start + size
        if len(buffer) <= stop:
            return Need(stop + 1)
        if buffer[stop] != _COMMA:
            raise FramingError(f"a netstring of {size} bytes must end with a comma, and ends with 0x{buffer[stop]:02x}")
        return Frame(start, stop, stop + 1)
