"""The welcome: the first bytes of a peer, until its HELLO is whole. A stranger costs no more than those."""

import math
from functools import lru_cache

from mezha.errors import FramingError, HandshakeError
from mezha.framing import Data, Frame
from mezha.session.frames import HEADER, LONGEST_HELLO, Code, Frames, Kind
from mezha.session.greeting import MAGIC, check_magic, not_greeted
from mezha.session.hello import Hello

__all__ = ["Welcome"]

_FRAMES = Frames()


@lru_cache(maxsize=64)
def _decode(body: bytes, speaks: tuple[int, ...]) -> Hello:
    """Read a HELLO. Most peers of a server say the same, and it is kept but once."""
    return Hello.decode(body, speaks=speaks)


class Welcome:
    """Waits for the magic and a HELLO."""

    __slots__ = ("_first", "_speaks", "due", "rest")

    def __init__(self, speaks: tuple[int, ...]) -> None:
        """``speaks`` are the versions of this side."""
        self._speaks = speaks
        #: When it is late.
        self.due = math.inf
        self._first = bytearray()
        #: What came behind the HELLO.
        self.rest = b""

    def feed(self, data: Data) -> Hello | None:
        """Add bytes; return the HELLO once it is whole.

        Raises:
            HandshakeError: it is something else.

        """
        first = self._first
        first += data
        if not check_magic(first) or len(first) < len(MAGIC) + HEADER:
            return None
        header = first[len(MAGIC) : len(MAGIC) + HEADER]
        try:
            verdict = _FRAMES.split(header, 1 + LONGEST_HELLO)
        except FramingError as error:
            raise HandshakeError(f"the peer began the mezha protocol, but not with a HELLO: {error}") from None
        if header[4] != Kind.HELLO:
            raise HandshakeError(f"the peer began with a {Kind(header[4]).name} frame, and a HELLO must come first")
        size = verdict.end if isinstance(verdict, Frame) else verdict.size
        if len(first) < len(MAGIC) + size:
            return None
        self.rest = bytes(first[len(MAGIC) + size :])
        return _decode(bytes(first[len(MAGIC) + HEADER : len(MAGIC) + size]), self._speaks)

    @property
    def stranger(self) -> bool:
        """Whether what has come cannot become a welcome."""
        return not MAGIC.startswith(self._first[: len(MAGIC)])

    def missing(self) -> HandshakeError:
        """Return the error for one that does not come any more."""
        first = bytes(self._first)
        if first.startswith(MAGIC):
            return HandshakeError(
                f"the peer began the mezha protocol and did not finish its HELLO: "
                f"{len(first) - len(MAGIC)} bytes of it have arrived"
            )
        return not_greeted(first)

    def late(self, seconds: float) -> HandshakeError:
        """Return the error for one that has not come in so many seconds."""
        return HandshakeError(f"{self.missing()}, in {seconds:g} s (Timeouts.handshake)", code=Code.TIMEOUT)
