"""The protocol between NATS and its clients: verbs in a line, some with a payload behind."""

from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError
from mezha.framing import digits
from mezha.framing.blocks import LineAndBlock

__all__ = ["Nats"]

#: How many words a line has whose last one is the size of the payload, by its verb.
_SIZED = {b"PUB": (3, 4), b"HPUB": (4, 5), b"MSG": (4, 5), b"HMSG": (5, 6)}
_BARE = (b"INFO", b"CONNECT", b"SUB", b"UNSUB", b"PING", b"PONG", b"+OK", b"-ERR")


@dataclass(frozen=True, slots=True)
class Nats(LineAndBlock):
    r"""Each message is a line of the NATS client protocol, with the payload that it announces.

    NATS documentation, "Client Protocol"::

        +----------------------------+-----------+--------------------------+-----------+
        |  P U B   g r e e t   6     |  0d   0a  |  H   e   l   l   o   !   |  0d   0a  |
        +----------------------------+-----------+--------------------------+-----------+

        with a payload           PUB HPUB (from clients); MSG HMSG (from the server)
        without                  CONNECT SUB UNSUB; INFO +OK -ERR; PING PONG

    The message is all but the last ``\r\n``: ``b"PUB greet 6\r\nHello!"``, ``b"PING"``. Verbs may be in any case; an
    unknown one is an error, since nobody knows whether a payload would follow. So the protocols between servers
    (routes, gateways, leaf nodes), which have more of them, are not read.
    """

    name: ClassVar[str] = "nats"
    first: ClassVar[bytes] = b"+-CHIMPSUchimpsu"

    def announces(self, line: bytes) -> bool:
        """Say whether a line that begins like this announces a payload."""
        return line.replace(b"\t", b" ").split(b" ", 1)[0].upper() in _SIZED

    def block(self, line: bytes) -> int | None:
        """Return the size of the payload, with its headers; ``None`` if there is none."""
        words = [word for word in line.replace(b"\t", b" ").split(b" ") if word]
        verb = words[0].upper()
        if verb in _BARE:
            return None
        if verb not in _SIZED:
            raise FramingError(f"no verb of NATS: {words[0][:40]!r}")
        if len(words) not in _SIZED[verb]:
            raise FramingError(f"{verb.decode()} has a word too many or too few: {line[:60]!r}")
        size = digits.length(words[-1], f"the size of the payload behind {verb.decode()}")
        if verb.startswith(b"H") and size < digits.length(words[-2], f"the size of the headers behind {verb.decode()}"):
            raise FramingError(f"{verb.decode()} has more bytes of headers than of all: {line[:60]!r}")
        return size
