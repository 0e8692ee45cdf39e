"""A marker behind each message: lines, and everything else that ends with an agreed sign."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from mezha.errors import LocalProtocolError
from mezha.framing import oversize
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame, Need, Recover, Run
from mezha.framing.kernels import delimited_kernel
from mezha.framing.recover import past_mark
from mezha.limits import Timeouts

__all__ = ["Delimited", "Lines"]

#: Whoever announces a length has the message at hand; whoever ends it with a marker may be a person at a keyboard, or
#: a program that prints half a line and thinks. So an unfinished message is no fault, however old.
_NO_HURRY = Timeouts(message=None)
_CARRIAGE_RETURN = 13
_NO_ESCAPE = re.compile(r"""\\([^\\'"abfnrtvxuUN0-7]|[4-7][0-7]{2})""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Delimited(Framing):
    r"""Each message is followed by ``marker``, one byte or several, which it must not contain.

    ``Delimited(b"\0")`` puts ``Hello!`` on the wire as::

        +--------------------------------+------+
        |  H    e    l    l    o    !    |  00  |
        +--------------------------------+------+

    Nothing announces how long a message will be, so that over the limit only this much is known: more than the limit.
    No time is set for finishing a message, unless you set one: the peer may be a person who types.

    Raises:
        ValueError: an empty marker.

    """

    timeouts: ClassVar[Timeouts] = _NO_HURRY

    marker: bytes

    def __post_init__(self) -> None:
        if not self.marker:
            raise ValueError("a marker has one byte or more")
        object.__setattr__(self, "marker", bytes(memoryview(self.marker)))  # a number is no marker

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the marker behind ``parts``.

        Raises:
            LocalProtocolError: the message contains the marker, or its end would form one with the marker's beginning.

        """
        message = b"".join(parts)
        seam = message[max(len(message) - len(self.marker) + 1, 0) :]
        place = message.find(self.marker)
        if place < 0 and (at_seam := (seam + self.marker).find(self.marker)) < len(seam):
            place = len(message) - len(seam) + at_seam
        if place >= 0:
            raise LocalProtocolError(
                f"the message has the marker {self.marker!r} in it, at byte {place}, and would arrive as two: "
                f"nothing was sent"
            )
        return (message, self.marker)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Look for the marker, as far as a message within the limit could reach."""
        reach = limit + len(self.marker)
        found = buffer.find(self.marker, resume, reach)
        if found >= 0:
            return Frame(0, found, found + len(self.marker))
        if len(buffer) < reach:
            # the marker may have begun: look again from where it could have
            return Need(len(buffer) + 1, max(len(buffer) - len(self.marker) + 1, 0))
        raise oversize.unended(limit)

    def run(self) -> Run:
        """Return the kernel for this marker."""
        return delimited_kernel(self.marker, carriage_return=False, written=self.marker)

    def past_too_large(self) -> Recover:
        """Return what goes on behind the next marker."""
        return past_mark(self.marker)

    past_garbage = past_too_large

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        r"""Read the marker, with Python's escapes: ``\r\n``, ``\x00``. Everything up to the end is the marker."""
        text = ":".join(options)
        if unknown := _NO_ESCAPE.search(text.replace(r"\\", " ")):  # which Python warns of, and reads as it stands
            raise ValueError(f"{unknown[0]!r} is no escape; a backslash itself is written as two")
        return cls(text.encode("latin-1").decode("unicode_escape").encode("latin-1"))

    def __str__(self) -> str:
        return "delimited:" + self.marker.decode("latin-1").encode("unicode_escape").decode("ascii")


@dataclass(frozen=True, slots=True)
class Lines(Framing):
    r"""Each message is a line: it ends with ``\n``, or with ``\r\n``, and contains neither.

    Both endings are read, ``end`` says which is written::

        +--------------------------------+-----------+
        |  H    e    l    l    o    !    |  0d   0a  |       Lines(b"\r\n")
        +--------------------------------+-----------+

    The ending is not part of the message and does not count towards the limit. No time is set for finishing a line,
    unless you set one: the peer may be a person who types.

    Raises:
        ValueError: another ``end``.

    """

    timeouts: ClassVar[Timeouts] = _NO_HURRY

    end: bytes = b"\n"

    def __post_init__(self) -> None:
        if self.end not in (b"\n", b"\r\n"):
            raise ValueError(
                f"a line ends with b'\\n' or b'\\r\\n', not {self.end!r}; for another marker see Delimited"
            )

    def encode(self, *parts: Data) -> Sequence[Data]:
        r"""Put the ending behind ``parts``.

        Raises:
            LocalProtocolError: the message has a ``\n`` in it or a ``\r`` at its end.

        """
        message = b"".join(parts)
        if (place := message.find(b"\n")) >= 0:
            raise LocalProtocolError(
                f"the message has a line feed in it, at byte {place}, and would arrive as two: nothing was sent"
            )
        if message.endswith(b"\r"):
            raise LocalProtocolError("the message ends with a carriage return, which would be lost: nothing was sent")
        return (message, self.end)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        r"""Look for ``\n``, as far as a line within the limit could reach, and leave out a ``\r`` before it."""
        reach = limit + len(b"\r\n")
        found = buffer.find(b"\n", resume, reach)
        if found < 0 and len(buffer) < reach:
            return Need(len(buffer) + 1, len(buffer))
        stop = found - 1 if found > 0 and buffer[found - 1] == _CARRIAGE_RETURN else found
        if found < 0 or stop > limit:
            raise oversize.unended(limit)
        return Frame(0, stop, found + 1)

    def run(self) -> Run:
        """Return the kernel."""
        return delimited_kernel(b"\n", carriage_return=True, written=self.end)

    def past_too_large(self) -> Recover:
        """Return what goes on behind the next line feed."""
        return past_mark(b"\n")

    past_garbage = past_too_large

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read ``lf`` or ``crlf``, the ending to write; ``lf`` if nothing is said."""
        match options:
            case [] | ["lf"]:
                return cls()
            case ["crlf"]:
                return cls(b"\r\n")
            case _:
                raise ValueError("its one option is the ending to write, 'lf' or 'crlf'")

    def __str__(self) -> str:
        return "lines" if self.end == b"\n" else "lines:crlf"
