"""HDLC-like framing: what PPP sends over serial lines, with a checksum in each frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing.base import Framing
from mezha.framing.checksums import CHECKSUMS
from mezha.framing.frame import Data, Frame, Need, Recover, Skip
from mezha.framing.recover import past_mark
from mezha.framing.stuffing import Stuffing

__all__ = ["Hdlc"]

_FLAG, _ESCAPE = b"\x7e", b"\x7d"
#: What a byte that is escaped differs in.
_BIT = 0x20
_STUFFING = Stuffing(_FLAG, _ESCAPE, bytes(byte for byte in range(256) if byte != _FLAG[0]))
_CONTROLS = 32
_CHECKSUMS: dict[int, Callable[[bytes], bytes]] = {
    16: CHECKSUMS["crc16-x25-le"],
    32: CHECKSUMS["crc32-le"],
    0: lambda message: b"",
}


@dataclass(frozen=True, slots=True)
class Hdlc(Framing):
    """Each message stands between two flags, with a checksum behind it, and is stuffed.

    The asynchronous framing of PPP, RFC 1662, section 4, which many serial protocols use without PPP. A message of four
    bytes, ``7e 00 11 7d``::

        +------+-----------+------+------+-----------+-----------+------+
        |  7e  |  7d   5e  |  00  |  11  |  7d   5d  |  ..   ..  |  7e  |
        +------+-----------+------+------+-----------+-----------+------+
          flag    7e                        7d          checksum    flag

    ``7e`` and ``7d`` are written as ``7d`` and the byte with its sixth bit turned over, and so may be any other byte.
    The flag at the end of one frame may be the one at the beginning of the next, and more of them fill pauses. A frame
    that stops with ``7d 7e`` has been given up by its sender: it is skipped.

    The message is what is between the flags, without the checksum: in PPP from the address on. A checksum that is wrong
    is an error, because TCP loses no bits: somebody has mixed two streams, or speaks of another checksum.

    - ``fcs``: the bits of the checksum, 16 or 32, as in RFC 1662, appendix C; or 0 for none. Without one there are no
      empty messages, since two flags with nothing between them are none.
    - ``accm``: which control characters to escape when writing, those below 0x20, a bit for each. This is the
      Async-Control-Character-Map that PPP negotiates, beginning with 0xffffffff. All are read, escaped or not.

    Raises:
        ValueError: ``fcs`` is another, or ``accm`` no 32 bits.

    """

    fcs: Literal[0, 16, 32] = 16
    accm: int = 0

    def __post_init__(self) -> None:
        if self.fcs not in (0, 16, 32):
            raise ValueError(f"a frame check sequence has 16 or 32 bits, or there is none (0), and not {self.fcs}")
        if not 0 <= self.accm < 1 << _CONTROLS:
            raise ValueError(f"accm has 32 bits, one for each control character, and cannot be {self.accm:#x}")

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the checksum behind ``parts``, stuff both, and put them between flags.

        Raises:
            LocalProtocolError: the message is empty, and there is no checksum.

        """
        message = b"".join(parts)
        if not message and not self.fcs:
            raise LocalProtocolError("two flags with nothing between them are no message: nothing was sent")
        stuffed = message + _CHECKSUMS[self.fcs](message)
        for byte in (*_ESCAPE, *_FLAG, *(control for control in range(_CONTROLS) if self.accm >> control & 1)):
            stuffed = stuffed.replace(bytes((byte,)), bytes((*_ESCAPE, byte ^ _BIT)))
        return (_FLAG, stuffed, _FLAG)

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int] = 0) -> Frame | Need | Skip:
        """Look for the flag, undo the stuffing, and compare the checksum."""
        if buffer.startswith(_FLAG):
            return Skip(len(buffer) - len(buffer.lstrip(_FLAG)))
        width = self.fcs // 8
        stop = _STUFFING.find(buffer, limit, resume, beside=width)
        if isinstance(stop, Need):
            return stop
        end = stop.place
        if buffer.startswith(_ESCAPE, end):
            return Skip(end + 1)
        if stop.size < width:
            raise FramingError(f"a frame of {stop.size} bytes is shorter than its checksum, of {width}")
        unstuffed = bytes(buffer[:end]) if stop.size == end else _unstuffed(buffer[:end])
        message = unstuffed[: stop.size - width]
        found, right = unstuffed[len(message) :], _CHECKSUMS[self.fcs](message)
        if found != right:
            raise FramingError(
                f"the checksum of a frame with {len(message)} bytes should be {right.hex(' ')}, and is {found.hex(' ')}"
            )
        return Frame(0, end, end + 1, message)

    def past_too_large(self) -> Recover:
        """Return what looks for the flag."""
        return past_mark(_FLAG)

    past_garbage = past_too_large

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read ``fcs=16``, 32 or 0, and ``accm=ffffffff``, in hexadecimal."""
        given = {"fcs": 16, "accm": 0}
        for option in options:
            name, _, value = option.partition("=")
            if name not in given:
                raise ValueError(f"its options are 'fcs=16', 32 or 0, and 'accm=ffffffff', not {option!r}")
            given[name] = int(value, 10 if name == "fcs" else 16)
        return cls(**given)  # type: ignore[arg-type]  # what fcs can be is checked there

    def __str__(self) -> str:
        fcs = "" if self.fcs == 16 else f":fcs={self.fcs}"
        return f"hdlc{fcs}:accm={self.accm:x}" if self.accm else f"hdlc{fcs}"


def _unstuffed(stuffed: bytearray) -> bytes:
    found = bytearray()
    place = 0
    while (escape := stuffed.find(_ESCAPE, place)) >= 0:
        found += stuffed[place:escape]
        found.append(stuffed[escape + 1] ^ _BIT)
        place = escape + 2
    found += stuffed[place:]
    return bytes(found)
