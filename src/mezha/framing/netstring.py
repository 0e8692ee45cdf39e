"""Netstrings: a length in decimal digits in front of each message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing.digits import IN_LENGTH, leading, past
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover, Run
from mezha.framing.kernels import netstring_run
from mezha.framing.optionless import Optionless

__all__ = ["Netstring"]

_COLON, _COMMA = b":,"
#: Where the search for the end of a message over the limit has come to, behind its length.
_AT_COMMA = IN_LENGTH + 1


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

    def run(self) -> Run:
        """Return the kernel."""
        return netstring_run

    def past_too_large(self) -> Recover:
        """Return what believes the length."""
        return self._past_message

    def _past_message(self, buffer: bytearray, limit: int, resume: int) -> Garbage:
        if resume == _AT_COMMA:
            if buffer[0] != _COMMA:
                raise FramingError(f"a netstring must end with a comma, and ends with 0x{buffer[0]:02x}")
            return Garbage(1)
        return past(buffer, _COLON, what="a netstring", begins="digits and a colon", resume=_AT_COMMA)
