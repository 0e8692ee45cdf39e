"""The life of a connection: how far the streams of both sides have come, and what ended them."""

import math
from copy import copy

from mezha.engine import State
from mezha.errors import ClosedByPeer, ClosedByUs, ConnectionLost, MezhaError, RemoteProtocolError
from mezha.session.closing import Goodbyes
from mezha.session.frames import Kind, code_name
from mezha.session.states import STREAM, Stream

__all__ = ["Life"]

#: The table, for those in a hurry: of each state and kind the state that follows.
_FOLLOWING = {stream: [STREAM.get((stream, kind)) for kind in Kind] for stream in Stream}


class Life:
    """Knows what can still be done, and says why not.

    What ends a connection: this side closes, or the peer does; the peer breaks the protocol (``fault``); or it breaks
    (``cause``). The first of them tells what is said to whoever still wants to send or receive.
    """

    __slots__ = ("answer_by", "cause", "closed", "dead", "ended", "fault", "goodbyes", "stream")

    def __init__(self) -> None:
        #: Of the peer's frames.
        self.stream = Stream.GREETING
        #: What has been said at the end.
        self.goodbyes = Goodbyes()
        #: When the peer's goodbye has to be answered.
        self.answer_by = math.inf
        #: This side has closed.
        self.closed = False
        #: This side has ended its messages.
        self.ended = False
        #: Nothing arrives any more.
        self.dead = False
        #: How the peer broke the protocol.
        self.fault: RemoteProtocolError | None = None
        #: Why the connection broke.
        self.cause: ConnectionLost | None = None

    @property
    def state(self) -> State:
        """Which directions are left."""
        if self.closed:
            return State.CLOSED
        if self.fault or (self.cause and self.stream not in (Stream.ENDED, Stream.CLOSED)):
            return State.FAILED
        if self.stream is Stream.CLOSED:
            return State.CLOSED
        if self.stream is Stream.ENDED:
            return State.CLOSED if self.ended or self.cause else State.PEER_ENDED
        return State.WE_ENDED if self.ended else State.OPEN

    @property
    def over(self) -> bool:
        """Whether nothing can be said any more, not even a question."""
        return self.closed or bool(self.fault or self.cause or self.goodbyes.theirs)

    @property
    def receiving(self) -> bool:
        """Whether messages may still arrive."""
        return self.stream is Stream.OPEN or self.stream is Stream.MIDDLE

    def step(self, kind: Kind) -> None:
        """Go where a frame of the peer leads.

        Raises:
            RemoteProtocolError: nowhere.

        """
        following = _FOLLOWING[self.stream][kind]
        if following is None:
            raise RemoteProtocolError(
                f"the peer sent a {kind.name} frame, and there is none where its stream is: {self.stream.name}"
            )
        self.stream = following

    def unable(self) -> MezhaError:
        """Say why something cannot be sent."""
        if self.closed:
            return ClosedByUs("this connection was closed on this side")
        if self.fault:
            return copy(self.fault)
        if goodbye := self.goodbyes.theirs:
            code = f" with {code_name(goodbye.code)}" if goodbye.code else ""
            said = f": {goodbye.text}" if goodbye.text else ""
            return ClosedByPeer(f"the peer closed the connection{code}{said}", code=goodbye.code, reason=goodbye.text)
        if self.cause:
            lost = copy(self.cause)
            lost.__cause__ = self.cause.__cause__
            return lost
        return ClosedByUs("this side has ended its stream: nothing more can be sent, only received")

    def check_asking(self) -> None:
        """Raise if nothing can be asked any more."""
        if self.over:
            raise self.unable()

    def check_sending(self) -> None:
        """Raise if no message can be sent any more."""
        if self.ended or self.over:
            raise self.unable()

    def check_taking(self) -> None:
        """Raise if nothing is to be handed out any more, whatever is here."""
        if self.closed:
            raise self.unable()

    def check_waiting(self) -> None:
        """Raise if nothing more will come to be handed out, now that nothing is here."""
        if self.stream is Stream.ENDED and not self.fault:
            raise ClosedByPeer("the peer has ended its stream; everything it sent has been received")
        if self.fault or self.goodbyes.theirs or self.dead:
            raise self.unable()
