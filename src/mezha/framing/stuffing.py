"""Byte stuffing: where a message stops in which some bytes are written as two."""

import re
from typing import NamedTuple

from mezha.framing import oversize
from mezha.framing.frame import Need

__all__ = ["Stop", "Stuffing"]


class Stop(NamedTuple):
    """Where stuffed bytes stop: at the mark, or else at an escape in front of a byte that means nothing behind it."""

    place: int
    #: How many bytes are meant by those in front of it.
    size: int


class Stuffing:
    """How messages are stuffed, apart from what the pairs mean.

    ``mark`` ends a message, ``escape`` begins a pair, ``seconds`` can stand second in one; the mark cannot.
    """

    __slots__ = ("_escape", "_mark", "_wrong")

    def __init__(self, mark: bytes, escape: bytes, seconds: bytes) -> None:
        self._mark = mark
        self._escape = escape
        self._wrong = re.compile(re.escape(escape) + b"[^" + re.escape(seconds) + b"]")

    def find(self, buffer: bytearray, limit: int, resume: int | tuple[int, int], *, beside: int = 0) -> Stop | Need:
        """Say where the message at the front stops, and the ``beside`` bytes behind it that are not part of it.

        Raises:
            MessageTooLarge: it has more than ``limit`` bytes.

        """
        begun, size = resume if isinstance(resume, tuple) else (0, 0)
        stop = buffer.find(self._mark, begun)
        end = len(buffer) if stop < 0 else stop
        if wrong := self._wrong.search(buffer, begun, end):
            stop = end = wrong.start()
        # A pair may double the escape. One at the end, of which the second is not here, counts nothing yet.
        size += end - begun - buffer.count(self._escape, begun, end) + buffer.count(self._escape * 2, begun, end)
        if size > limit + beside:
            raise oversize.unended(limit)
        before = end
        while buffer.endswith(self._escape, begun, before):
            before -= 1
        end -= (end - before) % 2
        return Need(len(buffer) + 1, (end, size)) if stop < 0 else Stop(end, size)
