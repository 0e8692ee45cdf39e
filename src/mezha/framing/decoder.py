"""The decoder: bytes in as they come, messages out whole. The only holder of partial input in mezha."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mezha.errors import TruncatedMessage
from mezha.framing.frame import Data, Frame, Need
from mezha.limits import Limits

if TYPE_CHECKING:
    from mezha.framing.base import Framing

__all__ = ["Decoder"]


class Decoder:
    r"""Turns a stream of bytes, however cut, into messages.

    ::

        feed(b"one\ntw")     feed(b"o\n")      feed(b"")  the end
              |                    |                 |
              +--- b"one"          +--- b"two"       +--- nothing left, or TruncatedMessage

    Messages are cut out of the buffer when they are asked for, so that nothing is copied before it is wanted.
    After an error the messages before it have been handed out, every further call raises it anew, and ``feed`` throws
    away what it is given.
    """

    __slots__ = ("_broken", "_data", "_ended", "_framing", "_limit", "_need", "_position", "_resume", "_run")

    def __init__(self, framing: "Framing", *, limit: int = Limits().max_message) -> None:
        if limit < 0:
            raise ValueError(f"limit must be 0 or more bytes, not {limit}")
        self._framing = framing
        self._limit = limit
        self._run = framing.run()
        # The bytes not yet handed out are _data[_position:]. Slices of bytes are the fastest messages, so _data is
        # bytes, but for an unfinished message that grows: appending to a bytearray is linear.
        self._data: bytes | bytearray = b""
        self._position = 0
        self._need = 1
        self._resume = 0
        self._ended = False
        self._broken = False

    @property
    def limit(self) -> int:
        """The largest message taken, in bytes."""
        return self._limit

    @property
    def buffered(self) -> int:
        """Bytes fed and not yet handed out in a message."""
        return len(self._data) - self._position

    @property
    def ended(self) -> bool:
        """Whether the end of the stream has been fed."""
        return self._ended

    @property
    def ready(self) -> bool:
        """Whether ``take`` would hand out a message, or raise, without being fed more."""
        try:
            return self._front() is not None
        except Exception:  # noqa: BLE001 - whatever it is, it is for take() to raise
            return True

    def feed(self, data: Data) -> None:
        """Add bytes that arrived; they are copied. ``b""`` says that the stream has ended, as ``recv`` does.

        Never raises for what the bytes are: that is for ``take``, after the messages before the fault.

        Raises:
            ValueError: bytes after the end.

        """
        if not data:
            self._ended = True
        elif self._ended:
            raise ValueError(f"{len(data)} bytes fed after the end of the stream")
        elif not self._broken:
            rest = len(self._data) - self._position
            if not rest:
                self._data = bytes(data)
            elif rest <= len(data):  # then copying the rest is linear, too
                self._data = b"".join((memoryview(self._data)[self._position :], data))
            else:
                buffer = self._growing()
                buffer += data
            self._position = 0

    def take(self, count: int = 1) -> list[bytes]:
        """Cut up to ``count`` messages off the front: all that are whole, or an empty list.

        An empty list means that more has to be fed, or that the stream has ended, orderly.

        Raises:
            FramingError: the bytes at the front cannot be a message, or (TruncatedMessage) the stream ended inside it.
            MessageTooLarge: the message at the front is over the limit.

        """
        messages: list[bytes] = []
        if len(self._data) - self._position < self._need and not self._ended:
            return messages
        while (wanted := count - len(messages)) > 0:
            # A kernel searches from the front: where split() has begun to search, it has to go on.
            if self._run is not None and not self._resume:
                run, self._position = self._run(self._data, self._position, self._limit, wanted)
                if run:
                    self._need = 1
                    messages += run
                    if len(run) == wanted:
                        break
            try:
                frame = self._front()
            except Exception:
                if messages:  # good messages come first; the next call finds the same fault again
                    break
                self._broken = True
                raise
            if frame is None:
                break
            with memoryview(self._data) as view:
                messages.append(bytes(view[frame.start : frame.stop]))
            self._position = frame.end
            self._need, self._resume = 1, 0
        if self._position == len(self._data):  # an idle connection keeps no memory
            self._data, self._position = b"", 0
        return messages

    def __iter__(self) -> Iterator[bytes]:
        """Hand out the messages that are whole; end when more has to be fed, or nothing is left."""
        while messages := self.take():
            yield messages[0]

    def unused(self) -> bytes:
        """Return the bytes fed and not yet handed out; the decoder keeps them."""
        return bytes(self._data[self._position :])

    def _front(self) -> Frame | None:
        """Judge what stands at the front: a whole message (whose offsets count from there), or not yet; or raise."""
        buffered = self.buffered
        if buffered < self._need and not (self._ended and buffered):
            return None
        buffer = self._growing()
        verdict = self._framing.split(buffer, self._limit, self._resume)
        if isinstance(verdict, Need):
            if self._ended:
                raise TruncatedMessage(
                    f"the stream ended inside a message: {buffered} bytes of it had arrived, "
                    f"and it needed {verdict.size} or more",
                    received=buffered,
                    needed=verdict.size,
                )
            self._need = max(verdict.size, buffered + 1)
            self._resume = verdict.resume
            return None
        if not 0 <= verdict.start <= verdict.stop <= verdict.end <= buffered or not verdict.end:
            raise ValueError(f"{self._framing!r} is wrong: its split() returned {verdict} for {buffered} bytes")
        return verdict

    def _growing(self) -> bytearray:
        """Make the buffer a bytearray that begins at the front, and return it."""
        if isinstance(self._data, bytes):
            self._data = bytearray(memoryview(self._data)[self._position :])
        elif self._position:
            del self._data[: self._position]  # moves the start, not the bytes
        self._position = 0
        return self._data
