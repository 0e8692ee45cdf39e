"""STOMP: a command, headers and a body, and a zero byte behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import digits, oversize
from mezha.framing.complete import complete
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.optionless import Optionless
from mezha.framing.recover import past_mark

__all__ = ["Stomp"]

_NUL, _LINE_FEED, _CARRIAGE_RETURN = b"\0\n\r"
#: Of a frame over the limit, in bytes, to know whether they say how long the body is.
_LONGEST_HEADERS = 8192
#: Where the search for the end of a frame over the limit is: behind the headers, or in them, so many bytes on.
_TO_NUL, _IN_HEADERS = 1, 2
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Stomp(Optionless):
    r"""Each message is a STOMP frame, without the zero byte behind it; an empty message is a heart-beat.

    STOMP 1.2, "STOMP Frames" and "Augmented BNF" (1.0 and 1.1 frame the same way)::

        +-------------+----------------------------------------+------+----------------+------+
        |  S E N D \n |  destination:/queue/a \n               |  \n  |  H e l l o !   |  00  |
        +-------------+----------------------------------------+------+----------------+------+
           command       headers, one a line                            body

    The message is the frame, since its command and headers matter. Lines end with ``\n`` or ``\r\n``. With a
    ``content-length`` among the headers (of several, the first counts) the body has so many bytes, any; without it,
    it ends at the first zero byte. What is sent is checked for just that.

    Between frames stand line ends: heart-beats ("Heart-beating"), and what some brokers write behind every frame. Each
    comes as an empty message, and ``send(b"")`` sends one. A program that does not care passes over empty messages.
    """

    name: ClassVar[str] = "stomp"

    def encode(self, *parts: Data) -> Sequence[Data]:
        r"""Put a zero byte behind ``parts``, or write a ``\n`` for nothing.

        Raises:
            LocalProtocolError: they are not one STOMP frame, of the length that its header says.

        """
        return (complete(self.split, parts, b"\0"),) if any(map(len, parts)) else (b"\n",)

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int] = 0) -> Frame | Need:
        """Look for the empty line behind the headers, and then where they say that the body ends."""
        if buffer[0] not in _LETTERS:
            return _heart_beat(buffer)
        reach = limit + 1
        if isinstance(resume, tuple):
            return _body(buffer, *resume, limit)
        found = _end_of_headers(buffer, resume, reach)
        if found < 0 and len(buffer) >= reach:
            raise oversize.unended(limit)
        if found < 0:
            return Need(len(buffer) + 1, len(buffer))
        start = found + 1
        size = _content_length(bytes(buffer[:start]))
        if size is None:
            return _body(buffer, start, limit)
        stop = start + size
        if stop > limit:
            raise oversize.announced(stop, limit)
        if len(buffer) <= stop:
            return Need(stop + 1, found)
        if buffer[stop] != _NUL:
            raise FramingError(
                f"a STOMP frame ends with a zero byte, and 0x{buffer[stop]:02x} stands behind the {size} bytes of its "
                f"content-length"
            )
        return Frame(0, stop, stop + 1)

    def past_too_large(self) -> Recover:
        """Return what believes the headers, and otherwise goes on behind the next zero byte."""
        return _past_frame

    def past_garbage(self) -> Recover:
        """Return what goes on behind the next zero byte."""
        return past_mark(b"\0")


def _past_frame(buffer: bytearray, limit: int, resume: int) -> Garbage:
    if resume != _TO_NUL:
        found = _end_of_headers(buffer, max(resume - _IN_HEADERS, 0), _LONGEST_HEADERS)
        if found < 0 and len(buffer) >= _LONGEST_HEADERS:
            raise FramingError(f"the headers of a STOMP frame over the limit have more than {_LONGEST_HEADERS} bytes")
        if found < 0:
            return Garbage(0, _IN_HEADERS + len(buffer))
        size = _content_length(bytes(buffer[: found + 1]))
        if size is not None:
            return Garbage(found + 1 + size + 1)
    garbage = past_mark(b"\0")(buffer, limit, resume)
    return Garbage(garbage.end, _TO_NUL if garbage.resume else 0)


def _end_of_headers(buffer: bytearray, place: int, reach: int) -> int:
    """Return where the empty line behind the headers ends, looking from ``place`` on, or -1 where it has not come.

    Raises:
        FramingError: the frame ends before.

    """
    while (found := buffer.find(b"\n", place, reach)) < 0 or not _is_empty_line(buffer, found):
        if buffer.find(b"\0", place, found if found >= 0 else reach) >= 0:
            raise FramingError("a STOMP frame ends inside its headers: the empty line behind them is missing")
        if found < 0:
            return -1
        place = found + 1
    return found


def _heart_beat(buffer: bytearray) -> Frame | Need:
    if buffer[0] == _LINE_FEED:
        return Frame(0, 0, 1)
    if buffer.startswith(b"\r\n"):
        return Frame(0, 0, 2)
    if buffer[0] == _CARRIAGE_RETURN and len(buffer) == 1:
        return Need(2)
    raise FramingError(
        f"a STOMP frame begins with a command, as SEND, and this with {chr(buffer[0])!r} (0x{buffer[0]:02x})"
    )


def _is_empty_line(buffer: bytearray, line_feed: int) -> bool:
    return buffer[max(line_feed - 2, 0) : line_feed].endswith((b"\n", b"\n\r"))


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return digits.length(value.rstrip(b"\r").strip(b" "), "content-length")
    return None


def _body(buffer: bytearray, place: int, limit: int) -> Frame | Need:
    found = buffer.find(b"\0", place, limit + 1)
    if found >= 0:
        return Frame(0, found, found + 1)
    if len(buffer) > limit:
        raise oversize.unended(limit)
    return Need(len(buffer) + 1, (len(buffer),))
