"""The carrier: what a client that connects again knows, and decides, over all of its connections. No I/O, no clock."""

from collections.abc import Callable
from copy import copy

from mezha.errors import ClosedByPeer, ClosedByUs, ConnectionLost, LocalProtocolError, MezhaError
from mezha.limits import Limits
from mezha.reconnect import Attempts, Loss, Reconnect, mends
from mezha.session.closing import Ending
from mezha.session.ledger import Ledger
from mezha.session.session import Session

__all__ = ["NO_DETACH", "NO_END", "NO_FILE", "NO_STREAM", "Carrier"]

#: What is wrong with what cannot be done over more than one connection.
NO_END = (
    "a peer that connects again cannot end one direction: the end would have to be said again over the next "
    "connection; close() ends both"
)
NO_STREAM = (
    "a peer that connects again keeps what it sends until that is confirmed, and of a stream it has only pieces: "
    "send() it as a message, or in several"
)
NO_DETACH = "a connection that speaks the mezha protocol cannot be detached: close() ends it"
NO_FILE = "a peer that connects again has another socket each time: there is no file descriptor to wait for"


class Carrier:
    """Carries messages from one connection over to the next.

    A driver must:

    - ``carry`` each session that it has opened, and let one send at a time what ``ledger.next`` returns, in order;
    - ``look`` after each call of the session, and write what the session has then;
    - when the session is over, and nobody is sending, call ``lost``; then wait ``attempts.delay``, and open the next;
      tell ``failed`` of what cannot be opened; until there is a ``failure``, or it is closed.
    """

    __slots__ = ("_largest", "_last", "_reconnect", "attempts", "closed", "failure", "ledger", "session")

    def __init__(self, reconnect: Reconnect, limits: Limits, chance: Callable[[], float]) -> None:
        """``chance`` returns a random number from 0 to 1."""
        self._reconnect = reconnect
        self._largest = limits.max_message
        self._last: Ending | None = None  # of the connection before
        #: Which messages are delivered, and which are not.
        self.ledger = Ledger(limits.outbox, limits.inbox)
        #: When to try again.
        self.attempts = Attempts(reconnect, chance)
        #: The connection that there is; ``None`` while there is none.
        self.session: Session | None = None
        #: Why no connection comes any more.
        self.failure: Exception | None = None
        #: This side has closed.
        self.closed = False

    def carry(self, session: Session) -> None:
        """Go on with this connection."""
        self.session = session

    def more(self) -> bool:
        """Say whether there is a connection, or may be another."""
        return self.failure is None

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self.session is not None and not self.session.over

    @property
    def unsettled(self) -> bool:
        """Whether messages wait: for a connection, for the system to take them, or to be accounted for."""
        session = self.session
        return bool(self.ledger.waiting) or (session is not None and (session.over or session.backlog > 0))

    def look(self) -> bool:
        """See what has come of a call of the session; return whether those who wait should look, too."""
        session = self.session
        if session is None:
            return False
        news = self.ledger.confirm(session.delivered)
        return news or session.over or self.closed

    def probe(self) -> bool:
        """Ask the peer what it has taken, if that is due, or awaited; return whether it was asked."""
        session, ledger = self.session, self.ledger
        if session is None or session.over or not (ledger.due or ledger.full):
            return False
        session.probe()
        ledger.asked()
        return True

    # -- what a program wants -----------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise if nothing will be sent or asked any more."""
        if self.closed:
            raise ClosedByUs("this connection was closed on this side")
        if self.failure is not None:
            raise copy(self.failure)

    def check_size(self, size: int) -> None:
        """Raise if a message is over the limit of this side: no connection will take it."""
        if size > self._largest:
            raise LocalProtocolError(
                f"the message has {size} bytes, and this side takes at most {self._largest} (Limits.max_message): "
                f"nothing was sent",
                size=size,
                limit=self._largest,
            )

    def goes_on(self, error: MezhaError) -> bool:
        """Say whether what a connection raised is no matter, as there is, or will be, another."""
        return not self.closed and (mends(error) or isinstance(error, ClosedByUs))

    @staticmethod
    def as_lost(error: MezhaError) -> MezhaError:
        """Say it as who asked something should hear it: the connection was lost, also where its server stopped."""
        if isinstance(error, ClosedByPeer) and mends(error):
            return ConnectionLost(f"the connection was lost, with a request under way: {error}")
        return error

    # -- the end of a connection --------------------------------------------------------------------------------------

    def lost(self, now: float) -> Loss | None:
        """Note that the connection is over; return what became of the messages. It does nothing after ``left``."""
        session, self.session = self.session, None
        if session is None:
            return None
        cause = session.trouble
        assert cause
        self._last = session.ending
        stats = session.stats
        if not mends(cause) or not self.attempts.lost(now, greeted=session.greeted):
            self.failure = cause
        return self._lose(cause, stats.messages_sent, stats.messages_delivered)

    def failed(self, error: Exception, now: float) -> Loss | None:
        """Note that no connection could be opened; return what will never be sent, if that was the last attempt."""
        if mends(error) and self.attempts.lost(now, greeted=False):
            return None
        self.failure = error
        return self._lose(error, 0, 0)

    def left(self, last: Ending | None) -> tuple[Ending, Loss | None]:
        """Note that this side has closed; return how it ended, and what was not delivered, if that is anything.

        ``last`` is the ending of the connection that there was; without one, that of the one before counts.
        """
        self.closed = True
        self.session = None
        sent, delivered = (last.sent, last.delivered) if last else (0, 0)
        cause = ClosedByUs("this connection was closed on this side")
        loss = self.ledger.lose(cause, sent, delivered, final=True)
        last = last or self._last
        assert last
        return self.ledger.ending(last), loss if loss.unknown or loss.never_sent else None

    def _lose(self, cause: Exception, sent: int, delivered: int) -> Loss:
        resend = self._reconnect.unknown == "resend"
        return self.ledger.lose(cause, sent, delivered, resend=resend, final=self.failure is not None)
