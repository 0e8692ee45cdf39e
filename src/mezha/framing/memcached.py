"""The text protocol of memcached: commands and replies, in a line, some with a value behind."""

from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import digits
from mezha.framing.blocks import LineAndBlock

__all__ = ["Memcached"]

#: Which word of a line is the size of the value behind it, the command or the reply being word 0.
_SIZES = {
    **dict.fromkeys((b"set", b"add", b"replace", b"append", b"prepend", b"cas"), 4),
    b"VALUE": 3,
    b"ms": 2,
    b"VA": 1,
}


@dataclass(frozen=True, slots=True)
class Memcached(LineAndBlock):
    r"""Each message is a line of memcached's text protocol, a command or a reply, with the value it announces.

    memcached, ``doc/protocol.txt``: "Storage commands", "Retrieval command", and the meta commands ``ms`` and ``mg``::

        +------------------------------+-----------+--------------------------+-----------+
        |  s e t   n a m e   0   0   6 |  0d   0a  |  H   e   l   l   o   !   |  0d   0a  |
        +------------------------------+-----------+--------------------------+-----------+

        with a value behind      set add replace append prepend cas ms; VALUE VA
        without                  everything else: get name; STORED; END; STAT pid 1; HD; ERROR

    The message is all but the last ``\r\n``: ``b"set name 0 0 6\r\nHello!"``, ``b"STORED"``. The answer to a ``get`` is
    a message for each value that was found, and then ``b"END"``, so that values can be taken one by one, however many
    come. A line that ends with ``\n`` alone, as in what ``watch`` and ``lru_crawler metadump`` show, is read as well.
    The binary protocol, whose first byte is 0x80 or 0x81, is ``LengthPrefixed(4, offset=8, adjust=12, strip=0)``.
    """

    name: ClassVar[str] = "memcached"
    first: ClassVar[bytes] = bytes(range(0x21, 0x7F))

    def announces(self, line: bytes) -> bool:
        """Say whether a line that begins like this announces a value."""
        return line.split(b" ", 1)[0] in _SIZES

    def block(self, line: bytes) -> int | None:
        """Return the size of the value; ``None`` if there is none."""
        words = [word for word in line.split(b" ") if word]
        place = _SIZES.get(words[0])
        if place is None:
            return None
        if len(words) <= place:
            raise FramingError(f"{words[0].decode()} says the size of its value, and here it does not: {line[:60]!r}")
        return digits.length(words[place], f"the size of the value behind {words[0].decode()}")
