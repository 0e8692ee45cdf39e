"""multiprocessing.connection: the pipes and sockets between processes of Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import oversize, strangers
from mezha.framing.frame import Data, Frame, Need
from mezha.framing.optionless import Optionless

__all__ = ["Multiprocessing"]

_LONGEST = 2**31 - 1
_EXTENDED = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Multiprocessing(Optionless):
    """Each message is preceded by its length in four bytes, or by -1 and its length in eight.

    ``Connection.send_bytes`` and ``recv_bytes`` of Python's multiprocessing.connection, on sockets, since Python 3.3;
    the module's source defines it. ``Hello!``, and a message of 2 GiB::

        +-----------------------+-------------------------------+
        |  00   00   00   06    |  48   65   6c   6c   6f   21  |
        +-----------------------+-------------------------------+
           length                  H    e    l    l    o    !

        +-----------------------+-----------------------------------------+-----------------
        |  ff   ff   ff   ff    |  00   00   00   00   80   00   00   00  |  2 GiB ...
        +-----------------------+-----------------------------------------+-----------------
           -1: more follows        length

    The long form is written from 2 GiB up, and read whatever the length is, as Python does. The length is not part of
    the message. What ``Connection.send`` sends is a pickle: never load one of a peer that you do not trust. A listener
    with an ``authkey`` opens with a challenge, in messages of this same framing.
    """

    name: ClassVar[str] = "multiprocessing"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the length in front of ``parts``."""
        size = sum(map(len, parts))
        if size <= _LONGEST:
            return (size.to_bytes(4, "big"), *parts)
        return (_EXTENDED + size.to_bytes(8, "big"), *parts)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the length; the message is whole when so many bytes are there."""
        start = 4
        if len(buffer) < start:
            return Need(start)
        size = int.from_bytes(buffer[:start], "big", signed=True)
        if size == -1:
            start = 12
            if len(buffer) < start:
                return Need(start)
            size = int.from_bytes(buffer[4:start], "big")
        elif size < 0:
            raise FramingError(
                f"a length of {size} is impossible: only -1 may be negative, and a length of 8 bytes follows it"
            )
        if size > limit:
            raise oversize.announced(size, limit, strangers.clue(bytes(buffer[:start])))
        end = start + size
        return Frame(start, end, end) if len(buffer) >= end else Need(end)
