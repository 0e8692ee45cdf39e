"""The intake: bytes as they come, cut into frames, and those of messages into runs."""

from collections.abc import Iterator

from mezha.errors import MessageTooLarge
from mezha.framing import Data, Frame
from mezha.framing.kernels import skip_frames
from mezha.session.frames import HEADER, Frames, Kind

__all__ = ["Intake"]

_FRAMES = Frames()
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

    def messages(self, data: Data) -> bool:
        """Say whether these bytes are whole MESSAGE frames and nothing else, and no frame is unfinished: the usual."""
        return self._rest is None and skip_frames(data, 0, Kind.MESSAGE, self._limit) == len(data)

    def cut(self, data: Data, now: float) -> Iterator[tuple[Kind, memoryview]]:
        """Cut what is whole: runs of MESSAGE frames as they are, with their headers; of others the kind and the body.

        What is yielded is to be used before the next is asked for.

        Raises:
            FramingError: there is no such frame.
            MessageTooLarge: a message over the limit of this side.

        """
        begun = now
        if self._rest is not None:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data, self._rest = self._rest, None
            begun = self.begun
        view = memoryview(data)
        start = 0
        while start < len(view):
            stop = skip_frames(view, start, Kind.MESSAGE, self._limit)
            if stop > start:
                yield Kind.MESSAGE, view[start:stop]
                start = stop
                continue
            header = bytearray(view[start : start + HEADER])
            verdict = _FRAMES.split(header, _ANY)
            end = verdict.end if isinstance(verdict, Frame) else verdict.size
            if len(header) == HEADER and header[4] == Kind.MESSAGE:
                self._check(end - HEADER)
            if len(view) - start < end:
                self._rest = bytearray(view[start:])
                self._need = end
                self.begun = now if start else begun
                return
            yield Kind(header[4]), view[start + 4 : start + end]
            start += end

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise MessageTooLarge(
                f"the peer announced a message of {size} bytes; this side takes at most {self._limit} (max_message)",
                size=size,
                limit=self._limit,
            )
