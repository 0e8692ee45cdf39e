"""The words in which a framing answers: a whole message, what belongs to none, or what it still needs."""

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Data", "Frame", "Garbage", "Need", "Recover", "Resume", "Run", "Skip", "Verdict"]

#: Bytes as they may be handed in: what ``bytes()`` takes without copying twice.
Data = bytes | bytearray | memoryview

#: Cut a run of whole, faultless messages: ``run(data, start, limit, count) -> messages, where the rest begins``.
#: It stops in front of anything else, an unfinished message or a fault, and leaves the judgement to ``split``.
Run = Callable[[bytes | bytearray, int, int, int], tuple[list[bytes], int]]

#: How far the search for the end of a message has come: a place, or a place and what else is known of the bytes before
#: it, as how many bytes of the message they hold. The bytes before that place are not looked at again.
Resume = int | tuple[int, ...]


class Frame(NamedTuple):
    """A whole message at the front of a buffer: the message is ``buffer[start:stop]``, the next begins at ``end``.

    Where the message does not stand in the stream as it is, because it was escaped, or sent in several pieces, it is
    ``message``, and ``start`` and ``stop`` say where it stands in its other form.
    """

    start: int
    stop: int
    end: int
    message: bytes | None = None

    def cut(self, buffer: bytes | bytearray) -> bytes:
        """Return the message; ``buffer`` is the one of which this has been said."""
        return bytes(buffer[self.start : self.stop]) if self.message is None else self.message


class Skip(NamedTuple):
    """Bytes in front of ``end`` that belong to no message, and may stand there: what fills a pause, or marks twice."""

    end: int


class Need(NamedTuple):
    """No whole message yet."""

    #: Bytes the buffer must hold before it is worth asking again, at least: a lower bound, not a promise.
    size: int
    #: What to pass as ``resume`` then: usually, how far the search for the end has come.
    resume: Resume = 0


#: All that ``split`` may answer.
Verdict = Frame | Skip | Need


class Garbage(NamedTuple):
    """Bytes that are lost to a fault: all in front of ``end``, which may be further than the bytes that are here."""

    end: int
    #: What to pass as ``resume`` for the bytes behind ``end``, once there are some, since they may be lost, too; 0 if
    #: the next message may begin at ``end``.
    resume: int = 0


#: Say where to go on behind a fault: ``recover(buffer, limit, resume) -> Garbage``. ``buffer`` begins with the bytes
#: that ``split`` has found fault with, and ``resume`` is 0; or with those behind the garbage found so far, and
#: ``resume`` is what came with it. It is not empty, and not to be changed.
Recover = Callable[[bytearray, int, int], Garbage]
