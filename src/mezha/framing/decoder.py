"""The decoder: bytes in as they come, messages out whole. The only holder of partial input in mezha."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mezha.errors import TruncatedMessage
from mezha.framing.frame import Frame, Need, Skip
from mezha.framing.kernels import Buffer
from mezha.limits import Limits

if TYPE_CHECKING:
    from mezha.framing.base import Framing

__all__ = ["Decoder"]


class Decoder(Buffer):
    r"""Turns a stream of bytes, however cut, into messages.

    ::

        feed(b"one\ntw")     feed(b"o\n")      feed(b"")  the end
              |                    |                 |
              +--- b"one"          +--- b"two"       +--- nothing left, or TruncatedMessage

    Messages are cut out of the buffer when they are asked for, so that nothing is copied before it is wanted.
    After an error the messages before it have been handed out, every further call raises it anew, and ``feed`` throws
    away what it is given.
    """

    __slots__ = ("_framing", "_limit", "skipped")

    def __init__(self, framing: "Framing", *, limit: int = Limits().max_message) -> None:
        if limit < 0:
            raise ValueError(f"limit must be 0 or more bytes, not {limit}")
        super().__init__(framing.run(), limit)
        self._framing = framing
        self._limit = limit
        #: Bytes so far that belonged to no message and were allowed to stand there.
        self.skipped = 0

    @property
    def limit(self) -> int:
        """The largest message taken, in bytes."""
        return self._limit

    @property
    def ready(self) -> bool:
        """Whether ``take`` would hand out a message, or raise, without being fed more."""
        try:
            return self.whole() or self._judge() is not None
        except Exception:  # noqa: BLE001 - whatever it is, it is for take() to raise
            return True

    def take(self, count: int = 1) -> list[bytes]:
        """Cut up to ``count`` messages off the front: all that are whole, or an empty list.

        An empty list means that more has to be fed, or that the stream has ended, orderly.

        Raises:
            FramingError: the bytes at the front cannot be a message, or (TruncatedMessage) the stream ended inside it.
            MessageTooLarge: the message at the front is over the limit.

        """
        messages = self.cut(count)
        while len(messages) < count:
            try:
                frame = self._judge()
            except Exception:
                if messages:  # good messages come first; the next call finds the same fault again
                    break
                self.shut = True
                raise
            if frame is None:
                break
            messages.append(self.cut_at(*frame))
            if len(messages) < count:
                messages += self.cut(count - len(messages))
        return messages

    def __iter__(self) -> Iterator[bytes]:
        """Hand out the messages that are whole; end when more has to be fed, or nothing is left."""
        while messages := self.take():
            yield messages[0]

    def _judge(self) -> Frame | None:
        """Judge what stands at the front: a whole message (whose offsets count from there), or not yet; or raise."""
        while (buffered := self.buffered) >= self.need or (self.ended and buffered):
            # what this framing gave as resume comes back to it
            verdict: object = self._framing.split(self.front(), self._limit, self.resume)  # type: ignore[arg-type]
            if isinstance(verdict, Frame):
                start, stop, end, message = verdict
                sound = message is None or isinstance(message, bytes)  # pyright: ignore[reportUnnecessaryIsInstance]
                if 0 <= start <= stop <= end <= buffered and end and sound:
                    return verdict
            elif isinstance(verdict, Need):
                if self.ended:
                    raise TruncatedMessage(
                        f"the stream ended inside a message: {buffered} bytes of it had arrived, "
                        f"and it needed {verdict.size} or more",
                        received=buffered,
                        needed=verdict.size,
                    )
                self.need = max(verdict.size, buffered + 1)
                self.resume = verdict.resume
                return None
            elif isinstance(verdict, Skip) and 0 < verdict.end <= buffered:  # pyright: ignore[reportUnnecessaryIsInstance]
                self.skip(verdict.end)
                self.skipped += verdict.end
                continue
            raise ValueError(f"{self._framing!r} is wrong: its split() returned {verdict} for {buffered} bytes")
        return None
