"""Sizes: what each side takes, so that what the peer would refuse fails here, before a byte of it is sent."""

from mezha.engine import as_view
from mezha.errors import LocalProtocolError
from mezha.framing import Data
from mezha.session.hello import Hello

__all__ = ["Sizes", "sound"]


class Sizes:
    """The limits of both sides; the peer's are known once it has said hello."""

    __slots__ = ("_ours", "_question", "_theirs")

    def __init__(self, ours: int) -> None:
        self._ours = ours
        self._theirs = self._question = ours

    @property
    def largest(self) -> int:
        """Bytes of the largest message that both sides take."""
        return min(self._ours, self._theirs)

    def learn(self, theirs: Hello) -> None:
        """Note what the peer takes."""
        self._theirs = theirs.max_message
        self._question = theirs.request_bytes

    def refusal(self, size: int, what: str) -> LocalProtocolError | None:
        """Say whose limit a message, a request or an answer of this size is over; None if it is not."""
        for limit, whose, where in (
            (self._ours, "this side", "Limits.max_message"),
            (self._theirs, "the peer", "its max_message"),
            (self._question if what == "request" else size, "the peer", "its bytes of requests"),
        ):
            if size > limit:
                return LocalProtocolError(
                    f"the {what} has {size} bytes, and {whose} takes at most {limit} ({where}): nothing was sent",
                    size=size,
                    limit=limit,
                )
        return None

    def check(self, size: int, what: str) -> None:
        """Raise the refusal, if there is one."""
        if error := self.refusal(size, what):
            raise error


def sound(message: Data) -> bytes | memoryview:
    """Return it as bytes, or a view of bytes.

    Raises:
        TypeError: it holds none.

    """
    return message if isinstance(message, bytes) else as_view(message)
