"""A length in front of each message: the framing of most binary protocols."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover, Run
from mezha.framing.kernels import length_kernel
from mezha.framing.recover import at_mark
from mezha.framing.strangers import clue
from mezha.framing.unsigned import packer, unpacker

__all__ = ["LengthPrefixed"]


@dataclass(frozen=True, slots=True)
class LengthPrefixed(Framing):
    r"""Each message is preceded by its length, an unsigned integer of ``width`` bytes (1, 2, 3, 4 or 8).

    ``LengthPrefixed(2)`` puts ``Hello!`` on the wire as::

        +-----------+-------------------------------+
        |  00   06  |  48   65   6c   6c   6f   21  |
        +-----------+-------------------------------+
           length       H    e    l    l    o    !

    In many protocols more stands around the length. The general frame, as Netty's ``LengthFieldBasedFrameDecoder``
    knows it, is described by three more numbers::

        0                  offset          head                                end
        +------------------+---------------+-----------------------------------+
        | header, part one |    length     | header, part two, and the body    |
        +------------------+---------------+-----------------------------------+
                            \___ width ___/ \___ length + adjust bytes _______/
        \_______ strip bytes: not part of the message _______/

    - ``offset``: bytes in front of the length field.
    - ``adjust``: what to add to the length's value to get the bytes behind the field. 0 where it counts just those;
      ``-width`` where it counts itself as well; ``-(offset + width)`` where it counts the whole frame; positive where
      it leaves a second part of the header out.
    - ``strip``: how many bytes of the frame are not part of the message. All up to the end of the length field, if
      nothing is said; 0 keeps the header in the message, and ``encode`` then wants it there, with the right length.
    - ``fixed``: what the stripped bytes are, apart from the length. Netty throws them away; here they must be known,
      so that ``encode`` can write them. On receipt they must be the same.

    The limit counts the message, with the part of the header that is kept in it.

    Raises:
        ValueError: the numbers describe a frame that could not be read back, or no frame at all.

    """

    width: int = 4
    byteorder: Literal["big", "little"] = "big"
    offset: int = field(default=0, kw_only=True)
    adjust: int = field(default=0, kw_only=True)
    strip: int = field(default=-1, kw_only=True)
    fixed: bytes = field(default=b"", kw_only=True)
    _layout: "_Layout" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.width not in (1, 2, 3, 4, 8):
            raise ValueError(f"a length can be 1, 2, 3, 4 or 8 bytes wide, not {self.width}")
        if self.byteorder not in ("big", "little"):
            raise ValueError(f"byteorder is 'big' or 'little', not {self.byteorder!r}")
        if self.offset < 0:
            raise ValueError(f"offset counts the bytes in front of the length, and cannot be {self.offset}")
        head = self.offset + self.width
        if self.strip == -1:
            object.__setattr__(self, "strip", head)
        if self.strip < 0:
            raise ValueError(f"strip counts bytes, and cannot be {self.strip}")
        if self.offset < self.strip < head:
            raise ValueError(
                f"strip={self.strip} would cut the length field in two: it stands at {self.offset}..{head}"
            )
        object.__setattr__(self, "fixed", bytes(self.fixed))
        unknown = self.strip if self.strip <= self.offset else self.strip - self.width
        if len(self.fixed) != unknown:
            raise ValueError(
                f"{unknown} bytes beside the length are stripped, so encode() must know them: "
                f"give fixed= those {unknown} bytes (not {len(self.fixed)}), or keep them with a smaller strip="
            )
        before, after = self.fixed[: self.offset], self.fixed[self.offset :]
        numbers = (self.width, self.byteorder, self.offset, self.adjust, self.strip)
        if 256**self.width - 1 + self.adjust < len(after):
            raise ValueError(f"with adjust={self.adjust} a length of {self.width} bytes describes no frame at all")
        object.__setattr__(self, "_layout", _Layout(*numbers, before, after))

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the length, and what is ``fixed``, in front of ``parts``; with a header that is kept, check its length.

        Raises:
            LocalProtocolError: the length does not fit its field, or the header in the message contradicts it.

        """
        layout = self._layout
        size = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
        value = size + layout.counted
        if layout.kept:
            return self._with_own_header(parts, size, value)
        if not 0 <= value <= layout.longest:
            raise self._unfit(size, value)
        return (layout.before + layout.pack(value) + layout.after, *parts)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the length; the message is whole when so many bytes are there."""
        layout = self._layout
        head = layout.head
        _check_fixed(layout.before, buffer, 0)
        if len(buffer) < head:
            # a wrong byte is an answer, too, and shows as soon as it is there
            return Need(head if len(buffer) >= len(layout.before) else len(buffer) + 1)
        value = layout.unpack(buffer, self.offset)[0]
        end = head + value + self.adjust
        if end < head + len(layout.after):
            raise FramingError(
                f"a length of {value} is impossible here: it would leave {end - head} bytes behind the length field, "
                f"and there are at least {len(layout.after)}" + self._whose(value, bytes(buffer[:head]), limit)
            )
        size = end - self.strip
        if size > limit:
            raise MessageTooLarge(
                f"the peer announced a message of {size} bytes; this side takes at most {limit} (max_message)"
                + self._whose(value, bytes(buffer[:head]), limit),
                size=size,
                limit=limit,
            )
        _check_fixed(layout.after, buffer, head)
        if len(buffer) >= end:
            return Frame(self.strip, end, end)
        return Need(end if len(buffer) >= head + len(layout.after) else len(buffer) + 1)

    def run(self) -> Run:
        """Return the kernel for these parameters."""
        return self._layout.run

    def past_too_large(self) -> Recover:
        """Return what believes the length."""
        return self._past_frame

    def past_garbage(self) -> Recover | None:
        """Return what looks for that which is ``fixed`` in front of the length, if there is such a thing."""
        return at_mark(self._layout.before) if self._layout.before else None

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read ``[WIDTH[:big|little]][:offset=N][:adjust=N][:strip=N][:fixed=HEX]``."""
        width, byteorder = 4, "big"
        named: dict[str, int] = {}
        fixed = b""
        for place, word in enumerate(options):
            key, equals, value = word.partition("=")
            if key == "fixed" and equals:
                fixed = bytes.fromhex(value)
            elif key in ("offset", "adjust", "strip") and equals:
                named[key] = int(value)
            elif place == 0 and word.isdecimal():
                width = int(word)
            elif place == 1 and word in ("big", "little"):
                byteorder = word
            else:
                raise ValueError(f"{word!r} is not understood there")
        return cls(width, "big" if byteorder == "big" else "little", fixed=fixed, **named)

    def __str__(self) -> str:
        words = ["length", str(self.width), self.byteorder]
        default_strip = self.offset + self.width
        for name, value, default in (
            ("offset", self.offset, 0),
            ("adjust", self.adjust, 0),
            ("strip", self.strip, default_strip),
            ("fixed", self.fixed.hex(), ""),
        ):
            if value != default:
                words.append(f"{name}={value}")
        return ":".join(words)

    def _past_frame(self, buffer: bytearray, limit: int, resume: int) -> Garbage:
        return Garbage(self._layout.head + self._layout.unpack(buffer, self.offset)[0] + self.adjust)

    def _with_own_header(self, parts: Sequence[Data], size: int, value: int) -> Sequence[Data]:
        """Check a message that brings its own length field."""
        layout = self._layout
        kept = layout.kept
        if size < kept:
            raise LocalProtocolError(
                f"the message has {size} bytes, and {kept} bytes of header belong to it: nothing was sent"
            )
        if not 0 <= value <= layout.longest:
            raise self._unfit(size, value)
        header = bytearray()
        for part in parts:
            header += part[: kept - len(header)]
        found = layout.unpack(header, self.offset - self.strip)[0]
        if found != value:
            raise LocalProtocolError(
                f"the header in the message says a length of {found}, and {value} would be right: nothing was sent"
            )
        return (layout.before, *parts) if layout.before else parts

    def _unfit(self, size: int, value: int) -> LocalProtocolError:
        layout = self._layout
        largest = layout.longest + self.adjust + layout.head - self.strip
        if value < 0:
            return LocalProtocolError(
                f"a message of {size} bytes is shorter than the {self.adjust} that {self} adds: nothing was sent",
                size=size,
            )
        return LocalProtocolError(
            f"a message of {size} bytes does not fit a length field of {self.width} bytes, "
            f"which ends at {largest}: nothing was sent",
            size=size,
            limit=largest,
        )

    def _whose(self, value: int, header: bytes, limit: int) -> str:
        """Say what the header looks like, if it looks like something: only from bytes that every cut has shown."""
        if looks := clue(header):
            return looks
        swapped = int.from_bytes(value.to_bytes(self.width, "big"), "little")
        size = swapped + self.adjust + self._layout.head - self.strip
        if value >= 256 ** (self.width - 1) and swapped != value and 0 <= size <= limit:
            other = "little" if self.byteorder == "big" else "big"
            return f". Read as {other}-endian the length is {swapped}: does the peer use the other byte order?"
        return f". Its header is {header.hex(' ')}: does the peer use another framing?"


class _Layout:
    """What follows from the parameters of a LengthPrefixed, worked out once."""

    __slots__ = ("_given", "after", "before", "counted", "head", "kept", "longest", "pack", "run", "unpack")

    def __init__(
        self,
        width: int,
        byteorder: Literal["big", "little"],
        offset: int,
        adjust: int,
        strip: int,
        before: bytes,
        after: bytes,
    ) -> None:
        self._given = (width, byteorder, offset, adjust, strip, before, after)
        self.head = offset + width
        #: Bytes of the header that belong to the message, its length among them.
        self.kept = max(self.head - strip, 0)
        #: What is counted beside the message.
        self.counted = strip - self.head - adjust
        self.longest = 256**width - 1
        self.before = before
        self.after = after
        self.pack = packer(width, byteorder)
        self.unpack = unpacker(width, byteorder)
        self.run = length_kernel(width, byteorder, offset, adjust, strip, before, after)

    def __reduce__(self) -> tuple[type["_Layout"], tuple[object, ...]]:
        return _Layout, self._given  # neither a Struct nor a kernel can be pickled


def _check_fixed(expected: bytes, buffer: bytearray, start: int) -> None:
    """Compare as much of ``expected`` as has arrived; name one byte only, so that every cut gives the same error."""
    for place, (want, got) in enumerate(zip(expected, buffer[start : start + len(expected)], strict=False), start):
        if want != got:
            raise FramingError(f"byte {place} of a frame must be 0x{want:02x} here, and is 0x{got:02x}")
