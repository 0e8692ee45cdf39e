"""The heartbeat: silence is broken by a PING, and a peer that stays silent is given up."""

import math

__all__ = ["LATE", "Heartbeat"]

#: Seconds. A look that comes so late says that this process slept, and not that the peer did.
LATE = 1.0


class Heartbeat:
    """Knows when something was last heard, and when to look again.

    ``beat`` is the heartbeat of the connection in seconds, the shorter of what both sides announced: twice in it each
    of them looks, and sends a PING if since its last look it has sent nothing or heard nothing. So a living peer is
    heard twice in a beat, whatever is stuck in the other direction. ``patience``, this side's own heartbeat, says when
    to give the peer up: after twice as long without a byte; ``None`` is never.
    """

    __slots__ = ("_every", "_grace", "_looked", "_patience", "heard", "sent")

    def __init__(self) -> None:
        self._every = self._patience = self._grace = math.inf
        self._looked = 0.0
        #: When the last byte arrived.
        self.heard = 0.0
        #: Something was sent since the last look.
        self.sent = False

    def begin(self, now: float, beat: float, patience: float | None) -> None:
        """Begin to look, if there is a beat (0: there is none)."""
        self.heard = self._looked = self._grace = now
        if beat:
            self._every = beat / 2
        if patience is not None:
            self._patience = patience

    def relax(self) -> None:
        """Expect to hear nothing more."""
        self._patience = math.inf

    def deadline(self) -> float:
        """Return when to look; ``inf`` for never."""
        return min(self._looked + self._every, self._given_up)

    def silence(self, now: float) -> float | None:
        """Return how long the peer has been silent, if that is too long; look first."""
        return now - self.heard if now >= self._given_up else None

    def look(self, now: float) -> bool:
        """Look, if it is time; say whether to send a PING."""
        due = self.deadline()
        if now < due:
            return False
        late = now - due > LATE
        if late:  # what has been sent may be waiting to be read: ask again, and listen half as long
            self._grace = now + self._patience
        elif now < self._looked + self._every:
            return False
        ask = late or not self.sent or self.heard <= self._looked
        self.sent = False
        self._looked = now
        return ask

    @property
    def _given_up(self) -> float:
        return max(self.heard + 2 * self._patience, self._grace)
