"""The parts in which a message is handed in: its front, the rest, its pieces, without joining what is large."""

from collections.abc import Iterator, Sequence

from mezha.framing.frame import Data

__all__ = ["behind", "front", "pieces"]


def front(parts: Sequence[Data], size: int) -> bytearray:
    """Return the first ``size`` bytes of a message, or all if it has fewer."""
    found = bytearray()
    for part in parts:
        found += part[: size - len(found)]
    return found


def behind(parts: Sequence[Data], size: int) -> Iterator[Data]:
    """Return a message without its first ``size`` bytes."""
    for part in parts:
        if len(part) > size:
            yield memoryview(part)[size:] if size else part
        size = max(size - len(part), 0)


def pieces(parts: Sequence[Data], size: int) -> Iterator[list[Data]]:
    """Cut a message into pieces of ``size`` bytes, the last of which may have fewer: one or more pieces, in parts."""
    piece: list[Data] = []
    room = size
    for part in parts:
        rest = part
        while len(rest) > room:
            view = memoryview(rest)
            yield [*piece, view[:room]]
            piece, rest, room = [], view[room:], size
        piece.append(rest)
        room -= len(rest)
    yield piece
