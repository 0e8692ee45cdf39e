"""The ledger: which messages of a client that connects again were delivered, may have been, or were never sent."""

from collections import deque

from mezha.reconnect import Loss
from mezha.session.closing import Ending
from mezha.session.frames import HEADER

__all__ = ["Ledger"]


class Ledger:
    r"""Keeps each message until it is known to be delivered, over all connections.

    ::

        add            next                          confirm
        ---> waiting  ------> gone, over this connection ----> delivered, and forgotten
                ^               |
                |  never sent   |  lose
                +---------------+----> unknown: told, and forgotten; or sent again

    Messages keep their order. What is kept is bounded: there is ``room`` for another as long as less than ``outbox``
    bytes wait, and less than ``most`` are kept together. The peer is to be asked (``due``) after each quarter of that
    what it has taken, so that there always comes room as long as its program takes something.
    """

    __slots__ = (
        "_asked",
        "_confirmed",
        "_gone",
        "_gone_size",
        "_most",
        "_outbox",
        "_waiting",
        "_waiting_size",
        "delivered",
        "given_up",
        "unknown",
    )

    def __init__(self, outbox: int, inbox: int) -> None:
        """Both are in bytes: what may wait here, and beside it what may be under way to the peer or in its inbox."""
        self._outbox = outbox
        self._most = outbox + inbox
        self._waiting: deque[bytes] = deque()
        self._waiting_size = 0
        self._gone: deque[bytes] = deque()
        self._gone_size = 0
        self._confirmed = 0  # of this connection
        self._asked = 0  # bytes that have gone since the peer was asked
        #: Messages that were delivered.
        self.delivered = 0
        #: Messages of which nobody knows, over the connections that were lost.
        self.unknown = 0
        #: Messages that were accepted, and told of as never to be sent.
        self.given_up = 0

    @property
    def waiting(self) -> int:
        """Messages that have not gone over any connection."""
        return len(self._waiting)

    @property
    def room(self) -> bool:
        """Whether another message may be added."""
        return self._waiting_size < self._outbox and not self.full

    @property
    def full(self) -> bool:
        """Whether so much is kept that messages have to be confirmed before others are added."""
        return self._waiting_size + self._gone_size >= self._most

    @property
    def due(self) -> bool:
        """Whether it is time to ask the peer what it has taken."""
        return self._asked * 4 >= self._most

    # -- messages -----------------------------------------------------------------------------------------------------

    def add(self, message: bytes) -> None:
        """Add a message, behind all others."""
        self._waiting.append(message)
        self._waiting_size += _cost(message)

    def withdraw(self) -> None:
        """Forget the message that was added last: it has not gone."""
        self._waiting_size -= _cost(self._waiting.pop())

    def next(self) -> bytes | None:
        """Let the next message go over this connection; ``None`` if none waits."""
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        self._waiting_size -= _cost(message)
        self._gone.append(message)
        self._gone_size += _cost(message)
        self._asked += _cost(message)
        return message

    def take_back(self) -> None:
        """Let the message that went last wait again: the connection did not take it."""
        message = self._gone.pop()
        self._gone_size -= _cost(message)
        self._asked -= _cost(message)
        self._waiting.appendleft(message)
        self._waiting_size += _cost(message)

    def refuse(self, error: Exception) -> Loss:
        """Forget the message that went last, because no connection takes it; return what is to be told of it."""
        self.take_back()
        message = self._waiting.popleft()
        self._waiting_size -= _cost(message)
        self.given_up += 1
        return Loss(error, 0, (), (message,), final=True)

    def asked(self) -> None:
        """Note that the peer has been asked."""
        self._asked = 0

    def confirm(self, delivered: int) -> bool:
        """Note how many messages of this connection are delivered, by what the peer says; return whether more are.

        It never says less than before, nor more than have gone.
        """
        count = delivered - self._confirmed
        for _ in range(count):
            self._gone_size -= _cost(self._gone.popleft())
        self._confirmed = delivered
        self.delivered += count
        return count > 0

    # -- the end of a connection --------------------------------------------------------------------------------------

    def lose(self, cause: Exception, sent: int, delivered: int, *, resend: bool = False, final: bool = False) -> Loss:
        """Note that this connection is over; return what became of the messages.

        ``sent`` and ``delivered`` say how many of them were given to the system, and were confirmed. Those never sent
        wait for the next connection, with ``resend`` the unknown ones before them; unless this was the ``final`` one.
        """
        self.confirm(delivered)
        rest = list(self._gone)
        unknown, unsent = rest[: sent - delivered], rest[sent - delivered :]
        never_sent = (*unsent, *self._waiting)
        resend = resend and not final
        if resend:
            unsent = rest
        else:
            self.unknown += len(unknown)
        if final:
            self.given_up += len(never_sent)
            self._waiting.clear()
            self._waiting_size = 0
        else:
            self._waiting.extendleft(reversed(unsent))
            self._waiting_size += sum(map(_cost, unsent))
        self._gone.clear()
        self._gone_size = self._asked = 0
        self._confirmed = 0
        return Loss(cause, delivered, tuple(unknown), never_sent, resend, final)

    def ending(self, last: Ending) -> Ending:
        """Say of all connections together what ``last`` says of the last one, after ``lose``."""
        return Ending(
            last.how,
            last.code,
            last.reason,
            last.by_peer,
            sent=self.delivered + self.unknown,
            delivered=self.delivered,
            never_sent=len(self._waiting) + self.given_up,
        )


def _cost(message: bytes) -> int:
    """Return what a message costs here: empty ones are not for nothing, either."""
    return HEADER + len(message)
