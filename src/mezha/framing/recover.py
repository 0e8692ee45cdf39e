"""Where to go on behind a fault, for framings that have marks to look for, or lengths to believe."""

from collections.abc import Callable

from mezha.errors import MessageTooLarge
from mezha.framing.base import Framing
from mezha.framing.frame import Frame, Garbage, Need, Recover

__all__ = ["at_mark", "past_announced", "past_frame", "past_mark"]

#: No length is over it.
_ANY = 1 << 70


def past_mark(mark: bytes) -> Recover:
    """Return what goes on behind the next ``mark``: for framings that end each message with one."""

    def recover(buffer: bytearray, limit: int, resume: int) -> Garbage:
        found = buffer.find(mark)
        return Garbage(found + len(mark)) if found >= 0 else Garbage(len(buffer) - _begun(buffer, mark), resume=1)

    return recover


def past_announced(framing: Framing) -> Recover:
    """Return what believes the length: for framings in which one that is over the limit says where the message ends."""

    def recover(buffer: bytearray, limit: int, resume: int) -> Garbage:
        verdict = framing.split(buffer, _ANY)
        return Garbage(verdict.size if isinstance(verdict, Need) else verdict.end)

    return recover


def at_mark(mark: bytes) -> Recover:
    """Return what goes on with the next ``mark``, a byte on at least: for framings that begin each message with one."""

    def recover(buffer: bytearray, limit: int, resume: int) -> Garbage:
        start = 0 if resume else 1
        found = buffer.find(mark, start)
        return Garbage(found) if found >= 0 else Garbage(len(buffer) - _begun(buffer, mark, start), resume=1)

    return recover


def past_frame(framing: Framing, limit_of: Callable[[int], int]) -> Recover:
    """Return what goes on behind a frame of another framing, where the fault is what stands inside of it.

    It is read with ``limit_of(limit)``. Where that framing itself finds fault with it, with a message over that limit
    it goes on as that framing does, if that can, and anything else is an error.
    """
    past_too_large = framing.past_too_large()

    def recover(buffer: bytearray, limit: int, resume: int) -> Garbage:
        if resume and past_too_large:
            return past_too_large(buffer, limit_of(limit), resume)
        try:
            verdict = framing.split(buffer, limit_of(limit))
        except MessageTooLarge:
            if past_too_large is None:
                raise
            return past_too_large(buffer, limit_of(limit), resume)
        assert isinstance(verdict, Frame), "a fault inside of a frame is found when the frame is whole"
        return Garbage(verdict.end)

    return recover


def _begun(buffer: bytearray, mark: bytes, start: int = 0) -> int:
    """Say how many bytes at the end, from ``start`` on, may be the beginning of a mark."""
    return next((size for size in range(len(mark) - 1, 0, -1) if buffer.endswith(mark[:size], start)), 0)
