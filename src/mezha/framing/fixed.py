"""Messages of one agreed size: no mark at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mezha.errors import LocalProtocolError
from mezha.framing.base import Framing
from mezha.framing.decoder import Decoder
from mezha.framing.frame import Data, Frame, Need, Run
from mezha.framing.kernels import fixed_kernel
from mezha.limits import Limits

__all__ = ["FixedSize"]


@dataclass(frozen=True, slots=True)
class FixedSize(Framing):
    """Each message has exactly ``size`` bytes, and nothing stands between them.

    ``FixedSize(3)``::

        +----------------+----------------+
        |  o    n    e   |  t    w    o   |
        +----------------+----------------+

    Raises:
        ValueError: a size below 1.

    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"the size must be 1 byte or more, not {self.size}")

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Return ``parts``.

        Raises:
            LocalProtocolError: the message has another size.

        """
        size = sum(map(len, parts))
        if size != self.size:
            raise LocalProtocolError(
                f"the message has {size} bytes, and every message here has exactly {self.size}: nothing was sent",
                size=size,
                limit=self.size,
            )
        return parts

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Count."""
        return Frame(0, self.size, self.size) if len(buffer) >= self.size else Need(self.size)

    def run(self) -> Run:
        """Return the kernel for this size."""
        return fixed_kernel(self.size)

    def decoder(self, *, limit: int = Limits().max_message) -> Decoder:
        """Return a new decoder.

        Raises:
            ValueError: ``limit`` is below the size, so that no message could ever arrive.

        """
        if self.size > limit:
            raise ValueError(
                f"every message has {self.size} bytes, and the limit is {limit}: raise max_message to that or more"
            )
        return Decoder(self, limit=limit)

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read the size, in bytes."""
        if len(options) != 1:
            raise ValueError("its one option is the size of every message, in bytes")
        return cls(int(options[0]))

    def __str__(self) -> str:
        return f"fixed:{self.size}"
