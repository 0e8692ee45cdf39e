"""A framing within a framing."""

from collections.abc import Sequence
from dataclasses import dataclass

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing.base import Framing
from mezha.framing.decoder import Decoder
from mezha.framing.frame import Data, Frame, Need, Recover, Verdict
from mezha.framing.recover import past_frame
from mezha.framing.tolerant import Tolerant
from mezha.limits import Limits, Timeouts

__all__ = ["Nested"]


@dataclass(frozen=True, slots=True)
class Nested(Framing):
    r"""A framing within a framing: each message of the outer one is one frame of the inner one, and nothing else.

    ``Nested(LengthPrefixed(2), Lines())`` puts ``Hello!`` on the wire as::

        +-----------+-------------------------------+------+
        |  00   07  |  48   65   6c   6c   6f   21  |  0a  |
        +-----------+-------------------------------+------+
         \_ outer _/ H    e    l    l    o    !      inner

    The limit counts the message alone. What the inner framing adds may be as many bytes as the message, and 32 more.

    Raises:
        ValueError: one of them forgives, which only the outermost can do.

    """

    outer: Framing
    inner: Framing

    def __post_init__(self) -> None:
        for framing in (self.outer, self.inner):
            if isinstance(framing, Tolerant):
                raise ValueError(f"{framing} forgives, and would have to stand around both")

    @property
    def timeouts(self) -> Timeouts:  # type: ignore[override]
        """The time-outs of the outer framing."""
        return self.outer.timeouts

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Frame ``parts`` in the inner framing, and that in the outer one.

        Raises:
            LocalProtocolError: one of them cannot carry that.

        """
        return self.outer.encode(*self.inner.encode(*parts))

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        """Find a message in the outer framing, and that of the inner one in it.

        Raises:
            FramingError: there is none in it, or there is more.

        """
        try:
            verdict = self.outer.split(buffer, _room(limit), resume)
        except MessageTooLarge as error:
            raise MessageTooLarge(
                f"the peer sent {error.size or 'too many'} bytes for one message; this side takes at most {limit} "
                f"(max_message), and {_room(limit)} with what {self.inner} adds",
                limit=limit,
            ) from None
        return (
            verdict._replace(message=self._inside(verdict.cut(buffer), limit))
            if isinstance(verdict, Frame)
            else verdict
        )

    def past_too_large(self) -> Recover | None:
        """Return what goes on behind the outer frame, if the outer framing knows the end of all."""
        return past_frame(self.outer, _room) if self.outer.past_too_large() else None

    def past_garbage(self) -> Recover:
        """Return what the outer framing has; what goes on behind the outer frame, if it has nothing."""
        return self.outer.past_garbage() or past_frame(self.outer, _room)

    def decoder(self, *, limit: int = Limits().max_message) -> Decoder:
        """Return a new decoder."""
        self.outer.decoder(limit=_room(limit))  # they may have something against these limits
        self.inner.decoder(limit=limit)
        return Decoder(self, limit=limit)

    def _inside(self, whole: bytes, limit: int) -> bytes:
        """Return the message of the one frame inside."""
        message: bytes | None = None
        rest = bytearray(whole)
        while rest:
            verdict = self.inner.split(rest, limit)
            if isinstance(verdict, Need):
                raise FramingError(
                    f"a frame inside of another is not whole: it has {len(rest)} bytes, "
                    f"and needs {verdict.size} or more"
                )
            if isinstance(verdict, Frame):
                if message is not None:
                    raise FramingError(f"two frames stand inside of another, not one: {len(whole)} bytes")
                message = verdict.cut(rest)
            del rest[: verdict.end]
        if message is None:
            raise FramingError(f"no frame stands inside of another: {len(whole)} bytes")
        return message


def _room(limit: int) -> int:
    return 2 * limit + 32
