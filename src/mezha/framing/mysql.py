"""MySQL and MariaDB: the packets between a database and who asks it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing import oversize, strangers
from mezha.framing.frame import Data, Frame, Need
from mezha.framing.optionless import Optionless
from mezha.framing.parts import pieces

__all__ = ["MySql"]

_WIDTH = 3
_HEADER = _WIDTH + 1
#: A packet of this size says that its payload goes on in the next.
_FULL = 0xFFFFFF


@dataclass(frozen=True, slots=True)
class MySql(Optionless):
    r"""Each message is the number of a packet, and its payload, joined where it came in several packets.

    MySQL client/server protocol, "MySQL Packets"; MariaDB, "0-packet". The command to run ``SELECT 1``::

        +----------------+------+------+---------------------------+
        |  09   00   00  |  00  |  03  |  S  E  L  E  C  T     1   |
        +----------------+------+------+---------------------------+
         length: 9         number \____________ payload _____________/
                         \_______________ message _________________/

    The number counts the packets of one exchange, from 0: an answer goes on counting where the question stopped, so the
    number is the first byte of each message, on receipt and to be sent. The length is not part of it. A payload of
    16 MiB - 1 bytes or more goes on in packets that are numbered on, the last of which is shorter, be it empty. Their
    numbers are written and checked here, and not told: who wants to check the number of the answer to such a question
    counts one for each full packet.

    This is the plain protocol: neither inside TLS's opening nor compressed.
    """

    name: ClassVar[str] = "mysql"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the length in front of ``parts``, and cut them into packets where they are too long for one.

        Raises:
            LocalProtocolError: the message is empty, and a packet has a number at least.

        """
        size = sum(map(len, parts)) - 1
        if size < 0:
            raise LocalProtocolError("a message of MySQL begins with a number, and this one is empty: nothing was sent")
        if size < _FULL:
            return (size.to_bytes(_WIDTH, "little"), *parts)
        views = [memoryview(part) for part in parts if part]
        number, views[0] = views[0][0], views[0][1:]
        payloads = list(pieces(views, _FULL))
        if size % _FULL == 0:
            payloads.append([])
        packets: list[Data] = []
        for place, payload in enumerate(payloads, number):
            packets += [sum(map(len, payload)).to_bytes(_WIDTH, "little") + bytes([place & 0xFF]), *payload]
        return packets

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Go from packet to packet; the message is whole when one is there that is not full."""
        place = resume
        while len(buffer) >= (known := place + _WIDTH):
            length = int.from_bytes(buffer[place:known], "little")
            before = place // (_HEADER + _FULL)  # packets, all of them full
            size = 1 + before * _FULL + length
            if size > limit:
                if length == _FULL:
                    raise oversize.at_least(size, limit)
                raise oversize.announced(size, limit, strangers.clue(bytes(buffer[:_WIDTH])))
            end = known + 1 + length
            if before:
                if len(buffer) == known:
                    return Need(known + 1, place)
                number = buffer[_WIDTH] + before & 0xFF
                if buffer[known] != number:
                    raise FramingError(f"a payload goes on in a packet of number {buffer[known]}, and not of {number}")
            if len(buffer) < end:
                return Need(end, place)
            if length < _FULL:
                return Frame(0, end, end, _joined(buffer, end)) if before else Frame(_WIDTH, end, end)
            place = end
        return Need(place + _WIDTH, place)


def _joined(buffer: bytearray, end: int) -> bytes:
    """Return the number of the first packet, and what all of them hold."""
    packet = _HEADER + _FULL
    with memoryview(buffer) as view:
        return bytes(view[_WIDTH:_HEADER]) + b"".join(
            view[place + _HEADER : min(place + packet, end)] for place in range(0, end, packet)
        )
