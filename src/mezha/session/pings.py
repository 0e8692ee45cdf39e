"""Pings: which PONG answers which PING, and how long the way there and back took."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mezha.errors import MezhaError, RemoteProtocolError
from mezha.session.events import Ponged
from mezha.session.frames import Kind, Token

__all__ = ["MOST_PINGS", "Pings"]

#: PINGs that may be under way.
MOST_PINGS = 16


class _Ping(NamedTuple):
    number: int
    sent: float
    #: Somebody waits for the answer; it is not the heartbeat's.
    wanted: bool


class Pings:
    """The PINGs of this side. Not all may be under way at once: the others wait in line."""

    __slots__ = ("_last", "_line", "_sent")

    def __init__(self) -> None:
        self._last = 0
        self._sent: Sequence[_Ping] = ()  # in the order in which they are to be answered
        self._line: Sequence[int] = ()

    def ask(self) -> int:
        """Put a ping in line; return its number."""
        self._last += 1
        self._line = (*self._line, self._last)
        return self._last

    def next(self, now: float) -> Token | None:
        """Return the PING that is next in line, if there may be one more; it is under way from now on."""
        if not self._line or len(self._sent) >= MOST_PINGS:
            return None
        number, *self._line = self._line
        return self._send(_Ping(number, now, True))

    def beat(self, now: float) -> Token | None:
        """Return a PING of the heartbeat; None if enough are under way."""
        if len(self._sent) >= MOST_PINGS:
            return None
        self._last += 1
        return self._send(_Ping(self._last, now, False))

    def pong(self, token: bytes, now: float) -> Ponged | None:
        """Take a PONG; return what it means to whoever waits for it.

        Raises:
            RemoteProtocolError: it is not the answer that is next.

        """
        if not self._sent or token != _token(self._sent[0].number):
            raise RemoteProtocolError(f"the peer sent the PONG {token.hex()}, which answers no PING that is next")
        ping, *self._sent = self._sent
        return Ponged(ping.number, now - ping.sent) if ping.wanted else None

    def give_up(self, error: Callable[[], MezhaError]) -> list[Ponged]:
        """Wait for nothing any more; each ping gets an error of its own."""
        numbers = [*(ping.number for ping in self._sent if ping.wanted), *self._line]
        self._sent = [ping._replace(wanted=False) for ping in self._sent]
        self._line = ()
        return [Ponged(number, error()) for number in numbers]

    def _send(self, ping: _Ping) -> Token:
        self._sent = (*self._sent, ping)
        return Token(Kind.PING, _token(ping.number))


def _token(number: int) -> bytes:
    return number.to_bytes(8, "big")
