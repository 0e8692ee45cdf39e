"""HTTP/1.1's chunked coding: a body in pieces, for those who do not know its length when they begin."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from mezha.errors import FramingError
from mezha.framing import oversize
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.parts import pieces
from mezha.limits import Timeouts

__all__ = ["Chunked"]

_CRLF = b"\r\n"
_DIGITS = 16
_LARGEST = 16**_DIGITS - 1
_SIZE = re.compile(rb"[0-9A-Fa-f]{0,16}+")
#: What stands behind the size, and the fields behind the last chunk with the empty line: as much as is there and right.
#: RFC 9112 allows blanks in front of an extension.
_TEXT = rb"[\t -~\x80-\xff]*+"
_NAME = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_EXTENSIONS = re.compile(rb"(?:[\t ]*+;" + _TEXT + rb"(?:\r\n?+)?+|[\t ]++|\r\n?+)?+")
_TRAILERS = re.compile(
    rb"(?:" + _NAME + rb":" + _TEXT + rb"\r\n)*+(?:\r\n?+|" + _NAME + rb"(?::" + _TEXT + rb"\r?+)?+)?+"
)
_LONGEST_LINE, _LONGEST_TRAILERS = 4096, 8192
#: Lines may have so many bytes for each of the body, and so many more: extensions could make them long without end.
_PER_BYTE, _MORE = 8, 16384
#: Where the way past a body over the limit has come to: in front of a chunk, or behind one.
_IN_BODY, _BEHIND = 1, 2


@dataclass(frozen=True, slots=True)
class Chunked(Framing):
    r"""Each message is one body in HTTP/1.1's chunked transfer coding, without its marks.

    RFC 9112, section 7.1. ``Chunked(chunk=4)`` writes ``Hello!`` as::

        +------+-------+-----------------+-------+------+-------+---------+-------+-----+-------+-------+
        |   4  | 0d 0a |  H   e   l   l  | 0d 0a |   2  | 0d 0a |  o   !  | 0d 0a |  0  | 0d 0a | 0d 0a |
        +------+-------+-----------------+-------+------+-------+---------+-------+-----+-------+-------+
          size                                                                      the last chunk

    The message is the whole body, since only its end means something: on the way, anybody may join chunks and cut them
    anew. The lines of HTTP in front of it, and what follows, are not its part: read the head by other means.

    Extensions, and trailer fields behind the last chunk, are read and thrown away, as RFC 9112 tells those to do who do
    not know them; neither is written. A line has 4 KiB at most, the trailer fields 8 KiB, and all lines of a body not
    much more than the body. Whatever else bends the grammar is refused, because two programs that read it differently
    can be played off against each other: line feeds alone, signs, ``0x``, blanks behind the size, folded fields. No
    time is set for finishing a body, unless you set one.

    - ``chunk``: the largest chunk to write, in bytes; a body of up to so many is written as one.

    Raises:
        ValueError: ``chunk`` is below 1, or does not fit 16 digits.

    """

    #: Whoever writes in chunks may not know yet what comes next, so an unfinished body is no fault, however old.
    timeouts: ClassVar[Timeouts] = Timeouts(message=None)

    chunk: int = _LARGEST

    def __post_init__(self) -> None:
        if not 1 <= self.chunk <= _LARGEST:
            raise ValueError(f"a chunk has 1 byte or more, in {_DIGITS} hexadecimal digits, not {self.chunk}")

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put a line in front of each chunk of ``parts``, and the last chunk behind."""
        wire: list[Data] = []
        if any(parts):
            for piece in pieces(parts, self.chunk):
                wire += (b"%x\r\n" % sum(map(len, piece)), *piece, _CRLF)
        return [*wire, b"0\r\n\r\n"]

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int] = 0) -> Frame | Need:
        """Go from chunk to chunk; the message is whole when the empty line behind the last is there."""
        place, size = resume if isinstance(resume, tuple) else (0, 0)
        while not isinstance(line := _line(buffer, place), Need):
            length, start = line
            if not length:
                end = _end_of_trailers(buffer, start)
                if isinstance(end, Need):
                    return Need(end.size, (place, size))
                return _frame(buffer, place, end)
            if size + length > limit:
                raise oversize.at_least(size + length, limit)
            stop = start + length
            if (behind := _behind_chunk(buffer, stop)) < len(_CRLF):
                return Need(stop + behind + 1, (place, size))
            place, size = stop + behind, size + length
            if place > _PER_BYTE * size + _MORE:
                raise FramingError(f"the chunks of a body have {place} bytes, with their lines, for {size} of the body")
        return Need(line.size, (place, size))

    def past_too_large(self) -> Recover:
        """Return what goes from chunk to chunk, up to the last."""
        return _past_chunk

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read the size of the largest chunk to write, in bytes, if it is there."""
        if len(options) > 1:
            raise ValueError("its one option is the largest chunk to write, in bytes")
        return cls(*map(int, options))

    def __str__(self) -> str:
        return "chunked" if self.chunk == _LARGEST else f"chunked:{self.chunk}"


class _Line(NamedTuple):
    """What the line in front of a chunk says: how many bytes the chunk has, and where they begin."""

    length: int
    start: int


def _line(buffer: bytearray, place: int) -> _Line | Need:
    """Read the line at ``place``."""
    behind = place + _LONGEST_LINE
    digits = end = _match(_SIZE, buffer, place, behind)
    if end > place:
        end = _match(_EXTENSIONS, buffer, digits, behind + 1)
    if end > behind:
        raise FramingError(f"the line in front of a chunk has more than {_LONGEST_LINE} bytes")
    if buffer.endswith(_CRLF, digits, end):
        return _Line(int(buffer[place:digits], 16), end)
    if end == len(buffer):
        return Need(end + 1)
    if end == place + _DIGITS and digits == end and buffer[end : end + 1].isalnum():
        raise FramingError(f"the size of a chunk has more than {_DIGITS} digits")
    raise FramingError(
        f"a chunk begins with its size in hexadecimal digits and CR LF, perhaps with an extension between them; "
        f"byte {end - place} of its line is {_shown(buffer[end])}"
    )


def _behind_chunk(buffer: bytearray, stop: int) -> int:
    """Return how much of the line ending behind a chunk is there."""
    found = buffer[stop : stop + len(_CRLF)]
    for byte, expected in zip(found, _CRLF, strict=False):
        if byte != expected:
            raise FramingError(f"a chunk is followed by CR LF, and this one has {_shown(byte)} there")
    return len(found)


def _past_chunk(buffer: bytearray, limit: int, resume: int) -> Garbage:
    """Go on by one chunk, or by the line ending behind one."""
    if resume == _BEHIND:
        behind = _behind_chunk(buffer, 0)
        return Garbage(behind, _IN_BODY) if behind == len(_CRLF) else Garbage(0, _BEHIND)
    line = _line(buffer, 0)
    if isinstance(line, Need):
        return Garbage(0, _IN_BODY)
    if line.length:
        return Garbage(line.start + line.length, _BEHIND)
    end = _end_of_trailers(buffer, line.start)
    return Garbage(0, _IN_BODY) if isinstance(end, Need) else Garbage(end)


def _end_of_trailers(buffer: bytearray, start: int) -> int | Need:
    """Return where the body ends whose last chunk has been read up to ``start``."""
    end = _match(_TRAILERS, buffer, start, start + _LONGEST_TRAILERS + 1)
    if end - start > _LONGEST_TRAILERS:
        raise FramingError(f"the trailer fields of a body have more than {_LONGEST_TRAILERS} bytes")
    if buffer.endswith(_CRLF * 2, start - len(_CRLF), end):
        return end
    if end == len(buffer):
        return Need(end + 1)
    raise FramingError(
        f"behind the last chunk stand fields, as 'Name: value', and an empty line; "
        f"byte {end - start} there is {_shown(buffer[end])}"
    )


def _match(pattern: re.Pattern[bytes], buffer: bytearray, start: int, behind: int) -> int:
    """Return how far the bytes are as they should be."""
    found = pattern.match(buffer, start, behind)
    assert found, "nothing is right, too"
    return found.end()


def _frame(buffer: bytearray, last: int, end: int) -> Frame:
    """Return the body whose last chunk begins at ``last``."""
    found: list[slice] = []
    place = 0
    while place < last:
        line = _line(buffer, place)
        assert isinstance(line, _Line)
        stop = line.start + line.length
        found.append(slice(line.start, stop))
        place = stop + len(_CRLF)
    if len(found) == 1:
        return Frame(found[0].start, found[0].stop, end)
    return Frame(0, end, end, b"".join(buffer[piece] for piece in found))


def _shown(byte: int) -> str:
    return f"{chr(byte)!r} (0x{byte:02x})"
