"""What the network does to the bytes of one direction: delays, cuts, glues, slows down, and breaks."""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Literal

__all__ = ["Line", "Mark", "Way"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One direction of a wire. By default it cuts and glues at random, and takes no time.

    Sizes are in bytes, times in seconds; of two times ``(least, most)`` one in between is drawn for each piece.

    Raises:
        ValueError: no line can be like that.

    """

    #: How long a piece is on its way. None overtakes another: where it would, it arrives with it.
    latency: float | tuple[float, float] = 0.0
    #: Bytes a second; ``None`` for any number of them.
    bandwidth: float | None = None
    #: Where the stream is cut: ``"random"``; ``"never"``, so that a read returns all that is there; every so many
    #: bytes; or at these offsets from its beginning and nowhere else. Of a given place no read goes beyond.
    cut: int | Sequence[int] | Literal["random", "never"] = "random"
    #: How long bytes wait to be glued to those that are sent after them.
    glue: float = 0.0
    #: The most that is under way, sent and not read: from there on, what is sent waits at its sender's.
    window: int = 64 << 10
    #: The connection breaks when so many bytes have passed, and both sides are told; ``None`` for never.
    break_at: int | None = None

    def __post_init__(self) -> None:
        least, most = _range(self.latency)
        if not 0 <= least <= most or self.glue < 0:
            raise ValueError(f"a time on a line is 0 or more seconds, or (least, most) of them: {self}")
        if self.bandwidth is not None and self.bandwidth <= 0:
            raise ValueError(f"bandwidth must be more than 0 bytes a second, not {self.bandwidth}")
        if isinstance(self.cut, str):
            if self.cut not in ("random", "never"):
                raise ValueError(f'cut must be "random", "never", a size or offsets, not {self.cut!r}')
        elif isinstance(self.cut, int):
            if self.cut < 1:
                raise ValueError(f"a stream is cut every 1 byte or more, not every {self.cut}")
        else:
            object.__setattr__(self, "cut", tuple(sorted(self.cut)))
        if self.window < 1:
            raise ValueError(f"window must be 1 byte or more, not {self.window}")
        if self.break_at is not None and self.break_at < 0:
            raise ValueError(f"break_at must be 0 or more bytes, not {self.break_at}")


class Mark(Enum):
    """What arrives instead of bytes."""

    END = "end"
    RESET = "reset"


class Way:
    """One direction of a wire, and what is on it: bytes held back, then pieces with the time of their arrival."""

    __slots__ = ("_busy", "_held", "_latest", "_line", "_random", "broken", "ended", "leaves", "pieces", "sent", "size")

    def __init__(self, line: Line, seed: str) -> None:
        self._line = line
        self._random = Random(seed)
        self._held = bytearray()
        self._busy = 0.0  # until when the line is busy with what it was given
        self._latest = 0.0  # when the last piece arrives
        #: When what is held back leaves.
        self.leaves = math.inf
        #: What is under way, in order.
        self.pieces: deque[tuple[float, bytes | Mark]] = deque()
        #: Bytes under way, those held back included.
        self.size = 0
        #: Bytes that have left.
        self.sent = 0
        #: The end was put on it: no bytes follow.
        self.ended = False
        #: Nothing that is put on it arrives any more.
        self.broken = False
        if line.break_at == 0:
            self.reset(0.0)

    @property
    def room(self) -> int:
        """How many bytes can be put on it; what is put on a broken one is gone, and there is room for all of it."""
        return (1 << 62) if self.broken else max(self._line.window - self.size, 0)

    @property
    def reset_at(self) -> float:
        """When the news arrives that the connection broke."""
        return self.pieces[-1][0] if self.pieces and self.pieces[-1][1] is Mark.RESET else math.inf

    def put(self, data: bytes | memoryview, now: float) -> None:
        """Send bytes."""
        if not self.broken:
            self._held += data
            self.size += len(data)
            self.leaves = min(self.leaves, now + self._line.glue)

    def end(self, now: float) -> None:
        """Send the end, behind all bytes."""
        self.ended = True
        if not self.broken:
            self.leaves = min(self.leaves, now)

    def leave(self, now: float) -> None:
        """Send what is held back on its way, in pieces."""
        held = bytes(self._held)
        self._held.clear()
        self.leaves = math.inf
        for piece in self._cut(held):
            self.sent += len(piece)
            self._add(piece, now)
        if self.sent == self._line.break_at:
            self.reset(now)
        elif self.ended:
            self._add(Mark.END, now)

    def reset(self, now: float) -> None:
        """Send the news that the connection broke, behind what is under way; what was held back is gone."""
        if not self.broken:
            self._break()
            self._add(Mark.RESET, now)

    def lose(self, now: float, has_come: Callable[[float], bool]) -> None:
        """Break now: what has not arrived is gone, and the news is there."""
        while self.pieces and not has_come(self.pieces[-1][0]):
            _, item = self.pieces.pop()
            if isinstance(item, bytes):
                self.size -= len(item)
        self._break()
        self.pieces.append((now, Mark.RESET))

    def read(self, now: float, most: int) -> bytes | Mark:
        """Take off what one read returns of what has arrived: at least a byte and at most so many, or a mark."""
        cut = self._line.cut
        item = self.pieces.popleft()[1]
        if isinstance(item, Mark):
            return item
        read = [item]
        size = len(item)
        while (
            isinstance(cut, str)
            and self.pieces
            and self.pieces[0][0] <= now
            and isinstance(piece := self.pieces[0][1], bytes)
            and size < most
            and (cut == "never" or self._random.random() < 0.25)
        ):
            self.pieces.popleft()
            read.append(piece)
            size += len(piece)
        data = b"".join(read)
        if size > most:
            self.pieces.appendleft((now, data[most:]))
            data = data[:most]
        self.size -= len(data)
        return data

    def _break(self) -> None:
        self.broken = True
        self.size -= len(self._held)
        self._held.clear()
        self.leaves = math.inf

    def _add(self, item: bytes | Mark, now: float) -> None:
        line = self._line
        self._busy = max(self._busy, now)
        if line.bandwidth is not None and isinstance(item, bytes):
            self._busy += len(item) / line.bandwidth
        self._latest = max(self._latest, self._busy + self._random.uniform(*_range(line.latency)))
        self.pieces.append((self._latest, item))

    def _cut(self, data: bytes) -> Iterator[bytes]:
        """Cut bytes; what would pass after the line is broken is gone."""
        if self._line.break_at is not None and len(data) > self._line.break_at - self.sent:
            self.size -= len(data)
            data = data[: self._line.break_at - self.sent]
            self.size += len(data)
        start = 0
        while left := len(data) - start:
            stop = start + min(self._next_cut(left), left)
            yield data[start:stop]
            start = stop

    def _next_cut(self, left: int) -> int:
        """Say how many of the bytes left go as one piece, or more than are left."""
        match self._line.cut:
            case "never":
                return left
            case "random":  # cuts where a message begins are the interesting ones, and most messages are small
                draw = self._random.randint
                return self._random.choice((1, draw(1, min(left, 16)), draw(1, left), left))
            case int(size):
                return size - self.sent % size
            case offsets:
                place = bisect_right(offsets, self.sent)
                return offsets[place] - self.sent if place < len(offsets) else left


def _range(seconds: float | tuple[float, float]) -> tuple[float, float]:
    return seconds if isinstance(seconds, tuple) else (seconds, seconds)
