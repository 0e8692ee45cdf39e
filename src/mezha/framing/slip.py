"""SLIP: what modems and microcontrollers use to send packets over a serial line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame, Need, Recover, Skip
from mezha.framing.recover import past_mark
from mezha.framing.stuffing import Stuffing

__all__ = ["Slip"]

_END, _ESC, _ESC_END, _ESC_ESC = b"\xc0", b"\xdb", b"\xdb\xdc", b"\xdb\xdd"
_STUFFING = Stuffing(_END, _ESC, b"\xdc\xdd")


@dataclass(frozen=True, slots=True)
class Slip(Framing):
    """Each message ends with a byte that is written as two where it stands inside.

    RFC 1055. The messages ``Hello!`` and ``c0 db``::

        +------------------------------+------+------------------------+------+
        |   H   e   l   l   o   !      |  c0  |  db  dc  |   db  dd    |  c0  |
        +------------------------------+------+------------------------+------+
                                         END    c0, escaped  db, escaped  END

    An end with nothing in front of it is no message: so the empty message cannot be sent, and what RFC 1055 recommends
    can be written and read, an end in front of each message as well, which flushes out the noise of a line.
    ``db`` in front of anything else is refused, where the program in RFC 1055 lets it pass.

    - ``both``: write an end in front of each message as well.
    """

    both: bool = False

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Stuff ``parts``, and put the end behind.

        Raises:
            LocalProtocolError: the message is empty.

        """
        message = b"".join(parts)
        if not message:
            raise LocalProtocolError("SLIP has no empty messages: nothing was sent")
        stuffed = message.replace(_ESC, _ESC_ESC).replace(_END, _ESC_END)
        return (_END, stuffed, _END) if self.both else (stuffed, _END)

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int] = 0) -> Frame | Need | Skip:
        """Look for the end, and undo the stuffing."""
        if buffer.startswith(_END):
            return Skip(len(buffer) - len(buffer.lstrip(_END)))
        stop = _STUFFING.find(buffer, limit, resume)
        if isinstance(stop, Need):
            return stop
        end = stop.place
        if not buffer.startswith(_END, end):
            raise FramingError(f"SLIP escapes c0 and db, as db dc and db dd, and this is db {buffer[end + 1]:02x}")
        if stop.size == end:
            return Frame(0, end, end + 1)
        message = bytes(buffer[:end]).replace(_ESC_END, _END).replace(_ESC_ESC, _ESC)
        return Frame(0, end, end + 1, message)

    def past_too_large(self) -> Recover:
        """Return what looks for the end."""
        return past_mark(_END)

    past_garbage = past_too_large

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read ``both``, if it is there."""
        if options not in ([], ["both"]):
            raise ValueError("its one option is 'both': an end in front of each message as well")
        return cls(both=bool(options))

    def __str__(self) -> str:
        return "slip:both" if self.both else "slip"
