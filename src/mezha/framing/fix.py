"""FIX: the messages in which exchanges trade, with their length and their checksum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import digits, oversize
from mezha.framing.complete import complete
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.optionless import Optionless
from mezha.framing.recover import at_mark

__all__ = ["Fix"]

_SOH = b"\x01"
_BEGIN, _LENGTH, _CHECKSUM = b"8=FIX", b"9=", b"10="
#: The fields, without the byte behind. Both are shorter wherever FIX is spoken.
_LONGEST_BEGIN, _LONGEST_LENGTH = 20, 22
#: ``10=`` and three digits and the byte behind.
_TRAILER = 7


@dataclass(frozen=True, slots=True)
class Fix(Optionless):
    r"""Each message is a FIX message in tag=value form, from its ``8=`` to the end of its ``10=``.

    FIX TagValue Encoding, "Message structure" (FIX 4.0 to 5.0 SP2, and FIXT.1.1). ``|`` stands for the byte 0x01, which
    is behind each field::

        +-------------+--------+--------------------------+----------+
        |  8=FIX.4.4| |  9=5|  |  35=0|                   |  10=163| |
        +-------------+--------+--------------------------+----------+
          BeginString   BodyLength counts this              CheckSum: the sum of all bytes before it, modulo 256

    The message is all of that, as FIX libraries make and parse it. Length and checksum are checked both ways: a message
    in which they are wrong is not sent, and on receipt it is an error. Data fields may have any bytes in them, 0x01
    too, since nothing is searched for. Leading zeros in the length are accepted. Where a garbled message is to be
    ignored, as the session layer has it, there is ``Resyncing(Fix())``.
    """

    name: ClassVar[str] = "fix"

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Check ``parts``: they are all that goes on the wire.

        Raises:
            LocalProtocolError: they are not one FIX message, with the right length and checksum.

        """
        return (complete(self.split, parts),)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the length; when so many bytes are there, check what stands around them."""
        places = _body(buffer)
        if isinstance(places, Need):
            return places
        body, trailer = places
        end = trailer + _TRAILER
        if end > limit:
            raise oversize.announced(end, limit)
        if len(buffer) < end:
            return Need(end)
        if not buffer.startswith(_SOH + _CHECKSUM, trailer - 1):
            raise FramingError(
                f"behind the {trailer - body} bytes that BodyLength (9) counts comes CheckSum (10), "
                f"and here {bytes(buffer[trailer - 1 : end])!r}"
            )
        written = bytes(buffer[trailer + len(_CHECKSUM) : end])
        checksum = sum(memoryview(buffer)[:trailer]) % 256
        if written != b"%03d\x01" % checksum:
            raise FramingError(f"CheckSum (10) is {written!r}, and the bytes before it sum up to {checksum:03}")
        return Frame(0, end, end)

    def past_too_large(self) -> Recover:
        """Return what believes the length."""
        return _past_message

    def past_garbage(self) -> Recover:
        """Return what goes on with the next ``8=FIX``, as the session layer wants it for a garbled message."""
        return at_mark(_BEGIN)


def _past_message(buffer: bytearray, limit: int, resume: int) -> Garbage:
    places = _body(buffer)
    assert not isinstance(places, Need), "a length that announces too much is whole"
    return Garbage(places[1] + _TRAILER)


def _body(buffer: bytearray) -> tuple[int, int] | Need:
    """Return where that begins which BodyLength counts, and where it ends."""
    version = _field(buffer, 0, _BEGIN, _LONGEST_BEGIN)
    if version < 0:
        return Need(len(buffer) + 1)
    start = version + 1
    behind = _field(buffer, start, _LENGTH, _LONGEST_LENGTH)
    if behind < 0:
        return Need(len(buffer) + 1)
    return behind + 1, behind + 1 + digits.length(buffer[start + len(_LENGTH) : behind], "BodyLength (9)")


def _field(buffer: bytearray, start: int, tag: bytes, longest: int) -> int:
    """Return where the byte behind a field stands, or -1 where it has not come.

    Raises:
        FramingError: it is another field, or longer.

    """
    head = bytes(buffer[start : start + len(tag)])
    if not tag.startswith(head):
        place = next(place for place, byte in enumerate(head) if byte != tag[place])
        raise FramingError(
            f"a FIX message begins with '8=FIX' and '9=', and byte {start + place} is {chr(head[place])!r} "
            f"(0x{head[place]:02x})"
        )
    end = buffer.find(_SOH, start, start + longest + 1)
    if end < 0 and len(buffer) > start + longest:
        raise FramingError(f"field {tag.decode()!r} of a FIX message has more than {longest} bytes")
    return end
