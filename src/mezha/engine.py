"""The engine: all that a connection knows, without I/O and without a clock. Drivers move bytes and tell the time."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from enum import Enum

from mezha.errors import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    LocalProtocolError,
    MessageTooSlow,
    RemoteProtocolError,
    TruncatedMessage,
)
from mezha.framing import Data, Forgiving, Framing
from mezha.framing.kernels import Outgoing
from mezha.limits import Limits, Timeouts

__all__ = ["Engine", "Framed", "State", "as_view"]


#: Shared by all that never have one.
_NO_EVENTS: deque[object] = deque(maxlen=0)


class State(Enum):
    """Which of its two directions a connection still has."""

    #: Both.
    OPEN = "open"
    #: The peer ended its stream; it may still be reading.
    PEER_ENDED = "peer ended"
    #: This side ended its stream; the peer may still be sending.
    WE_ENDED = "we ended"
    #: Neither: both sides ended, or this side closed.
    CLOSED = "closed"
    #: It broke, or the peer broke the protocol.
    FAILED = "failed"


class Engine(ABC):
    """What a driver talks to.

    A driver must:

    - call ``begin`` once, when the connection is there, before anything else;
    - hand every byte received to ``receive``, in order, then ``b""`` for the end of the stream, once; stop reading
      while ``full`` says so, and after the end;
    - after every call, put the buffers of ``outgoing`` on the wire, all of them, in order; and as long as
      ``outgoing_size`` says that it has kept some, ask again when those are gone;
    - call ``expire`` when ``deadline`` has passed, and look at ``deadline`` again after each ``receive``;
    - read, and keep the deadline, only while somebody receives, but always if it is ``unattended``;
    - look at ``events`` after ``receive``, and take out what is there;
    - not ``send`` a message for which the way is not ``clear``, but wait until it is, or the state has changed;
    - call ``lost`` when the system reports an error, go on reading what is still there, and call ``receive(b"")``;
    - call ``end`` when the user does, and end the byte stream, if it says so;
    - call ``close`` when the user does, go on until ``finished`` says so, or time is up, and then end the byte stream;
    - never call two methods at the same time, but for ``send`` and ``outgoing`` in one thread and the rest in another;
      ``close`` may come from any.

    Times are seconds of any clock that only goes forward; it must be the same one in all calls.

    ``push`` and ``pop`` are the quick doors beside ``send`` and ``take``, for what goes without saying. They, ``idle``
    and ``space`` are called so often that an engine has them as attributes, without a method of its own in between.
    """

    __slots__ = ()

    #: It is to be read from, and its deadline kept, also while nobody receives: it answers by itself.
    unattended: bool
    #: Queue one message, and say so; or return False and do nothing: then ``send`` knows what to do, or what is wrong.
    push: Callable[[object], bool]
    #: Hand out one message; or return None: then ``take`` knows whether there is one, or what is wrong.
    pop: Callable[[], bytes | None]
    #: Say whether nothing is here, neither bytes nor the end: ``take`` would return nothing, and nothing is due.
    idle: Callable[[], bool]
    #: Return memory to receive the next bytes into, where that saves copying them; hand them to ``receive`` then. It is
    #: not to be used any more once the engine has been called again.
    space: Callable[[], memoryview | None]

    @property
    @abstractmethod
    def state(self) -> State:
        """Which directions are left."""

    @property
    def events(self) -> deque[object]:
        """What is rare, and no message: for the driver, who takes it out from the left. Another one at another time.

        It stays empty in an engine that has nothing but messages.
        """
        return _NO_EVENTS

    @abstractmethod
    def begin(self, now: float) -> None:
        """Note that the connection is there."""

    @abstractmethod
    def clear(self, size: int) -> bool:
        """Say whether a message of so many bytes can go out, as far as the peer is concerned, behind what is queued.

        If it cannot yet, ``receive`` will let it; if it never can, this says yes, and ``send`` what is wrong.
        """

    @abstractmethod
    def send(self, message: Data) -> None:
        """Queue one message for ``outgoing``. It is kept by reference: do not change it before it is on the wire.

        Raises:
            LocalProtocolError: over the limit, or the framing cannot carry it. Nothing was queued.
            ClosedByUs: this side has ended its stream.
            ConnectionLost: the connection is broken.

        """

    @property
    @abstractmethod
    def outgoing_size(self) -> int:
        """Bytes that ``outgoing`` would return."""

    @abstractmethod
    def outgoing(self) -> list[Data]:
        """Hand over what is to be sent: few buffers, small ones joined, large ones as they are. Empties the queue."""

    @abstractmethod
    def receive(self, data: Data, now: float) -> None:
        """Take bytes that arrived; they are copied. ``b""`` is the end of the peer's stream. Never raises for them.

        Raises:
            MemoryError: there is none for them. The connection is lost, and what still arrives is thrown away.

        """

    @abstractmethod
    def take(self, count: int = 1) -> list[bytes]:
        """Hand out up to ``count`` messages, a run; an empty list means that more has to arrive.

        Raises:
            RemoteProtocolError: the peer broke the protocol.
            ClosedByPeer: the peer ended its stream, and nothing is left.
            ClosedByUs: ``close`` was called.
            ConnectionLost: the connection broke, and nothing is left.

        """

    @abstractmethod
    def full(self) -> bool:
        """Say whether to stop reading: enough waits to be taken. Becomes false again when most of it has been."""

    @abstractmethod
    def deadline(self) -> float | None:
        """Return when ``expire`` is due if nothing more arrives; ``None`` for never."""

    @abstractmethod
    def expire(self, now: float) -> None:
        """Act on a deadline that has passed; do nothing if none has."""

    @abstractmethod
    def end(self) -> bool:
        """End this side's stream: nothing more can be sent, the peer can still be heard.

        Return whether the byte stream is to be ended for that, after what ``outgoing`` has.
        """

    @abstractmethod
    def close(self, code: int = 0, reason: str = "") -> None:
        """End both directions. The code (0: all is well) and the reason are for the peer, if it can be told."""

    @abstractmethod
    def finished(self) -> bool:
        """Say whether, after ``close``, nothing more is to be received: what ``outgoing`` has is all."""

    @abstractmethod
    def lost(self, cause: BaseException) -> None:
        """Note that the connection broke: nothing can be sent, and the end of the stream will be ``ConnectionLost``.

        What had arrived, or is still received, is handed out first. If the peer had ended its stream before, that
        remains an orderly end.
        """

    @abstractmethod
    def unused(self) -> bytes:
        """Return the bytes that arrived and were not handed out in messages."""

    @property
    @abstractmethod
    def forgiven(self) -> int:
        """How many faults of the peer were passed over so far, since the framing forgives them."""


class Framed(Engine):
    """A bare framing, for any peer: messages, a limit, an end, and nothing else.

    ``tell`` hears of each fault that the framing forgives, where it does (``Skipping``, ``Resyncing``).
    """

    __slots__ = (
        "_arrived",
        "_begun",
        "_cause",
        "_closed",
        "_cut",
        "_decoder",
        "_ended",
        "_failed",
        "_forgiving",
        "_framing",
        "_full",
        "_limits",
        "_outgoing",
        "_paused",
        "_slow",
        "_starved",
        "_timeouts",
        "idle",
        "pop",
        "push",
        "space",
    )

    unattended = False

    def __init__(
        self,
        framing: Framing,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        tell: Callable[[RemoteProtocolError], object] | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._timeouts = timeouts or framing.timeouts
        self._decoder = decoder = framing.decoder(limit=self._limits.max_message)
        self._forgiving = decoder if isinstance(decoder, Forgiving) else None
        if self._forgiving:
            self._forgiving.tell = tell
        self._framing = framing
        self._outgoing = Outgoing(framing, self._limits.max_message, self._limits.outbox)
        self.push = self._outgoing.push
        self.pop = self._decoder.pop
        self.idle = self._decoder.idle
        self.space = self._decoder.space
        self._full = False
        self._paused = False  # reading has stopped, and nothing has been received since
        # When the message at the front began to arrive, at the latest, and when bytes last did.
        self._begun = self._arrived = 0.0
        self._ended = False
        self._closed = False
        self._failed = False
        self._cause: BaseException | None = None
        self._cut = False  # broken before the peer had ended its stream
        self._slow: tuple[int, float] | None = None
        self._starved = False  # there was no memory for what arrived

    @property
    def state(self) -> State:
        """Which directions are left."""
        if self._closed:
            return State.CLOSED
        if self._failed or self._cut or self._slow:
            return State.FAILED
        if self._decoder.ended:
            return State.CLOSED if self._ended or self._cause else State.PEER_ENDED
        return State.WE_ENDED if self._ended else State.OPEN

    def begin(self, now: float) -> None:
        """Note that the connection is there: nothing is said before the first message."""

    def clear(self, size: int) -> bool:
        """Say that any message can go out: the peer has no say in it."""
        return True

    def send(self, message: Data) -> None:
        """Queue one message for ``outgoing``."""
        if self._closed or self._ended or self._cause:
            raise self._unable()
        if not isinstance(message, bytes):
            message = as_view(message)
        size = len(message)
        if size > self._limits.max_message:
            limit = self._limits.max_message
            raise LocalProtocolError(
                f"the message has {size} bytes, and the limit of this side is {limit}: nothing was sent. "
                f"Raise it on both sides, Limits(max_message=...)",
                size=size,
                limit=limit,
            )
        self._outgoing.put(self._framing.encode(message))

    @property
    def outgoing_size(self) -> int:
        """Bytes that ``outgoing`` would return."""
        return self._outgoing.size

    def outgoing(self) -> list[Data]:
        """Hand over what is to be sent."""
        return self._outgoing.collect()

    def receive(self, data: Data, now: float) -> None:
        """Take bytes that arrived, or the end."""
        if self._starved:
            return
        decoder = self._decoder
        self._note_taken()
        if self._paused or not decoder.buffered:
            self._begun = now
            self._paused = False
        self._arrived = now
        try:
            decoder.feed(data)
        except MemoryError as error:  # bytes are missing from here on
            self._starved = True
            self.lost(error)
            decoder.feed(b"")
            raise

    def take(self, count: int = 1) -> list[bytes]:
        """Hand out up to ``count`` messages."""
        if self._closed:
            raise self._unable()
        if self._slow:
            received, seconds = self._slow
            raise MessageTooSlow(
                f"the peer began a message {seconds:.3g} s ago and has sent {received} bytes of it, "
                f"less than the time-out allows (Timeouts.message, min_rate)",
                received=received,
                seconds=seconds,
            )
        try:
            messages = self._decoder.take(count)
        except Exception as error:
            self._failed = True
            if self._cut and isinstance(error, TruncatedMessage):  # the peer did not end its stream there
                raise self._unable(error.received) from self._cause
            raise
        if not messages and self._decoder.ended and not self._decoder.buffered:
            if self._cut:
                raise self._unable() from self._cause
            raise ClosedByPeer("the peer has ended its stream; everything it sent has been received")
        return messages

    def full(self) -> bool:
        """Say whether to stop reading."""
        inbox = self._limits.inbox
        self._full = self._decoder.buffered >= (inbox // 4 if self._full else inbox) and self._decoder.ready
        self._paused = self._paused or self._full
        return self._full

    def deadline(self) -> float | None:
        """Return when the message at the front must have been finished."""
        grace = self._timeouts.message
        decoder = self._decoder
        if not decoder.buffered or grace is None or self._slow or decoder.ended or decoder.ready:
            return None
        buffered = decoder.buffered  # without what belongs to no message: ready has looked
        if not buffered:
            return None
        self._note_taken()
        return self._begun + grace + buffered / self._timeouts.min_rate

    def expire(self, now: float) -> None:
        """Give the peer up if the message at the front is late."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return
        if self._paused:  # the time in which nobody read is not the peer's
            self._begun = now
            self._paused = False
        else:
            self._slow = (self._decoder.buffered, now - self._begun)
            self._decoder.shut = True

    def end(self) -> bool:
        """End this side's stream, and the byte stream with it."""
        self._ended = True
        self._outgoing.shut = True
        return True

    def close(self, code: int = 0, reason: str = "") -> None:
        """End both directions. There is no way to tell the peer why."""
        self._closed = True
        self._outgoing.shut = True
        self._decoder.shut = True

    def finished(self) -> bool:
        """Say that nothing more is to be received: the peer is not asked."""
        return True

    def lost(self, cause: BaseException) -> None:
        """Note that the connection broke."""
        self._outgoing.shut = True
        if self._cause is None:
            self._cause = cause
            self._cut = not self._decoder.ended

    def unused(self) -> bytes:
        """Return the bytes that arrived and were not handed out in messages."""
        return self._decoder.unused()

    @property
    def forgiven(self) -> int:
        """How many faults were passed over so far."""
        return self._forgiving.forgiven if self._forgiving else 0

    def _note_taken(self) -> None:
        """Where a message has been taken, the one behind it began to arrive when bytes last did, at the latest."""
        if self._decoder.moved:
            self._decoder.moved = False
            self._begun = self._arrived

    def _unable(self, unfinished: int = 0) -> ClosedByUs | ConnectionLost:
        if self._closed:
            return ClosedByUs("this connection was closed on this side")
        if self._cause:
            inside = f"; {unfinished} bytes of an unfinished message had arrived" if unfinished else ""
            lost = ConnectionLost(f"the connection was lost: {str(self._cause) or type(self._cause).__name__}{inside}")
            lost.__cause__ = self._cause
            return lost
        return ClosedByUs("this side has ended its stream: nothing more can be sent, only received")


def as_view(message: object) -> memoryview:
    """View anything that holds bytes as bytes, without copying them.

    Raises:
        TypeError: it holds none; text must be encoded first.

    """
    if isinstance(message, str):
        raise TypeError("a message is bytes, and this is text: encode it first, as in message.encode()")
    return memoryview(message).cast("B")  # type: ignore[arg-type]  # TypeError says it all
