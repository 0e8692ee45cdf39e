"""MLLP: the blocks in which hospitals send HL7 messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing import oversize
from mezha.framing.frame import Data, Frame, Need, Recover
from mezha.framing.optionless import Optionless
from mezha.framing.recover import at_mark, past_mark

__all__ = ["Mllp"]

_START, _END = b"\x0b", b"\x1c\r"


@dataclass(frozen=True, slots=True)
class Mllp(Optionless):
    r"""Each message stands between a start byte and two end bytes.

    HL7 Implementation Support Guide, appendix C, "Minimal Lower Layer Protocol"; MLLP release 2 frames the same way::

        +------+--------------------------------+-----------+
        |  0b  |  M    S    H    |   ...        |  1c   0d  |
        +------+--------------------------------+-----------+

    The message is what stands between. HL7 wants no byte below 0x20 in it but ``\r``, which ends its segments. Here
    any bytes are carried but the end itself, ``1c 0d``: a vertical tab that somebody pasted into a report, 0x0b, ends
    no message that its sender thought whole. Two bytes of release 2, ``06`` and ``15``, are messages of one byte: its
    commit acknowledgements.
    """

    name: ClassVar[str] = "mllp"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the start in front of ``parts``, and the end behind.

        Raises:
            LocalProtocolError: the message has the end of a block in it.

        """
        message = b"".join(parts)
        if (place := message.find(_END)) >= 0:
            raise LocalProtocolError(
                f"the message has the end of a block, {_END!r}, in it, at byte {place}, and would arrive as two: "
                f"nothing was sent"
            )
        return (_START, message, _END)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Look for the end, as far as a message within the limit could reach."""
        if not buffer.startswith(_START):
            raise FramingError(f"a block begins with 0x0b, and this with {chr(buffer[0])!r} (0x{buffer[0]:02x})")
        reach = 1 + limit + len(_END)
        found = buffer.find(_END, max(resume, 1), reach)
        if found >= 0:
            return Frame(1, found, found + len(_END))
        if len(buffer) >= reach:
            raise oversize.unended(limit)
        return Need(len(buffer) + 1, len(buffer) - 1)

    def past_too_large(self) -> Recover:
        """Return what goes on behind the end of the block."""
        return past_mark(_END)

    def past_garbage(self) -> Recover:
        """Return what goes on with the next start of a block."""
        return at_mark(_START)
