"""The words in which a framing answers: a whole message, or what it still needs."""

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Data", "Frame", "Need", "Run"]

#: Bytes as they may be handed in: what ``bytes()`` takes without copying twice.
Data = bytes | bytearray | memoryview

#: Cut a run of whole, faultless messages: ``run(data, start, limit, count) -> messages, where the rest begins``.
#: It stops in front of anything else, an unfinished message or a fault, and leaves the judgement to ``split``.
Run = Callable[[bytes | bytearray, int, int, int], tuple[list[bytes], int]]


class Frame(NamedTuple):
    """A whole message at the front of a buffer: the message is ``buffer[start:stop]``, the next begins at ``end``."""

    start: int
    stop: int
    end: int


class Need(NamedTuple):
    """No whole message yet."""

    #: Bytes the buffer must hold before it is worth asking again, at least: a lower bound, not a promise.
    size: int
    #: What to pass as ``resume`` then: usually, how far the search for the end has come.
    resume: int = 0
