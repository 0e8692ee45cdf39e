"""Syslog over TCP: a count in front of each message, or a line feed behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing.base import Framing
from mezha.framing.delimited import Lines
from mezha.framing.digits import IN_LENGTH, leading, past
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.recover import past_mark

__all__ = ["Syslog"]

_LINES = Lines()
_PRIORITY, _SPACE = b"< "
#: What the search for the end of a line over the limit passes on.
_IN_LINE = IN_LENGTH + 1


@dataclass(frozen=True, slots=True)
class Syslog(Framing):
    r"""Each message is a syslog message, in one of the two forms that collectors read on the same port.

    RFC 6587, 3.4.1, octet counting, which RFC 5425 (syslog over TLS) prescribes: the length in decimal and a space come
    in front. Nothing is forbidden in the message, and that is why ``Syslog()`` writes this form::

        +-----+------+----------------------------------------------------+
        | 13  |  20  |  <  3  4  >  s  u  :     l  o  s  t  .             |
        +-----+------+----------------------------------------------------+

    RFC 6587, 3.4.2, non-transparent framing, which many older senders write: a line feed comes behind. It is written
    by ``Syslog("lines")``, and the message must have no line feed in it::

        +----------------------------------------------------+------+
        |  <  3  4  >  s  u  :     l  o  s  t  .             |  0a  |
        +----------------------------------------------------+------+

    Both are read, message by message, whatever ``form`` says: as the RFC has it, a digit begins a count, and ``<``
    begins a line, since it begins the priority (RFC 5424, 6.2.1), which every message has. A carriage return in front
    of the line feed is left out, and so does not end a line that is written. A device that leaves the priority out
    speaks :class:`Lines`.

    The message is what a collector would store: without the count or the line feed.

    Raises:
        ValueError: another ``form``.

    """

    form: Literal["counted", "lines"] = "counted"

    def __post_init__(self) -> None:
        if self.form not in ("counted", "lines"):
            raise ValueError(f"the form to write is 'counted' or 'lines', not {self.form!r}")

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the count in front of ``parts``, or the line feed behind.

        Raises:
            LocalProtocolError: the message is empty; or, for a line, it does not begin with ``<``, has a line feed in
                it, or ends with a carriage return.

        """
        size = sum(map(len, parts))
        if not size:
            raise LocalProtocolError("a syslog message is not empty: nothing was sent")
        if self.form == "counted":
            return (b"%d " % size, *parts)
        message = b"".join(parts)
        if message[0] != _PRIORITY:
            raise LocalProtocolError(
                f"a syslog message in a line begins with its priority, '<', and byte 0 is {chr(message[0])!r} "
                f"(0x{message[0]:02x}): nothing was sent"
            )
        return _LINES.encode(message)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """See which form it is; count, or look for the line feed."""
        if buffer[0] == _PRIORITY:
            return _LINES.split(buffer, limit, resume)
        head = leading(buffer, limit, _SPACE, what="a syslog message", begins="'<', or with digits and a space")
        if isinstance(head, Need):
            return head
        size, start = head
        if not size:
            raise FramingError("the length of a syslog message is not 0")
        end = start + size
        return Frame(start, end, end) if len(buffer) >= end else Need(end)

    def past_too_large(self) -> Recover:
        """Return what believes the count, or goes on behind the next line feed."""
        return _past_message

    def past_garbage(self) -> Recover | None:
        """Return what goes on behind the next line feed, if that is what ends the messages here."""
        return past_mark(b"\n") if self.form == "lines" else None

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read ``counted`` or ``lines``, the form to write; ``counted`` if nothing is said."""
        match options:
            case [] | ["counted"]:
                return cls()
            case ["lines"]:
                return cls("lines")
            case _:
                raise ValueError("its one option is the form to write, 'counted' or 'lines'")

    def __str__(self) -> str:
        return "syslog" if self.form == "counted" else "syslog:lines"


def _past_message(buffer: bytearray, limit: int, resume: int) -> Garbage:
    if resume == _IN_LINE or (not resume and buffer[0] == _PRIORITY):
        garbage = past_mark(b"\n")(buffer, limit, resume)
        return Garbage(garbage.end, _IN_LINE if garbage.resume else 0)
    return past(buffer, _SPACE, what="a syslog message", begins="digits and a space", resume=0)
