"""What can be seen of a session from outside: numbers."""

from dataclasses import dataclass

__all__ = ["Stats"]


@dataclass(frozen=True, slots=True)
class Stats:
    """A session in numbers: those that only grow, and those of this moment. Sizes are in bytes."""

    #: Handed over to the system, to the last byte.
    messages_sent: int
    #: Of those, handed to the program at the other side, as far as the peer has said so: the first so many.
    messages_delivered: int
    #: Handed to the program.
    messages_received: int
    #: Requests that this side has asked, and the peer.
    requests_sent: int
    requests_received: int
    #: Everything, frames and all.
    bytes_sent: int
    bytes_received: int

    #: Waits to be sent: for credit, for its turn, or for the system.
    queued: int
    #: Arrived, and not handed to the program yet.
    waiting: int
    #: Of messages, what the peer takes before its program has to take any.
    credit: int
    #: Requests of this side that have no answer yet, and of the peer.
    asked: int
    unanswered: int
    #: How far large messages have come: the one that is going out, and the one that is arriving.
    sending: int
    arriving: int
