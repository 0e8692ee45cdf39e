"""Pings: which PONG answers which PING, and how long the way there and back took."""

from collections.abc import Callable, Sequence

from mezha.errors import MezhaError
from mezha.session.events import Ponged
from mezha.session.frames import Ping

__all__ = ["Pings"]


class Pings:
    """The PINGs of this side. A PONG answers its PING, and all before it."""

    __slots__ = ("_last", "_wanted")

    def __init__(self) -> None:
        self._last = 0  # the number of the last PING
        self._wanted: Sequence[tuple[int, float]] = ()  # those for which somebody waits, and when they were sent

    @property
    def last(self) -> int:
        """The number of the last PING."""
        return self._last

    def ping(self) -> Ping:
        """Return a PING."""
        self._last += 1
        return Ping(self._last.to_bytes(8, "big"))

    def want(self, now: float) -> None:
        """Note that somebody waits for the answer to the last PING, which is sent now."""
        self._wanted = (*self._wanted, (self._last, now))

    def pong(self, token: bytes, now: float) -> list[Ponged]:
        """Take a PONG; return what it means to those who wait. One that answers no PING is nothing."""
        number = int.from_bytes(token, "big")
        if not self._wanted or number > self._last:
            return []
        answered = [Ponged(ping, now - sent) for ping, sent in self._wanted if ping <= number]
        self._wanted = self._wanted[len(answered) :]
        return answered

    def give_up(self, error: Callable[[], MezhaError]) -> list[Ponged]:
        """Let nobody wait any more; each gets an error of its own."""
        wanted, self._wanted = self._wanted, ()
        return [Ponged(ping, error()) for ping, _ in wanted]
