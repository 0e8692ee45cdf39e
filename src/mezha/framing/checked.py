"""A checksum behind each message, inside of another framing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing.base import Framing
from mezha.framing.checksums import CHECKSUMS
from mezha.framing.decoder import Decoder
from mezha.framing.frame import Data, Frame, Recover, Verdict
from mezha.framing.recover import past_frame
from mezha.framing.tolerant import Tolerant
from mezha.limits import Limits, Timeouts

__all__ = ["Checked"]


@dataclass(frozen=True, slots=True)
class Checked(Framing):
    r"""Another framing, whose messages have a checksum at their end, which is checked and left out.

    ``Checked(LengthPrefixed(2), "crc32")`` puts ``Hello!`` on the wire as::

        +-----------+-------------------------------+-----------------------+
        |  00   0a  |  48   65   6c   6c   6f   21  |  9d   2a   cc   56    |
        +-----------+-------------------------------+-----------------------+
           length       H    e    l    l    o    !     CRC-32 of  Hello!

    ``checksum`` is a name (``crc32``, ``crc16-modbus-le``, ... see ``mezha.framing.checksums``), or a function that
    makes bytes of a message, always as many. Bytes beside the message, as its length, are not covered. The limit does
    not count the checksum.

    A framing that ends its messages with a mark refuses one whose checksum happens to contain it. There take a function
    that writes digits: ``lambda message: b"%08x" % zlib.crc32(message)``.

    Raises:
        ValueError: no checksum has that name; or the framing forgives, which only the outermost can do.

    """

    framing: Framing
    checksum: str | Callable[[bytes], bytes]
    _width: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.framing, Tolerant):
            raise ValueError(f"{self.framing} forgives, and would have to stand in front: {self.framing.name}:checked")
        if isinstance(self.checksum, str) and self.checksum not in CHECKSUMS:
            raise ValueError(f"no checksum is called {self.checksum!r}; there are {', '.join(CHECKSUMS)}")
        object.__setattr__(self, "_width", len(self._sum(b"")))

    @property
    def timeouts(self) -> Timeouts:  # type: ignore[override]
        """The time-outs of the framing inside."""
        return self.framing.timeouts

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the checksum behind ``parts``, and leave the rest to the framing.

        Raises:
            LocalProtocolError: the framing cannot carry that message with that checksum.

        """
        return self.framing.encode(*parts, self._sum(b"".join(parts)))

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        """Find the message in the framing, and compare its checksum.

        Raises:
            FramingError: the checksum is wrong, or there is none.

        """
        try:
            verdict = self.framing.split(buffer, self._with_sum(limit), resume)
        except MessageTooLarge as error:
            raise MessageTooLarge(
                f"with a checksum of {self._width} bytes: {error}",
                size=None if error.size is None else error.size - self._width,
                limit=limit,
            ) from None
        if not isinstance(verdict, Frame):
            return verdict
        whole = verdict.cut(buffer)
        size = len(whole) - self._width
        if size < 0:
            raise FramingError(f"a message of {len(whole)} bytes has no room for its checksum of {self._width}")
        message, found = whole[:size], whole[size:]
        if found != (right := self._sum(message)):
            raise FramingError(
                f"the checksum of a message of {size} bytes is wrong: it says {found.hex()}, and {right.hex()} "
                f"would be right"
            )
        return verdict._replace(message=message)

    def past_too_large(self) -> Recover | None:
        """Return what the framing has."""
        return self.framing.past_too_large()

    def past_garbage(self) -> Recover | None:
        """Return what the framing has; what goes on behind the message that is wrong, if it has nothing."""
        return self.framing.past_garbage() or past_frame(self.framing, self._with_sum)

    def decoder(self, *, limit: int = Limits().max_message) -> Decoder:
        """Return a new decoder."""
        self.framing.decoder(limit=self._with_sum(limit))  # it may have something against that limit
        return Decoder(self, limit=limit)

    def __str__(self) -> str:
        return f"checked:{self.checksum}:{self.framing}"

    def _with_sum(self, size: int) -> int:
        return size + self._width

    def _sum(self, message: bytes) -> bytes:
        return (CHECKSUMS[self.checksum] if isinstance(self.checksum, str) else self.checksum)(message)
