"""Bytes as scenes write them: hexadecimal, with repetitions, and with places for what a side is free to choose.

::

    48 65 6c{2} 6f        Hello
    #1                    four bytes: the id that the side gave to its first request
    @2                    eight bytes: what stood in the second PING of the side
    *                     at the end: any text, of any length

"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Hole", "Pattern"]


class Hole(NamedTuple):
    """A place for what the side chose: an id (``#``), the bytes of a PING (``@``), or any text (``*``)."""

    sign: str
    number: int = 0


_TOKEN = re.compile(
    r"\s*(?:(?P<byte>[0-9a-f]{2})(?:\{(?P<times>\d+)\})?|(?P<sign>[#@])(?P<number>\d+)|(?P<any>\*)\s*$)"
)
_SIZES = {"#": 4, "@": 8}


@dataclass(frozen=True, slots=True)
class Pattern:
    """What bytes should be."""

    text: str
    parts: tuple[bytes | Hole, ...]

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Read a pattern.

        Raises:
            ValueError: it is none.

        """
        parts: list[bytes | Hole] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            found = _TOKEN.match(text, place)
            if not found:
                raise ValueError(f"no bytes: {text[place:]!r} in {text!r}")
            place = found.end()
            if found["byte"]:
                run = bytes.fromhex(found["byte"]) * int(found["times"] or 1)
                if parts and isinstance(parts[-1], bytes):
                    parts[-1] += run
                else:
                    parts.append(run)
            else:
                parts.append(Hole(found["sign"] or "*", int(found["number"] or 0)))
        return cls(text, tuple(parts))

    def fill(self, known: Mapping[Hole, bytes]) -> bytes:
        """Return the bytes, with what is known in the places for it.

        Raises:
            KeyError: something is not known.

        """
        return b"".join(part if isinstance(part, bytes) else known[part] for part in self.parts)

    def match(self, data: bytes, known: Mapping[Hole, bytes]) -> dict[Hole, bytes] | None:
        """Say whether bytes are what they should be; return what stands in places where nothing was known before."""
        place = 0
        learned: dict[Hole, bytes] = {}
        for part in self.parts:
            if isinstance(part, Hole) and part.sign == "*":
                return learned
            expected = part if isinstance(part, bytes) else known.get(part, learned.get(part))
            found = data[place : place + (len(expected) if expected is not None else _SIZES[part.sign])]  # type: ignore[union-attr]
            if expected is None:
                assert isinstance(part, Hole)
                if len(found) < _SIZES[part.sign]:
                    return None
                learned[part] = found
            elif found != expected:
                return None
            place += len(found)
        return learned if place == len(data) else None
