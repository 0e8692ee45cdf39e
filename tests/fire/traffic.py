"""Messages that can be told apart: each has a number and a checksum, a size of its own, and every byte is foreseen."""

import random
import struct
import zlib
from collections.abc import Iterable

from mezha.framing import Data

__all__ = ["LEAST", "Traffic"]

_HEADER = struct.Struct(">QI")
#: The smallest message, in bytes.
LEAST = _HEADER.size
#: What messages are filled with: each is a piece of it.
_FILLING = memoryview(random.Random(0).randbytes(1 << 20) * 2)


class Traffic:
    """The messages of one sender: most are small, few are large, none has more than ``most`` bytes."""

    def __init__(self, seed: int, *, most: int = 1 << 18) -> None:
        self._seed = seed
        self._most = min(most, 1 << 20) - LEAST
        #: Messages that have been checked; the number of the next.
        self.checked = 0

    def message(self, number: int) -> bytes:
        """Return the message of this number, from 0."""
        choice = random.Random(self._seed << 40 | number)
        size = min(choice.getrandbits(choice.randrange(21)), self._most)
        begin = choice.randrange(1 << 20)
        body = _FILLING[begin : begin + size]
        return _HEADER.pack(number, zlib.crc32(body)) + body

    def messages(self, count: int, begin: int = 0) -> list[bytes]:
        """Return so many of the messages, from one on."""
        return [self.message(number) for number in range(begin, begin + count)]

    def check(self, message: Data) -> None:
        """See that this is the message that had to come next: none was lost, torn or doubled."""
        number, checksum = _HEADER.unpack_from(message)
        assert checksum == zlib.crc32(memoryview(message)[LEAST:]), f"torn: {bytes(message[:20])!r}"
        assert number == self.checked, f"message {number} came instead of {self.checked}"
        assert message == self.message(number), f"message {number} is another one"
        self.checked += 1

    def check_all(self, messages: Iterable[bytes]) -> None:
        """Check them in a row."""
        for message in messages:
            self.check(message)
