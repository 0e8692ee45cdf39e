"""RESP: the values that Redis and its clients exchange."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import digits, oversize
from mezha.framing.complete import complete
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.optionless import Optionless

__all__ = ["Resp"]

_CARRIAGE_RETURN = 13
#: The kinds of values: a line; a line with a length, and so many bytes; a line with a number, and so many values.
_LINES, _BLOCKS, _AGGREGATES = b"+-:_,#(", b"$!=", b"*~>%|"
_MAP, _ATTRIBUTE = b"%|"
_KINDS = _LINES + _BLOCKS + _AGGREGATES
#: What RESP2 says for nothing.
_NOTHING = (b"$-1", b"*-1")
#: Of a value over the limit, in bytes, to know what it announces: ``$``, twenty digits, and the end of the line.
_LONGEST_LENGTH = 23
#: Bytes of the smallest value, ``_\r\n``.
_SMALLEST = 3


@dataclass(frozen=True, slots=True)
class Resp(Optionless):
    r"""Each message is one value of the Redis serialization protocol: a command to Redis, or a reply.

    "Redis serialization protocol specification", RESP2 and RESP3. The command ``GET name``, an array of two::

        +------------+------------+---------------+------------+-------------------+
        |  *2 \r \n  |  $3 \r \n  |  G E T \r \n  |  $4 \r \n  |  n a m e \r \n    |
        +------------+------------+---------------+------------+-------------------+

        a line     +string  -error  :integer  _nothing  #boolean  ,double  (big number
        bytes      $bulk string  !error  =verbatim string
        values     *array  ~set  >push  %map (pairs)  |attribute (pairs, and then the value they belong to)

    The message is the whole value, with all those inside it, as clients parse it; a push is a message of its own. How
    deep values are nested makes no difference: what is still missing is counted, so that a number is all that a lying
    ``*2000000000`` takes, and it is refused as soon as so many values could not be within the limit. Inline commands
    (``PING`` in a line) and the streamed values of RESP3 (``$?``, ``*?``), which Redis never sends, are refused.
    """

    name: ClassVar[str] = "resp"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Check ``parts``: they are all that goes on the wire.

        Raises:
            LocalProtocolError: they are not one value.

        """
        return (complete(self.split, parts),)

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int, int] = 0) -> Frame | Need:
        """Go from value to value, and count how many are still missing."""
        look, place, missing = resume if isinstance(resume, tuple) else (0, 0, 1)
        while missing:
            if place == len(buffer):
                return Need(place + 1, (place, place, missing))
            _kind(buffer, place)
            room = limit - _SMALLEST * (missing - 1)
            found = buffer.find(b"\n", look, room)
            if found < 0 and len(buffer) >= room:
                raise oversize.unended(limit)
            if found < 0:
                return Need(len(buffer) + 1, (len(buffer), place, missing))
            end, more = _value(buffer, place, found)
            least = end + _SMALLEST * (missing - 1 + more)
            if least > limit and (more or missing > 1):
                raise oversize.at_least(least, limit)
            if least > limit:
                raise oversize.announced(least, limit)
            if len(buffer) < end:
                return Need(end, (found, place, missing))
            if not buffer.startswith(b"\r\n", end - 2):
                raise FramingError(
                    f"'\\r\\n' stands behind the bytes of a RESP value, and here {bytes(buffer[end - 2 : end])!r}"
                )
            place = look = end
            missing += more - 1
        return Frame(0, place, place)

    def past_too_large(self) -> Recover:
        """Return what goes from value to value, and drops each."""
        return _past_value


def _past_value(buffer: bytearray, limit: int, resume: int) -> Garbage:
    """Find the end of the next value; ``resume`` is twice the number of those missing, and one more inside a line."""
    missing, in_line = divmod(resume, 2) if resume else (1, 0)
    if in_line or _kind(buffer, 0) in _LINES:
        found = buffer.find(b"\n")
        return Garbage(found + 1, 2 * (missing - 1)) if found >= 0 else Garbage(len(buffer), 2 * missing + 1)
    found = buffer.find(b"\n", 0, _LONGEST_LENGTH)
    if found < 0 and len(buffer) >= _LONGEST_LENGTH:
        raise FramingError(f"a length of RESP in a line of more than {_LONGEST_LENGTH} bytes")
    if found < 0:
        return Garbage(0, 2 * missing)
    end, more = _value(buffer, 0, found)
    return Garbage(end, 2 * (missing - 1 + more))


def _kind(buffer: bytearray, place: int) -> int:
    if (kind := buffer[place]) not in _KINDS:
        raise FramingError(
            f"a RESP value begins with one of {_KINDS.decode()}, and byte {place} is {chr(kind)!r} (0x{kind:02x})"
        )
    return kind


def _value(buffer: bytearray, place: int, line_feed: int) -> tuple[int, int]:
    """Return where the value in this line ends, but for the values in it, and how many of those there are."""
    if buffer[line_feed - 1] != _CARRIAGE_RETURN:
        raise FramingError(f"a line of RESP ends with '\\r\\n', and byte {line_feed} is a '\\n' alone")
    kind = buffer[place]
    line = bytes(buffer[place : line_feed - 1])
    if kind in _LINES or line in _NOTHING:
        return line_feed + 1, 0
    size = digits.length(line[1:], f"the length of the RESP value that begins with {chr(kind)!r}")
    if kind in _BLOCKS:
        return line_feed + 1 + size + 2, 0
    if kind == _ATTRIBUTE:
        return line_feed + 1, 2 * size + 1
    return line_feed + 1, 2 * size if kind == _MAP else size
