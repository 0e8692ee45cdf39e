"""A line, and behind some lines a block of bytes whose size they announce: what memcached and NATS have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import oversize
from mezha.framing.complete import complete
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.optionless import Optionless
from mezha.framing.recover import past_mark

__all__ = ["LineAndBlock"]

_CARRIAGE_RETURN = 13
#: Of a line over the limit, in bytes, to know what it announces. Both protocols allow less.
_LONGEST_LINE = 8192
#: Where the search for the end of a message over the limit is: in a line, in one that announces nothing.
_IN_LINE, _TO_ITS_END = 1, 2


class LineAndBlock(Optionless):
    r"""Each message is a line, or a line and a block; ``\r\n`` ends both, and the last is not part of the message.

    A line that ends with ``\n`` alone is read as well: the programs do so, and sometimes write it.

    ::

        +----------------------+-----------+---------------------+-----------+
        |  a line, with a size |  0d   0a  |  so many bytes      |  0d   0a  |
        +----------------------+-----------+---------------------+-----------+
    """

    __slots__ = ()

    #: What the first byte of a line can be.
    first: ClassVar[bytes]

    @abstractmethod
    def block(self, line: bytes) -> int | None:
        """Return the size, in bytes, of the block that this line announces; ``None`` if it announces none.

        Raises:
            FramingError: it is no line of this protocol.

        """

    @abstractmethod
    def announces(self, line: bytes) -> bool:
        """Say whether a line that begins like this announces a block."""

    def encode(self, *parts: Data) -> Sequence[Data]:
        r"""Put ``\r\n`` behind ``parts``.

        Raises:
            LocalProtocolError: they are not one line, with the block that it announces.

        """
        return (complete(self.split, parts, b"\r\n"),)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Look for the end of the line, and count the bytes of its block."""
        if buffer[0] not in self.first:
            raise FramingError(f"no line of {self.name} begins with {chr(buffer[0])!r} (0x{buffer[0]:02x})")
        reach = limit + len(b"\r\n")
        found = buffer.find(b"\n", resume, reach)
        if found < 0 and len(buffer) >= reach:
            raise oversize.unended(limit)
        if found < 0:
            return Need(len(buffer) + 1, len(buffer))
        stop = _end_of_line(buffer, found)
        size = self.block(bytes(buffer[:stop]))
        if size is None and stop > limit:
            raise oversize.unended(limit)
        if size is None:
            return Frame(0, stop, found + 1)
        stop = found + 1 + size
        if stop > limit:
            raise oversize.announced(stop, limit)
        end = stop + len(b"\r\n")
        if len(buffer) < end:
            return Need(end, found)
        if not buffer.startswith(b"\r\n", stop):
            raise FramingError(
                f"'\\r\\n' stands behind the {size} bytes of a block, and here {bytes(buffer[stop:end])!r}"
            )
        return Frame(0, stop, end)

    def past_too_large(self) -> Recover:
        """Return what believes the line about its block, and otherwise goes on behind it."""
        return self._past_message

    def past_garbage(self) -> Recover:
        """Return what goes on behind the next line feed."""
        return past_mark(b"\n")

    def _past_message(self, buffer: bytearray, limit: int, resume: int) -> Garbage:
        found = buffer.find(b"\n", 0, _LONGEST_LINE)
        if resume == _TO_ITS_END or (found < 0 and len(buffer) >= _LONGEST_LINE):
            if resume != _TO_ITS_END and self.announces(bytes(buffer[:_LONGEST_LINE])):
                raise FramingError(f"a line of {self.name} of more than {_LONGEST_LINE} bytes, with a block behind")
            garbage = past_mark(b"\n")(buffer, limit, resume)
            return Garbage(garbage.end, _TO_ITS_END if garbage.resume else 0)
        if found < 0:
            return Garbage(0, _IN_LINE)
        size = self.block(bytes(buffer[: _end_of_line(buffer, found)]))
        return Garbage(found + 1 + (0 if size is None else size + len(b"\r\n")))


def _end_of_line(buffer: bytearray, line_feed: int) -> int:
    return line_feed - 1 if buffer[line_feed - 1] == _CARRIAGE_RETURN else line_feed
