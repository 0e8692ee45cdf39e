"""Sizes: what each side takes, so that what the peer would refuse fails here, before a byte of it is sent."""

from mezha.engine import as_view
from mezha.errors import LocalProtocolError
from mezha.framing import Data
from mezha.session.hello import SMALLEST_REQUEST_BYTES, SMALLEST_REQUESTS, Hello

__all__ = ["Sizes", "sound"]


class Sizes:
    """What both sides said in their HELLOs. Until the peer's has come, what every peer takes."""

    __slots__ = ("ours", "theirs")

    def __init__(self, ours: Hello) -> None:
        self.ours = ours
        self.theirs: Hello | None = None

    @property
    def largest(self) -> int:
        """Bytes of the largest message that both sides take."""
        ours = self.ours.max_message
        return min(ours, self.theirs.max_message) if self.theirs else ours

    @property
    def questions(self) -> int:
        """Requests of this side that the peer takes at a time."""
        return self.theirs.requests if self.theirs else SMALLEST_REQUESTS

    @property
    def question_bytes(self) -> int:
        """Bytes of their bodies together."""
        return self.theirs.request_bytes if self.theirs else SMALLEST_REQUEST_BYTES

    def refusal(self, size: int, what: str) -> LocalProtocolError | None:
        """Say whose limit a message, a request or an answer of this size is over; None if it is not."""
        limits = [(self.ours.max_message, "this side", "Limits.max_message")]
        if self.theirs:
            limits.append((self.theirs.max_message, "the peer", "its max_message"))
            if what == "request":
                limits.append((self.theirs.request_bytes, "the peer", "its bytes of requests"))
        for limit, whose, where in limits:
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
