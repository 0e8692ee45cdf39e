"""A length of variable width in front of each message, as Protocol Buffers write it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover, Run
from mezha.framing.kernels import varint_run
from mezha.framing.optionless import Optionless

__all__ = ["VarintPrefixed"]

_LONGEST = 2**32 - 1
_WIDEST = 5


@dataclass(frozen=True, slots=True)
class VarintPrefixed(Optionless):
    """Each message is preceded by its length in base 128, the lowest seven bits first.

    The high bit of a byte says that another follows. This is the delimited form of Protocol Buffers
    (``writeDelimitedTo``, ``serialize_length_prefixed``; protobuf.dev, "Base 128 Varints"). A message of 300 bytes::

        +---------+---------+------------------------+
        |   ac    |   02    |  300 bytes             |
        +---------+---------+------------------------+
         1 0101100 0 0000010      300 = 0000010 0101100

    Lengths are at most 32 bits, in five bytes, and written in as few bytes as possible; others are refused.
    """

    name: ClassVar[str] = "varint"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the length in front of ``parts``.

        Raises:
            LocalProtocolError: the message has 4 GiB or more.

        """
        size = sum(map(len, parts))
        if size > _LONGEST:
            raise LocalProtocolError(
                f"a message of {size} bytes does not fit a varint of 32 bits: nothing was sent",
                size=size,
                limit=_LONGEST,
            )
        header = bytearray()
        while size > 0x7F:
            header.append(size & 0x7F | 0x80)
            size >>= 7
        header.append(size)
        return (bytes(header), *parts)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the varint; the message is whole when so many bytes are there."""
        size = 0
        for place, byte in enumerate(buffer[:_WIDEST]):
            size |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                break
        else:
            if len(buffer) < _WIDEST:
                return Need(len(buffer) + 1)
            raise FramingError(f"a varint of more than {_WIDEST} bytes: {bytes(buffer[:_WIDEST]).hex(' ')}")
        start = place + 1
        if size > _LONGEST:
            raise FramingError(f"a varint of more than 32 bits: {bytes(buffer[:start]).hex(' ')}")
        if place and not byte:
            raise FramingError(f"a varint written in more bytes than it needs: {bytes(buffer[:start]).hex(' ')}")
        if size > limit:
            raise MessageTooLarge(
                f"the peer announced a message of {size} bytes; this side takes at most {limit} (max_message). "
                f"Its header is {bytes(buffer[:start]).hex(' ')}: does the peer use another framing?",
                size=size,
                limit=limit,
            )
        end = start + size
        return Frame(start, end, end) if len(buffer) >= end else Need(end)

    def run(self) -> Run:
        """Return the kernel."""
        return varint_run

    def past_too_large(self) -> Recover:
        """Return what believes the length."""
        return self._past_message

    def _past_message(self, buffer: bytearray, limit: int, resume: int) -> Garbage:
        verdict = self.split(buffer, _LONGEST)
        return Garbage(verdict.end if isinstance(verdict, Frame) else verdict.size)
