"""Pings: how long the way there and back takes, for who wants to know."""

from collections.abc import Callable

from mezha.errors import MezhaError
from mezha.session.events import Ponged
from mezha.session.frames import Kind, Token

__all__ = ["Pings"]


class Pings:
    """Numbers the PINGs of this side, those of the heartbeat included; a PONG answers its PING and all before it."""

    __slots__ = ("_number", "_sent")

    def __init__(self) -> None:
        self._number = 0
        self._sent: dict[int, float] = {}  # when; of those for which somebody waits

    def ping(self, now: float | None = None) -> Token:
        """Return the next PING. Somebody waits for its PONG if the time is given."""
        self._number += 1
        if now is not None:
            self._sent[self._number] = now
        return Token(Kind.PING, self._number.to_bytes(8, "big"))

    @property
    def last(self) -> int:
        """The number of the last PING."""
        return self._number

    def pong(self, token: bytes, now: float) -> list[Ponged]:
        """Return what came of the pings that it answers. One that answers none is nothing."""
        number = int.from_bytes(token, "big")
        answered = [sent for sent in self._sent if sent <= number <= self._number] if self._sent else []
        return [Ponged(sent, now - self._sent.pop(sent)) for sent in answered]

    def give_up(self, error: Callable[[], MezhaError]) -> list[Ponged]:
        """Wait for no PONG any more; each ping gets an error of its own."""
        sent, self._sent = self._sent, {}
        return [Ponged(number, error()) for number in sent]
