"""How a connection came to its end, and what was delivered until then."""

from dataclasses import dataclass
from typing import Literal

from mezha.session.frames import Close

__all__ = ["Ending", "Goodbyes"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended, and what became of the messages of this side.

    Where both sides have said goodbye, both have the same ``code`` and ``reason``, and ``delivered`` is how many
    messages the program at the other side was handed, exactly: the first so many.
    """

    #: ``"closed"``: both sides said goodbye. ``"unanswered"``: only this side did. ``"lost"``: the connection broke
    #: before. ``"fault"``: the peer broke the protocol.
    how: Literal["closed", "unanswered", "lost", "fault"]
    #: Why, in a number: 0 where all was well.
    code: int
    #: Why, in the words of who closed.
    reason: str
    #: The peer closed, and not this side.
    by_peer: bool
    #: Messages that were handed over to the system, to the last byte.
    sent: int
    #: Messages that the program at the other side was handed. ``None`` if nobody can know: none to ``sent``.
    delivered: int | None
    #: Messages that were accepted for sending, and not sent.
    never_sent: int


class Goodbyes:
    """The CLOSE of each side. Crossing, each is the answer to the other."""

    __slots__ = ("_answer", "ours", "theirs")

    def __init__(self) -> None:
        #: What this side said, or is about to say.
        self.ours: Close | None = None
        #: What the peer said.
        self.theirs: Close | None = None
        self._answer = False

    def answer(self, taken: int) -> Close:
        """Say goodbye because the peer did."""
        self._answer = True
        self.ours = Close(0, taken, "")
        return self.ours

    def why(self) -> tuple[int, str, bool]:
        """Return the code and the reason of the goodbyes said, and whether they are the peer's.

        Of two that crossed the higher code counts, so that both sides see the same.
        """
        ours, theirs = self.ours, self.theirs
        if theirs and (self._answer or not ours or (theirs.code, theirs.text) > (ours.code, ours.text)):
            return theirs.code, theirs.text, True
        return (ours.code, ours.text, False) if ours else (0, "", False)
