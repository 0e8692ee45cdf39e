"""The hot loops in plain Python: the twins of those in ``_native.pyx``, which take over where they could be compiled.

A kernel cuts a run of whole messages out of a buffer. It stops in front of the first thing that is not a whole,
faultless message, and leaves the judgement to ``Framing.split``. So it knows no errors, and need not be complete to be
right; but the twins stop at the same places. Slices of bytes are messages as they are, and cost the least.
"""

import sys
from collections.abc import Callable, Sequence
from itertools import repeat
from struct import Struct
from typing import TYPE_CHECKING

from mezha.errors import LocalProtocolError
from mezha.framing.frame import Data, Resume, Run
from mezha.framing.unsigned import packer, unpacker

if TYPE_CHECKING:
    from mezha.framing.base import Framing

__all__ = [
    "Buffer",
    "Outgoing",
    "delimited_kernel",
    "fixed_kernel",
    "length_kernel",
    "netstring_run",
    "skip_frames",
    "varint_run",
]

#: Parts of a message below this many bytes are joined into one buffer for the system; larger ones are not copied.
_JOIN_BELOW = 8192
#: How many messages to cut when one is asked for.
_AHEAD = 32
#: The header of a frame of the mezha protocol.
_HEADER = Struct(">IB").unpack_from
#: More bytes than there are.
_UNLIMITED = sys.maxsize


class Kernel:
    """A ``Run`` that can write, too. What goes beyond it, it leaves to ``Framing.encode``: then it returns None."""

    __slots__ = ("run", "write")

    def __init__(self, run: Run, write: Callable[[bytes], bytes | None]) -> None:
        self.run = run
        self.write = write

    def __call__(self, data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        """Cut messages."""
        return self.run(data, start, limit, count)


def length_kernel(width: int, byteorder: str, offset: int, adjust: int, strip: int, before: bytes, after: bytes) -> Run:
    """Return what cuts messages with a length in front; the parameters are those of ``LengthPrefixed``.

    ``before`` and ``after`` are what is fixed in front of the length and behind it.
    """
    pack = packer(width, byteorder)
    unpack = unpacker(width, byteorder)
    longest = 256**width - 1
    head = offset + width
    least = max(head - strip, 0)
    fixed = bool(before or after)

    def run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        messages: list[bytes] = []
        last = len(data) - head
        view = data if isinstance(data, bytes) else memoryview(data)
        while count > 0 and start <= last:
            body = start + head
            begin = start + strip
            stop = body + unpack(data, start + offset)[0] + adjust
            if stop > last + head or not least <= stop - begin <= limit:
                break
            if fixed and (data[start : start + len(before)] != before or data[body : body + len(after)] != after):
                break
            messages.append(bytes(view[begin:stop]))
            start = stop
            count -= 1
        return messages, start

    def run_of_the_usual(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        if not isinstance(data, bytes):
            return run(data, start, limit, count)
        messages: list[bytes] = []
        end = len(data)
        last = end - width
        for _ in repeat(None, min(count, end)):  # a count need not fit a machine word
            if start > last:
                break
            begin = start + width
            stop = begin + unpack(data, start)[0]
            if stop > end or stop - begin > limit:
                break
            messages.append(data[begin:stop])
            start = stop
        return messages, start

    def write_the_usual(message: bytes) -> bytes | None:
        size = len(message)
        return pack(size) + message if size <= longest else None

    return Kernel(run_of_the_usual, write_the_usual) if (offset, adjust, strip) == (0, 0, width) else run


def varint_run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
    """Cut messages with a varint of one, two or three bytes in front; longer ones are rare enough for ``split``."""
    messages: list[bytes] = []
    end = len(data)
    text, view = data if isinstance(data, bytes) else None, memoryview(data)
    while count > 0 and start < end:
        size = data[start]
        begin = start + 1
        if size > 0x7F:
            if begin >= end:
                break
            high = data[begin]
            size += (high << 7) - 0x80
            begin += 1
            if high > 0x7F:
                if begin >= end:
                    break
                high = data[begin]
                size += (high << 14) - 0x4000
                begin += 1
            if not 0 < high < 0x80:
                break
        stop = begin + size
        if stop > end or size > limit:
            break
        messages.append(bytes(view[begin:stop]) if text is None else text[begin:stop])
        start = stop
        count -= 1
    return messages, start


def delimited_kernel(marker: bytes, *, carriage_return: bool, written: bytes) -> Run:
    r"""Return what cuts messages with a marker behind them, and leaves out one ``\r`` before it, if so asked.

    ``written`` is what a compiled kernel puts behind those that it encodes.
    """
    width = len(marker)

    def run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        messages: list[bytes] = []
        text, view = data if isinstance(data, bytes) else None, memoryview(data)
        while count > 0:
            found = data.find(marker, start, start + limit + width + carriage_return)
            if found < 0:
                break
            stop = found - 1 if carriage_return and found > start and data[found - 1] == 13 else found
            if stop - start > limit:
                break
            messages.append(bytes(view[start:stop]) if text is None else text[start:stop])
            start = found + width
            count -= 1
        return messages, start

    return run


def fixed_kernel(size: int) -> Run:
    """Return what cuts messages of one size."""

    def run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        stop = start + size * max(min(count, (len(data) - start) // size), 0)
        view = data if isinstance(data, bytes) else memoryview(data)
        return [bytes(view[place : place + size]) for place in range(start, stop, size)], stop

    return run


#: The digits of a length that fits a machine word.
_DIGITS = 18


def netstring_run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
    """Cut messages with decimal digits and a colon in front, and a comma behind."""
    messages: list[bytes] = []
    end = len(data)
    view = data if isinstance(data, bytes) else memoryview(data)
    while count > 0:
        colon = data.find(b":", start, start + _DIGITS + 1)
        digits = data[start:colon] if colon > start else b""
        if not digits.isdigit() or (digits[0] == 48 and len(digits) > 1):
            break
        begin = colon + 1
        stop = begin + int(digits)
        if stop - begin > limit or stop >= end or data[stop] != 44:
            break
        messages.append(bytes(view[begin:stop]))
        start = stop + 1
        count -= 1
    return messages, start


def skip_frames(data: Data, start: int, kind: int, largest: int) -> int:
    """Return where a run of whole frames of one kind ends, that begins at ``start``.

    ::

        +---------------------+--------+----------------------------------------+
        |  length, big-endian |  kind  |  length - 1 bytes, at most ``largest`` |
        +---------------------+--------+----------------------------------------+
               4 bytes          1 byte
    """
    end = len(data)
    last = end - 5
    while start <= last:
        length, sort = _HEADER(data, start)
        stop = start + 4 + length
        if sort != kind or stop > end or not 0 < length <= largest + 1:
            break
        start = stop
    return start


class Buffer:
    """Bytes received and not handed out yet, and what cuts messages off their front."""

    __slots__ = (
        "_ahead",
        "_ahead_count",
        "_ahead_end",
        "_budget",
        "_count",
        "_data",
        "_limit",
        "_position",
        "_run",
        "ended",
        "moved",
        "need",
        "resume",
        "shut",
    )

    def __init__(self, run: Run | None, limit: int) -> None:
        self._run = run.run if isinstance(run, Kernel) else run
        self._limit = limit
        # The bytes are _data[_position:]. Slices of bytes are the fastest messages, so _data is bytes, but for an
        # unfinished message that grows: appending to a bytearray is linear.
        self._data: bytes | bytearray = b""
        self._position = 0
        # To cut one message costs a call, so pop() cuts a few, and keeps those not asked for yet, the next one last.
        # They were _ahead_count, and end at _ahead_end; in _data they are still there, see _settle().
        self._ahead: list[bytes] = []
        self._ahead_count = 0
        self._ahead_end = 0
        # Both as of the last _settle().
        self._budget = _UNLIMITED
        self._count = 0
        #: Bytes that have to be here before it is worth looking.
        self.need = 1
        #: Where split() has to go on with its search; a kernel would begin it anew.
        self.resume: Resume = 0
        #: Nothing is handed out any more, and what is fed is thrown away.
        self.shut = False
        #: A message was cut since this was last set to False.
        self.moved = False
        #: The end of the stream has been fed.
        self.ended = False

    @property
    def buffered(self) -> int:
        """Bytes fed and not yet handed out in a message."""
        self._settle()
        return len(self._data) - self._position

    @property
    def budget(self) -> int:
        """Bytes that ``pop`` and ``cut`` may hand out, frames and all: a message that has more is left for others.

        With less of it than is here, ``cut`` may return one message where there are more.
        """
        self._settle()
        return self._budget

    @budget.setter
    def budget(self, size: int) -> None:
        self._settle()
        self._budget = size

    @property
    def count(self) -> int:
        """Messages handed out."""
        return self._count + self._ahead_count - len(self._ahead)

    def feed(self, data: Data) -> None:
        """Add bytes that arrived; they are copied. ``b""`` says that the stream has ended, as ``recv`` does.

        Never raises for what the bytes are: that is for ``take``, after the messages before the fault.

        Raises:
            ValueError: bytes after the end.

        """
        if not data:
            self.ended = True
        elif self.ended:
            raise ValueError(f"{len(data)} bytes fed after the end of the stream")
        elif not self.shut:
            rest = self.buffered
            if not rest:
                self._data = bytes(data)
                self._position = 0
            elif rest <= len(data):  # then copying the rest is linear, too
                self._data = b"".join((memoryview(self._data)[self._position :], data))
                self._position = 0
            else:
                buffer = self.front()
                buffer += data

    def idle(self) -> bool:
        """Say whether nothing is here, neither bytes nor the end."""
        return not (self.buffered or self.ended or self.shut)

    def space(self) -> memoryview | None:
        """Return memory into which to receive more, if that saves copying, to be fed then; or None."""
        return None

    def pop(self) -> bytes | None:
        """Cut one message, if that is easy; None leaves the judgement to others."""
        if self.shut:
            return None
        if not self._ahead:
            self._settle()
            here = len(self._data) - self._position
            if self._run is None or self.resume or here < self.need:
                return None
            ahead = 1 if self._budget < here else _AHEAD
            messages, end = self._run(self._data, self._position, self._limit, ahead)
            if not messages or end - self._position > self._budget:
                return None
            self._ahead, self._ahead_end = messages, end
            self._ahead_count = len(messages)
            self._ahead.reverse()
        self.moved = True
        return self._ahead.pop()

    def cut(self, count: int) -> list[bytes]:
        """Cut up to so many messages, as long as that is easy."""
        self._settle()
        # A kernel searches from the front: where split() has begun to search, it has to go on.
        if self.resume or self.shut or self._run is None or len(self._data) - self._position < self.need:
            return []
        if self._budget < len(self._data) - self._position:
            count = min(count, 1)
        messages, position = self._run(self._data, self._position, self._limit, count)
        if position - self._position > self._budget:
            return []
        if messages:
            self._advance(position, len(messages))
            self.moved = True
        return messages

    def whole(self) -> bool:
        """Say whether ``cut`` would return something, if that is easy to say."""
        return bool(self._ahead)

    def front(self) -> bytearray:
        """Return the bytes for others to judge. They begin where nothing has been handed out."""
        self._settle()
        if isinstance(self._data, bytes):
            self._data = bytearray(memoryview(self._data)[self._position :])
        elif self._position:
            del self._data[: self._position]  # moves the start, not the bytes
        self._position = 0
        return self._data

    def cut_at(self, start: int, stop: int, end: int, message: bytes | None = None) -> bytes:
        """Cut the message that was found at these places of ``front()``, or is this one in its other form there."""
        if message is None:
            with memoryview(self._data) as view:
                message = bytes(view[start:stop])
        self._advance(end, 1)
        self.moved = True
        return message

    def skip(self, end: int) -> None:
        """Forget what stands in front of this place of ``front()``."""
        self._advance(end, 0)
        self.moved = True

    def unused(self) -> bytes:
        """Return the bytes fed and not yet handed out; they stay here."""
        self._settle()
        return bytes(self._data[self._position :])

    def _settle(self) -> None:
        """Go to where nothing has been handed out: what was cut ahead is forgotten, to be cut again."""
        if self._ahead_count:
            assert self._run
            end = self._ahead_end
            handed_out = self._ahead_count - len(self._ahead)
            if self._ahead:
                _, end = self._run(self._data, self._position, self._limit, handed_out)
            self._ahead = []
            self._ahead_count = 0
            self._advance(end, handed_out)

    def _advance(self, end: int, count: int) -> None:
        """Forget what has been cut, so many messages."""
        self._budget -= end - self._position
        self._count += count
        if end == len(self._data):  # an idle connection keeps no memory
            self._data, end = b"", 0
        self._position = end
        self.need = 1
        self.resume = 0


class Outgoing:
    """Messages encoded and not yet handed over."""

    __slots__ = ("_encode", "_high", "_largest", "_parts", "_small", "_write", "count", "credit", "shut", "size")

    def __init__(self, framing: "Framing", largest: int, high: int) -> None:
        run = framing.run()
        self._write = run.write if isinstance(run, Kernel) else None
        self._encode = framing.encode
        self._largest = min(largest, _JOIN_BELOW - 1)
        self._high = high
        self._parts: list[Data] = []
        self._small: list[Data] = []  # the last of the parts, not joined yet
        #: Bytes that ``spend`` may still add, frames and all; and messages that it has added.
        self.credit = 0
        self.count = 0
        #: Bytes that ``collect`` would return.
        self.size = 0
        #: Nothing is pushed any more.
        self.shut = False

    def push(self, message: object) -> bool:
        """Encode a message, if that is easy, and say whether it was."""
        if self.shut or type(message) is not bytes or len(message) > self._largest or self.size >= self._high:
            return False
        if self._write is not None:
            wire = self._write(message)
            if wire is None:
                return False
            self._small.append(wire)
            self.size += len(wire)
            return True
        try:
            self.put(self._encode(message))
        except LocalProtocolError:
            return False
        return True

    def limit(self, largest: int) -> None:
        """Take no message that is larger, by ``push`` or ``spend``."""
        self._largest = min(self._largest, largest)

    def spend(self, message: object) -> bool:
        """Encode a message, if that is easy and there is credit for it, and say whether it was."""
        if self.shut or type(message) is not bytes or len(message) > self._largest or self.size >= self._high:
            return False
        try:
            parts = self._encode(message)
        except LocalProtocolError:
            return False
        size = sum(map(len, parts))
        if size > self.credit:
            return False
        self.put(parts)
        self.credit -= size
        self.count += 1
        return True

    def put(self, parts: Sequence[Data]) -> None:
        """Add a message that has been encoded."""
        for part in parts:
            size = len(part)
            self.size += size
            if size < _JOIN_BELOW:
                self._small.append(part)
            else:
                self._finish()
                self._parts.append(part)

    def collect(self) -> list[Data]:
        """Hand over what there is: small parts joined, large ones as they came."""
        self._finish()
        parts, self._parts = self._parts, []
        self.size = 0
        return parts

    def _finish(self) -> None:
        if self._small:
            self._parts.append(b"".join(self._small) if len(self._small) > 1 else self._small[0])
            self._small = []
