"""Dot-stuffing: lines of text, and a lone dot behind them, as mail is sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import oversize
from mezha.framing.frame import Data, Frame, Need, Recover
from mezha.framing.optionless import Optionless
from mezha.framing.recover import past_mark

__all__ = ["DotStuffed"]

_DOT = b"."
_END = b"\r\n.\r\n"
#: Half a line end. At the end of what has come, a carriage return may yet be a whole one.
_HALF = re.compile(rb"(?<!\r)\n|\r[^\n]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DotStuffed(Optionless):
    r"""Each message is some lines of text; a line with nothing but a dot ends it, and other dots in front are doubled.

    RFC 5321 (SMTP), 4.5.2, the mail behind ``DATA``; RFC 1939 (POP3), 3, and RFC 3977 (NNTP), 3.1.1, multi-line
    responses::

        +-----------------------------------+-----------------------------------+---------------+
        |  H    e    l    l    o   0d   0a  |  .    .    h    i    d   0d   0a  |  .   0d   0a  |
        +-----------------------------------+-----------------------------------+---------------+
                                               .    h    i    d      in the message

    The message is the text, with its dots as they were, and with the ``\r\n`` that ends its last line; it may be empty.
    A ``\r`` or a ``\n`` alone is refused, both ways: where one server takes ``\n.\r\n`` for the end and the next does
    not, a mail can smuggle another one past the first (RFC 5321, 2.3.8 and 4.1.1.4, forbids it).

    These are the texts, not the commands and replies between them, which are ``Lines(b"\r\n")``.
    """

    name: ClassVar[str] = "dot-stuffed"

    def encode(self, *parts: Data) -> Sequence[Data]:
        r"""Double the dots that begin a line of ``parts``, and put the end behind.

        Raises:
            LocalProtocolError: the last line is not ended, or a ``\r`` or a ``\n`` stands alone.

        """
        message = b"".join(parts)
        if half := _HALF.search(message):
            raise LocalProtocolError(
                f"half a line end at byte {half.start()}, {half[0]!r}; a line ends with '\\r\\n': nothing was sent"
            )
        if message and not message.endswith(b"\r\n"):
            raise LocalProtocolError("the last line has to end, with '\\r\\n', as the others do: nothing was sent")
        first = _DOT if message.startswith(_DOT) else b""
        return (first, message.replace(b"\r\n.", b"\r\n.."), b".\r\n")

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Look for the line with nothing but a dot; take the others' first dots away."""
        if buffer.startswith(b".\r\n"):
            return Frame(0, 0, 3)
        reach = limit + limit // 3 + 3  # for lines of nothing but a dot, which are four bytes instead of three
        found = buffer.find(_END, resume, reach)
        known = found + len(_END) if found >= 0 else min(len(buffer), reach)
        if half := _HALF.search(buffer, resume, known):
            raise FramingError(f"half a line end, at byte {half.start()}; a line ends with '\\r\\n'")
        if found < 0 and len(buffer) >= reach:
            raise oversize.unended(limit)
        if found < 0:
            return Need(len(buffer) + 1, max(len(buffer) - len(_END) + 1, 0))
        text = bytes(buffer[: found + 2])
        message = text.removeprefix(_DOT).replace(b"\r\n.", b"\r\n")
        if len(message) > limit:
            raise MessageTooLarge(
                f"the peer sent a message of {len(message)} bytes; this side takes at most {limit} (max_message)",
                size=len(message),
                limit=limit,
            )
        return Frame(0, len(text), known, message)

    def past_too_large(self) -> Recover:
        """Return what goes on behind the line with nothing but a dot."""
        return past_mark(_END)

    past_garbage = past_too_large
