"""Large messages in pieces: one is cut as it goes out, another put together as it arrives."""

from collections import deque
from io import BytesIO

from mezha.errors import MessageTooLarge
from mezha.framing import Data

__all__ = ["Assembly", "Cutting"]


class Cutting:
    """Bytes that go out in pieces, as far as they are here."""

    __slots__ = ("_parts", "begun", "rest", "size", "whole")

    def __init__(self, *parts: memoryview, whole: bool = True) -> None:
        self._parts = deque(part for part in parts if part)
        #: Bytes of it that are here and have not been cut off.
        self.rest = sum(map(len, parts))
        #: Bytes of it that have ever been here.
        self.size = self.rest
        #: No more will be added.
        self.whole = whole
        #: A piece of it has been cut off.
        self.begun = False

    @property
    def gone(self) -> int:
        """Bytes of it that have been cut off."""
        return self.size - self.rest

    def add(self, part: memoryview) -> None:
        """Add bytes to its end; they are kept by reference."""
        if part:
            self._parts.append(part)
            self.rest += len(part)
            self.size += len(part)

    def cut(self, size: int) -> list[memoryview]:
        """Cut so many bytes off its front, which are here."""
        self.begun = True
        self.rest -= size
        piece: list[memoryview] = []
        while size:
            part = self._parts.popleft()
            if len(part) > size:
                self._parts.appendleft(part[size:])
                part = part[:size]
            piece.append(part)
            size -= len(part)
        return piece


class Assembly:
    """Bytes that arrive in pieces, as far as they have come. Memory is at most twice what is here, whatever follows."""

    __slots__ = ("_body", "_limit", "_room", "_what", "held", "size")

    def __init__(self, what: str, limit: int) -> None:
        self._what = what
        self._limit = limit
        self._body = BytesIO()
        self._room = 0  # bytes for which the body has memory
        #: Bytes that have come, those already taken included.
        self.size = 0
        #: Bytes of credit that it has cost, and that were not given back.
        self.held = 0

    def add(self, piece: Data) -> None:
        """Add a piece.

        Raises:
            MessageTooLarge: now it is over the limit.

        """
        self.size += len(piece)
        if self.size > self._limit:
            raise MessageTooLarge(
                f"the peer sends {self._what} of {self.size} bytes or more; "
                f"this side takes at most {self._limit} (max_message)",
                limit=self._limit,
            )
        here = self._body.tell()
        if here and here + len(piece) > self._room:
            self._room = max(2 * here, here + len(piece))
            self._reserve(here)
        self._body.write(piece)

    def take(self) -> bytes:
        """Return what has come and was not taken before."""
        body, self._body = self._body, BytesIO()
        self._room = 0
        return body.getvalue()

    def _reserve(self, here: int) -> None:
        """Take the memory at once: a BytesIO would grow by an eighth each time, and copy all that is here."""
        self._body.seek(self._room - 1)
        self._body.write(b"\0")
        self._body.truncate(here)
        self._body.seek(here)
