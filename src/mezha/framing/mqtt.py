"""MQTT's fixed header: the kind of a packet, and how long the rest of it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import oversize
from mezha.framing.frame import Data, Frame, Need, Recover
from mezha.framing.headed import check_header
from mezha.framing.optionless import Optionless
from mezha.framing.recover import past_announced

__all__ = ["Mqtt"]

_HEADER = 5
#: What a packet can begin with: its kind in the high four bits, and flags, which only PUBLISH may choose.
_FIRST = {
    *(kind << 4 for kind in (1, 2, 4, 5, 7, 9, 11, 12, 13, 14, 15)),
    *(kind << 4 | 0b0010 for kind in (6, 8, 10)),  # PUBREL, SUBSCRIBE, UNSUBSCRIBE
    *(0x30 | flags for flags in range(16) if flags & 0b0110 != 0b0110),  # a quality of service of 3 does not exist
}


@dataclass(frozen=True, slots=True)
class Mqtt(Optionless):
    """Each message is an MQTT control packet, whole, with its fixed header.

    MQTT 3.1.1, section 2.2, and MQTT 5.0, section 2.1. A PUBLISH of ``Hello!`` to the topic ``a``::

        +-----------+-----------+-----------------+--------------------------+
        |    30     |    09     |   00   01   61  |  48  65  6c  6c  6f  21  |
        +-----------+-----------+-----------------+--------------------------+
          kind and    remaining    topic: "a"        payload: "Hello!"
          flags       length: 9

    The remaining length is written in base 128, the lowest seven bits first: a byte with the high bit set says that
    another follows. It has at most four bytes, which is 268 435 455, and as few as possible. A packet begins with one
    of the kinds and flags that MQTT knows; what does not is refused at its first byte.

    The kind stands in the header, so the header stays in the message, and is in the message to be sent as well.
    """

    name: ClassVar[str] = "mqtt"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Return ``parts``, once their header has been found to be right.

        Raises:
            LocalProtocolError: the message is not one packet, neither more nor less.

        """
        check_header(parts, _end, _HEADER, "MQTT packet")
        return parts

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the fixed header; the packet is whole when so many bytes are there."""
        end = _end(buffer)
        if isinstance(end, Need):
            return end
        if end > limit:
            raise oversize.announced(end, limit)
        return Frame(0, end, end) if len(buffer) >= end else Need(end)

    def past_too_large(self) -> Recover:
        """Return what believes the remaining length."""
        return past_announced(self)


def _end(buffer: bytearray) -> int | Need:
    """Return where the packet at the front ends."""
    if buffer[0] not in _FIRST:
        raise FramingError(f"no MQTT packet begins with {chr(buffer[0])!r} (0x{buffer[0]:02x})")
    length = 0
    for place, byte in enumerate(buffer[1:_HEADER]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if place and not byte:
                written = buffer[1 : place + 2].hex(" ")
                raise FramingError(f"a remaining length written in more bytes than it needs: {written}")
            return place + 2 + length
    if len(buffer) < _HEADER:
        return Need(len(buffer) + 1)
    raise FramingError(f"a remaining length of more than 4 bytes: {buffer[1:_HEADER].hex(' ')}")
