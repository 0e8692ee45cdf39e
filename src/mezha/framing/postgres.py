"""PostgreSQL: the messages between a database and who asks it."""

from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing.frame import Need
from mezha.framing.whole import Whole

__all__ = ["Postgres"]

_TYPES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


@dataclass(frozen=True, slots=True)
class Postgres(Whole):
    r"""Each message is a message of PostgreSQL's protocol, whole, with its type and length.

    PostgreSQL documentation, "Frontend/Backend Protocol", version 3, "Messaging Overview" and "Message Formats". The
    query ``SELECT 1``, and the first message of a client, which has no type::

        +------+-----------------------+------------------------------------+
        |  Q   |  00   00   00   0d    |  S  E  L  E  C  T     1   00       |
        +------+-----------------------+------------------------------------+
         type     length: 13

        +-----------------------+-----------------------+---------------------------------+
        |  00   00   00   11    |  00   03   00   00    |  u  s  e  r  00   m  e  00  00  |
        +-----------------------+-----------------------+---------------------------------+
           length: 17              version 3.0

    The length counts itself and what follows, not the type. The first message, and what may be sent in its place (a
    request for encryption, or to cancel), begins with its length. No such message has 16 MiB, so its first byte is 0,
    and the others begin with a letter or a digit: that tells which of the two it is, wherever it stands.

    A request for encryption is answered by one byte, ``S`` or ``N`` or ``G``, which is no message. Read it from the
    socket, and only then ``wrap`` it.
    """

    name: ClassVar[str] = "postgres"

    unit: ClassVar[str] = "PostgreSQL message"
    offset: ClassVar[int] = 1
    width: ClassVar[int] = 4

    def end(self, buffer: bytearray) -> int | Need:
        """Return where the message at the front ends, with a type or without."""
        kind = buffer[0]
        if kind not in _TYPES and kind:
            raise FramingError(f"no PostgreSQL message begins with {chr(kind)!r} (0x{kind:02x})")
        start = 1 if kind else 0
        if len(buffer) < start + self.width:
            return Need(start + self.width)
        length = int.from_bytes(buffer[start : start + self.width], "big")
        least = self.width if kind else 2 * self.width  # what has no type has a version, or a code
        if length < least:
            raise FramingError(f"the length of a PostgreSQL message is {least} or more here, and this one is {length}")
        return start + length
