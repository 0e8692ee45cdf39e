"""A header with a Content-Length in front of each message, as editors speak with language servers and debuggers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import digits, oversize
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.optionless import Optionless
from mezha.framing.recover import at_mark

__all__ = ["ContentLength"]

#: The header, with its empty line, in bytes. It usually has 21 to 100.
_LONGEST_HEADER = 4096
#: What the name of a field is made of, by RFC 9110, 5.6.2.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class ContentLength(Optionless):
    r"""Each message is preceded by a header, as of HTTP, that says how long it is, and an empty line.

    The Language Server Protocol 3.17, "Base Protocol", and the Debug Adapter Protocol, "Base protocol"::

        +-----------------------------------------------+---------+--------------------------------+
        |  C o n t e n t - L e n g t h :  6   0d   0a   | 0d  0a  |  H    e    l    l    o    !    |
        +-----------------------------------------------+---------+--------------------------------+
         fields, one a line                              empty line

    The message is what stands behind the header. ``Content-Length`` is written, and nothing else; on receipt its name
    may be in any case, and other fields may stand beside it, as the ``Content-Type`` that those protocols allow and
    that says what they say anyway. They are read and forgotten. A header has 4096 bytes at most, and just one
    ``Content-Length``: of two, each side could believe another.

    This is not the framing of HTTP/1.1, where the end of a response can depend on the request (``HEAD``), on its status
    (204, 304) and on ``Transfer-Encoding``, so that no one direction of the stream says where its messages end.
    """

    name: ClassVar[str] = "content-length"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the header in front of ``parts``."""
        return (b"Content-Length: %d\r\n\r\n" % sum(map(len, parts)), *parts)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the header, line by line; the message is whole when so many bytes are there."""
        head = _head(buffer, resume)
        if isinstance(head, Need):
            return head
        start, stop = head
        if stop - start > limit:
            raise oversize.announced(stop - start, limit)
        return Frame(start, stop, stop) if len(buffer) >= stop else Need(stop, start - len(b"\r\n"))

    def past_too_large(self) -> Recover:
        """Return what believes the header."""
        return _past_message

    def past_garbage(self) -> Recover:
        """Return what goes on with the next ``Content-Length``, as most write it."""
        return at_mark(b"Content-Length:")


def _past_message(buffer: bytearray, limit: int, resume: int) -> Garbage:
    head = _head(buffer, 0)
    assert not isinstance(head, Need), "a header that announces too much is whole"
    return Garbage(head[1])


def _head(buffer: bytearray, line: int) -> tuple[int, int] | Need:
    """Return where the message begins and ends; the lines in front of ``line`` have been found right."""
    while (end := buffer.find(b"\r\n", line, _LONGEST_HEADER)) != line:
        _check_beginning(bytes(buffer[line : line + 2]))
        if end < 0:
            if len(buffer) >= _LONGEST_HEADER:
                raise FramingError(f"a header of more than {_LONGEST_HEADER} bytes")
            return Need(len(buffer) + 1, line)
        _field(bytes(buffer[line:end]))
        line = end + 2
    return line + 2, line + 2 + _length(bytes(buffer[:line]))


def _check_beginning(first: bytes) -> None:
    """Judge a line that has begun: a stranger may never end it."""
    if first not in (b"", b"\r") and not _TOKEN.match(first):
        raise FramingError(
            f"a line of a header begins with the name of a field, and this with {chr(first[0])!r} (0x{first[0]:02x})"
        )


def _field(line: bytes) -> tuple[bytes, bytes]:
    """Return the name of a field, in lower case, and its value."""
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name) or b"\n" in value:
        raise FramingError(f"a header has lines of a name, a colon and a value; this is {line[:60]!r}")
    return name.lower(), value.strip(b" \t")


def _length(header: bytes) -> int:
    fields = map(_field, header.split(b"\r\n")[:-1])
    lengths = [value for name, value in fields if name == b"content-length"]
    if len(lengths) != 1:
        raise FramingError(
            f"a header says once how long its message is, with Content-Length; this one says it {len(lengths)} times"
        )
    return digits.length(lengths[0], "Content-Length")
