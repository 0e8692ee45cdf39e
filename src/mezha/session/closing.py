"""How a connection came to its end, and what was delivered until then."""

from dataclasses import dataclass
from typing import Literal

from mezha.session.frames import Close, Code

__all__ = ["Ending", "Goodbyes"]

#: What a side says whose peer broke the protocol, or speaks another.
_FAULTS = {Code.PROTOCOL_ERROR, Code.VERSION, Code.UNSUPPORTED, Code.TOO_LARGE}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended, and what became of the messages of this side.

    Where both sides have said goodbye, both have the same ``code`` and ``reason``. In their order, messages are
    delivered, then ``unknown``, then never sent.
    """

    #: ``"closed"``: both sides said goodbye. ``"unanswered"``: only this side did. ``"lost"``: the connection broke
    #: before. ``"fault"``: one side found that the other broke the protocol.
    how: Literal["closed", "unanswered", "lost", "fault"]
    #: Why, in a number: 0 where all was well.
    code: int
    #: Why, in the words of who closed.
    reason: str
    #: It was the peer who closed, or who found the fault.
    by_peer: bool
    #: Messages that were handed over to the system, to the last byte.
    sent: int
    #: Of those, what the program at the other side was handed for certain, since the peer has said so: the first so
    #: many. An orderly goodbye says it when nothing is left to be taken; before, each answer to a ping did.
    delivered: int
    #: Messages that were accepted for sending, and not sent.
    never_sent: int

    @property
    def unknown(self) -> int:
        """Messages that were sent, and that nobody here knows more of: the program may have been handed them."""
        return self.sent - self.delivered


class Goodbyes:
    """The CLOSE of each side. Crossing, each is the answer to the other."""

    __slots__ = ("_answer", "ours", "theirs")

    def __init__(self) -> None:
        #: What this side says, or would have said, had there been a way.
        self.ours: Close | None = None
        #: What the peer said.
        self.theirs: Close | None = None
        self._answer = False

    def answer(self, taken: int) -> Close:
        """Say goodbye because the peer did."""
        self._answer = True
        self.ours = Close(0, taken, "")
        return self.ours

    def ending(self, *, fault: bool, lost: bool, sent: int, delivered: int, never_sent: int) -> Ending | None:
        """Say how it ended; None if it has not.

        Of two goodbyes that crossed, the higher code counts, so that both sides see the same.
        """
        ours, theirs = self.ours, self.theirs
        if not ours and not theirs:
            return Ending("lost", 0, "", False, sent, delivered, never_sent) if lost else None
        why = ours
        if theirs and (self._answer or not ours or (theirs.code, theirs.text) > (ours.code, ours.text)):
            why = theirs
        assert why
        by_peer = why is theirs
        how: Literal["closed", "unanswered", "lost", "fault"]
        if fault or why.code in _FAULTS:
            how = "fault"
        elif theirs:
            how = "closed"
        else:
            how = "lost" if lost else "unanswered"
        return Ending(how, why.code, why.text, by_peer, sent, delivered, never_sent)
