"""The intake: bytes as they come, cut into frames, and those of messages into runs."""

from collections.abc import Iterator
from struct import Struct

from mezha.errors import MessageTooLarge
from mezha.framing import Data, Need
from mezha.framing.kernels import skip_frames
from mezha.session.frames import BOUNDS, HEADER, Frames, Kind

__all__ = ["Intake"]

_FRAMES = Frames()
_HEADER = Struct(">IB").unpack_from
#: No length is between these.
_UNKNOWN = (Kind.HELLO, 1, 0)
#: More than any frame has.
_ANY = 1 << 20


class Intake:
    """The only holder of an unfinished frame. It keeps less than one, and no memory without one."""

    __slots__ = ("_limit", "_need", "_rest", "begun")

    def __init__(self, limit: int) -> None:
        """``limit`` is the largest message that may come in one frame, in bytes."""
        self._limit = limit
        self._rest: bytearray | None = None
        self._need = 0
        #: When the first byte of the unfinished frame arrived.
        self.begun = 0.0

    @property
    def unfinished(self) -> int:
        """Bytes of the unfinished frame that have arrived."""
        return len(self._rest) if self._rest else 0

    def messages(self, data: Data) -> int:
        """Return how many bytes at the front of these are whole MESSAGE frames: mostly nearly all."""
        return skip_frames(data, 0, Kind.MESSAGE, self._limit) if self._rest is None else 0

    def cut(self, data: Data, now: float, messages: int = 0) -> Iterator[tuple[Kind, memoryview]]:
        """Cut what is whole: runs of MESSAGE frames as they are, with their headers; of others the kind and the body.

        So many bytes at the front are known to be MESSAGE frames. What is yielded is to be used before the next is
        asked for.

        Raises:
            FramingError: there is no such frame.
            MessageTooLarge: a message over the limit of this side.

        """
        view = memoryview(data)
        start = messages
        if messages:
            yield Kind.MESSAGE, view[:messages]
        elif self._rest is not None:
            start = self._complete(view)
            if len(self._rest) < self._need:
                return
            whole, self._rest = memoryview(self._rest), None
            kind, _, _ = BOUNDS[whole[4]]
            yield kind, whole if kind is Kind.MESSAGE else whole[4:]
        while start < len(view):
            stop = skip_frames(view, start, Kind.MESSAGE, self._limit)
            if stop > start:
                yield Kind.MESSAGE, view[start:stop]
            else:
                stop = start + self._measure(view, start)
                if stop > len(view):
                    self._rest = bytearray(view[start:])
                    self._need = stop - start
                    self.begun = now
                    return
                yield BOUNDS[view[start + 4]][0], view[start + 4 : stop]
            start = stop

    def _complete(self, view: memoryview) -> int:
        """Add to the unfinished frame what belongs to it; return how much that is."""
        assert self._rest is not None
        taken = 0
        while len(self._rest) < self._need and taken < len(view):
            piece = view[taken : taken + self._need - len(self._rest)]
            self._rest += piece
            taken += len(piece)
            if len(self._rest) == self._need:  # which may have been its header only
                self._need = self._measure(memoryview(self._rest), 0)
        return taken

    def _measure(self, view: memoryview, start: int) -> int:
        """Return how many bytes the frame has, as far as can be said; raise if it is none."""
        if len(view) - start < HEADER:
            return self._judge(view, start)
        length, number = _HEADER(view, start)
        kind, shortest, longest = BOUNDS.get(number, _UNKNOWN)
        if not shortest <= length <= longest:
            self._judge(view, start)
        if kind is Kind.MESSAGE:
            self._check(length - 1)
        size: int = 4 + length
        return size

    def _judge(self, view: memoryview, start: int) -> int:
        """Return how much of a frame is needed to know more; raise if it is none."""
        verdict = _FRAMES.split(bytearray(view[start : start + HEADER]), _ANY)
        assert isinstance(verdict, Need)
        return verdict.size

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise MessageTooLarge(
                f"the peer announced a message of {size} bytes; this side takes at most {self._limit} (max_message)",
                size=size,
                limit=self._limit,
            )
