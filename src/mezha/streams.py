"""What the flavours share about messages in streams: what a source may be, why it fails, how to read like a file."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from mezha.engine import as_view
from mezha.errors import LocalProtocolError
from mezha.framing import Data
from mezha.session import Session
from mezha.session.frames import PIECE, Code

__all__ = ["BARE", "Readable", "Rest", "as_pieces", "cut", "has_room", "why"]

#: What is wrong with asking more of a bare connection.
BARE = (
    "this connection speaks a bare framing, which knows messages and nothing else: "
    "leave framing= out on both sides, and it speaks the mezha protocol"
)


@runtime_checkable
class Readable(Protocol):
    """What can be read like a file."""

    def read(self, size: int, /) -> Data:
        """Return so many bytes or less; none at the end."""
        ...


def as_pieces(source: Iterable[Data] | Data) -> Iterable[Data]:
    """Return the pieces of a source that is there already: the bytes of a message are one."""
    if isinstance(source, bytes | bytearray | memoryview):
        return (as_view(source),)
    return source


def cut(piece: Data) -> Iterable[bytes]:
    """Cut a piece so that each goes out in one frame. They are copies, where the piece might change."""
    if isinstance(piece, bytes) and len(piece) <= PIECE:
        return (piece,)
    view = as_view(piece)
    return (bytes(view[start : start + PIECE]) for start in range(0, len(view), PIECE))


def has_room(session: Session, size: int) -> bool:
    """Say whether so many bytes can be added to the message that is being sent; also if it is over."""
    try:
        return session.stream_room >= size
    except LocalProtocolError:  # to add more raises what is the matter
        return True


def why(error: BaseException) -> tuple[int, str]:
    """Say what to tell the peer of a stream that came to no end: nothing of what is only for this side."""
    if isinstance(error, LocalProtocolError):
        return Code.TOO_LARGE, "it is too large"
    if isinstance(error, TimeoutError):
        return Code.TIMEOUT, "it took too long"
    if isinstance(error, Exception):
        return Code.INTERNAL, "its source failed"
    return Code.CANCELLED, "it was cancelled"


class Rest:
    """What was received of a stream and not asked for."""

    __slots__ = ("_bytes", "ended")

    def __init__(self) -> None:
        self._bytes = bytearray()
        #: Nothing more will be added.
        self.ended = False

    def add(self, piece: bytes) -> None:
        """Add a piece; an empty one is the end."""
        self._bytes += piece
        self.ended = not piece

    def enough(self, size: int) -> bool:
        """Say whether a read of so many bytes (-1: all there will be) need not wait."""
        return self.ended or (size >= 0 and (len(self._bytes) > 0 or not size))

    def take(self, size: int) -> bytes:
        """Take so many bytes, or those that are here."""
        count = len(self._bytes) if size < 0 else size
        taken = bytes(self._bytes[:count])
        del self._bytes[:count]
        return taken
