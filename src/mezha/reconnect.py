"""Connecting again: how often and after how long, and what is told of a connection that was lost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mezha.errors import ClosedByPeer, ConnectionLost, HandshakeError

__all__ = ["Attempts", "Loss", "Reconnect", "mends", "require_protocol"]

#: The codes of the mezha protocol for a server that stops, and for what took too long.
_GOING_AWAY = 1
_TIMEOUT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """How a client connects again when its connection has broken. Times are in seconds.

    The n-th attempt is made after ``first * factor ** n`` seconds, but never more than ``most``: all of it, or less by
    chance, so that the clients of a server that was restarted do not come back all at once.
    """

    #: Before the first attempt.
    first: float = 0.5
    #: By how much each wait is longer than the one before.
    factor: float = 2.0
    #: The longest wait.
    most: float = 30.0
    #: How much of each wait is left to chance: 1 for all of it, 0 for none.
    jitter: float = 1.0
    #: So many attempts that fail, one after the other, are enough; ``None``: never give up for their number.
    attempts: int | None = None
    #: So many seconds without a connection are enough; ``None``: never give up for the time.
    within: float | None = None
    #: What becomes of messages that were sent, and of which nobody knows whether they arrived: they are told of in the
    #: ``Loss`` and left to the program, or sent again as well, so that some may arrive twice.
    unknown: Literal["report", "resend"] = "report"

    def __post_init__(self) -> None:
        for name in ("first", "most"):
            value: float = getattr(self, name)
            _require(value >= 0, f"{name} must be 0 or more seconds, not {value}")
        _require(self.most > 0, "most must be more than 0 seconds: attempts without a pause help nobody")
        _require(self.first > 0, "first must be more than 0 seconds: attempts without a pause help nobody")
        _require(self.factor >= 1, f"factor must be 1 or more, not {self.factor}")
        _require(0 <= self.jitter <= 1, f"jitter must be 0 to 1, not {self.jitter}")
        _require(self.attempts is None or self.attempts >= 1, f"attempts must be 1 or more, not {self.attempts}")
        _require(self.within is None or self.within >= 0, f"within must be 0 or more seconds, not {self.within}")
        _require(self.unknown in ("report", "resend"), f"unknown must be 'report' or 'resend', not {self.unknown!r}")

    def delay(self, attempt: int, chance: float) -> float:
        """Return how long to wait before an attempt, from 0 on; ``chance`` is a random number from 0 to 1."""
        try:
            longest = min(self.first * self.factor**attempt, self.most)
        except OverflowError:
            longest = self.most
        return longest * (1 - self.jitter * chance)


@dataclass(frozen=True, slots=True)
class Loss:
    """What is known of the messages of a connection that was lost. Each that had been sent is in one class.

    In the order in which they were sent: delivered, then unknown, then never sent.
    """

    #: Why it was lost; or why no connection comes any more.
    cause: Exception
    #: Messages that the program at the other side was handed, for certain.
    delivered: int
    #: Messages that were sent, and that nobody here knows more of: the program may have been handed them.
    unknown: tuple[bytes, ...]
    #: Messages of which not all was given to the system. They go out over the next connection, by themselves.
    never_sent: tuple[bytes, ...]
    #: The unknown ones go out again as well (``Reconnect.unknown``).
    resent: bool = False
    #: What was never sent stays so: there will be no other connection, or none that takes this message.
    final: bool = False

    def __str__(self) -> str:
        """Say it in a line, without the messages."""
        again = ", which go out again" if self.resent else ""
        unsent = ", nor will be" if self.final else ", which go out over the next connection"
        return (
            f"{str(self.cause) or type(self.cause).__name__}; messages: {self.delivered} delivered, "
            f"{len(self.unknown)} unknown{again}, {len(self.never_sent)} never sent{unsent}"
        )


def mends(error: Exception) -> bool:
    """Say whether another connection may help: this one broke, or its server stops.

    It does not where the peer ended it in order, or broke the protocol: that would happen again, and again.
    """
    match error:
        case ClosedByPeer(code=code):
            return code == _GOING_AWAY
        case HandshakeError(code=code):
            return code == _TIMEOUT
        case _:
            return isinstance(error, ConnectionLost | OSError)


def require_protocol(reconnect: object, on_loss: object, framing: object) -> None:
    """Refuse to connect again over a bare framing, which does not say what was delivered.

    Raises:
        TypeError: as above; or ``on_loss`` is given, and nothing will ever call it.

    """
    if reconnect is not None and framing is not None:
        raise TypeError(
            "reconnect= needs the mezha protocol, which says what was delivered: leave framing= out on both sides"
        )
    if reconnect is None and on_loss is not None:
        raise TypeError("on_loss= is for connections that are made again: give reconnect=Reconnect(), too")


class Attempts:
    """Counts the attempts since the last connection that was one, and says when to make the next. Has no clock."""

    __slots__ = ("_chance", "_count", "_reconnect", "_since")

    def __init__(self, reconnect: Reconnect, chance: Callable[[], float]) -> None:
        """``chance`` returns a random number from 0 to 1, as ``random.random`` does."""
        self._reconnect = reconnect
        self._chance = chance
        self._count = 0
        self._since: float | None = None

    def lost(self, now: float, *, greeted: bool) -> bool:
        """Note the end of a connection, or an attempt that failed; return False if that was the last.

        A connection over which the peer has not said hello (``greeted``) was none: what accepts and hangs up, as a load
        balancer without servers does, is an attempt that failed.
        """
        if greeted:
            self._count = 0
            self._since = now
            return True
        if self._since is None:
            self._since = now
        self._count += 1
        attempts, within = self._reconnect.attempts, self._reconnect.within
        return not (
            (attempts is not None and self._count >= attempts) or (within is not None and now - self._since >= within)
        )

    def delay(self, now: float) -> float:
        """Return how many seconds to wait before the next one."""
        delay = self._reconnect.delay(self._count, self._chance())
        within = self._reconnect.within
        if within is not None and self._since is not None:
            delay = min(delay, max(self._since + within - now, 0))
        return delay


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ValueError(text)
