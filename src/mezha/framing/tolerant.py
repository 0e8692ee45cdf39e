"""Going on behind a fault of the peer: framings that forgive, and the decoder that does it for them."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mezha.errors import FramingError, MessageTooLarge, RemoteProtocolError, TruncatedMessage
from mezha.framing.base import Framing
from mezha.framing.decoder import Decoder
from mezha.framing.frame import Data, Recover, Run, Verdict
from mezha.limits import Limits, Timeouts

__all__ = ["Forgiving", "Resyncing", "Skipping", "Tolerant"]


class Tolerant(Framing):
    """What the framings have in common that go on where others give up."""

    __slots__ = ()

    #: The first word of the string form.
    name: ClassVar[str]
    #: The faults that are forgiven.
    forgives: ClassVar[tuple[type[RemoteProtocolError], ...]]

    framing: Framing

    @property
    def timeouts(self) -> Timeouts:  # type: ignore[override]
        """The time-outs of the framing inside."""
        return self.framing.timeouts

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Write what the framing inside writes."""
        return self.framing.encode(*parts)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        """Say what the framing inside says: it is the decoder that forgives."""
        return self.framing.split(buffer, limit, resume)

    def run(self) -> Run | None:
        """Return the kernel of the framing inside."""
        return self.framing.run()

    def decoder(self, *, limit: int = Limits().max_message) -> "Forgiving":
        """Return a new decoder, which forgives."""
        self.framing.decoder(limit=limit)  # it may have something against that limit
        return Forgiving(self, limit=limit)

    @abstractmethod
    def recover(self) -> Recover | None:
        """Return what finds the place to go on; ``None`` if the framing inside has nothing of the kind."""

    def __str__(self) -> str:
        return f"{self.name}:{self.framing}"


@dataclass(frozen=True, slots=True)
class Skipping(Tolerant):
    r"""Another framing, in which a message over the limit is skipped, and is no error.

    ``Skipping(Lines())``, with a limit of 5::

        +------+------+----------------------------+------+------+
        |  one |  \n  |  a line that is too long   |  \n  |  two |  ...
        +------+------+----------------------------+------+------+
         b"one"        skipped, and counted                b"two"

    It is thrown away as it arrives, so it costs no memory, and the observer is told (``Observer.fault_forgiven``).
    Everything else that is wrong is an error, as it is without.

    Raises:
        ValueError: nothing in that framing says where a message over the limit ends.

    """

    name: ClassVar[str] = "skip"
    forgives: ClassVar[tuple[type[RemoteProtocolError], ...]] = (MessageTooLarge,)

    framing: Framing

    def __post_init__(self) -> None:
        if self.recover() is None:
            raise ValueError(f"{self.framing} cannot skip a message over the limit: nothing says where it ends")

    def recover(self) -> Recover | None:
        """Return what finds the end of a message over the limit."""
        return self.framing.past_too_large()


@dataclass(frozen=True, slots=True)
class Resyncing(Tolerant):
    r"""Another framing, in which bytes that cannot be a message are searched for the next one, and are no error.

    ``Resyncing(LengthPrefixed(1, offset=2, fixed=b"OK"))``::

        +-----------------------+-----------+-----+-----------------+
        |  d a t a   l o s t    |  O     K  |  3  |  t    w    o    |
        +-----------------------+-----------+-----+-----------------+
         thrown away, and counted                  b"two"

    Where the next message may begin, the marks of the framing say. They may lie: what was lost may have contained them.
    The bytes are thrown away as they arrive, and the observer is told (``Observer.fault_forgiven``). A message over the
    limit is a fault like any other. That the stream ends inside a message is still an error.

    Raises:
        ValueError: nothing in that framing tells where a message begins.

    """

    name: ClassVar[str] = "resync"
    forgives: ClassVar[tuple[type[RemoteProtocolError], ...]] = (FramingError, MessageTooLarge)

    framing: Framing

    def __post_init__(self) -> None:
        if self.recover() is None:
            raise ValueError(f"{self.framing} cannot find its way back: nothing in it tells where a message begins")

    def recover(self) -> Recover | None:
        """Return what finds the next message."""
        return self.framing.past_garbage()


class Forgiving(Decoder):
    """A decoder that throws away what it has to forgive, and goes on behind it.

    ::

        take()          in front of a fault: the messages before it, fewer than asked for
        take()          the fault is told, its bytes are dropped; then what is whole behind them, or an empty list

    Only ``take`` forgives, and ``ready`` says that there is something to forgive.
    """

    __slots__ = (
        "_forgives",
        "_in_message",
        "_known",
        "_lost",
        "_passing",
        "_recover",
        "_resume",
        "dropped",
        "forgiven",
        "tell",
    )

    def __init__(self, framing: Tolerant, *, limit: int = Limits().max_message) -> None:
        super().__init__(framing, limit=limit)
        recover = framing.recover()
        assert recover
        self._recover = recover
        self._forgives = framing.forgives
        #: Faults so far that were forgiven.
        self.forgiven = 0
        #: Bytes so far that were lost to them.
        self.dropped = 0
        #: Told of each, as it is found: the error that would have been raised. What it raises comes out of ``take``.
        self.tell: Callable[[RemoteProtocolError], object] | None = None
        self._passing = False  # the bytes at the front belong to a fault
        self._in_message = False  # to a message over the limit
        self._known = 0  # so many of them, at least
        self._resume: int | None = 0  # for those behind; None if there are no more
        self._lost = 0  # those that were dropped already

    @property
    def ready(self) -> bool:
        """Whether ``take`` has something to do without being fed more: a message, a fault."""
        try:
            return super().ready if self._in_step() else self.ended
        except Exception:  # noqa: BLE001 - whatever it is, it is for take() to raise
            return True

    def take(self, count: int = 1) -> list[bytes]:
        """Cut up to ``count`` messages off the front; an empty list means that more has to be fed, or the end.

        Fewer come in front of what has to be forgiven, too. That happens at the front only.

        Raises:
            TruncatedMessage: the stream ended inside a message, over the limit or not.
            FramingError: the bytes at the front cannot be a message, and are not forgiven.
            MessageTooLarge: the message at the front is over the limit, and is not forgiven.

        """
        while self._in_step():
            was_shut = self.shut
            try:
                return super().take(count)
            except TruncatedMessage:
                raise
            except self._forgives as error:
                fault = error
            self.shut = was_shut
            self._passing = True
            self._in_message = isinstance(fault, MessageTooLarge)
            self._known = self._resume = self._lost = 0
            self.forgiven += 1
            if self.tell is not None:
                self.tell(fault)
        if self.ended:
            raise self._cut_off()
        return []

    def _in_step(self) -> bool:
        """Drop what belongs to a fault, as far as it is here; say whether a message may begin at the front."""
        if not self._passing:
            return True
        while self._passing:
            size = min(self._known, self.buffered)
            self._drop(size)
            self._known -= size
            if self._known:
                break
            if self._resume is None:
                self._passing = False
            elif not (self.buffered and self._look(self._resume)):
                break
        if self._passing and self.ended and not self._in_message:  # then no message is lacking
            self._drop(self.buffered)
            self._passing = False
        self.resume = int(self._passing)  # where it is not 0 no kernel goes
        return not self._passing

    def _look(self, resume: int) -> bool:
        """Find out how far the fault reaches, and say whether anything was found out."""
        try:
            answer = self._recover(self.front(), self._limit, resume)
            if answer.end < 0 or not (answer.end or answer.resume or self._lost):
                raise ValueError(f"{self._framing!r} is wrong: behind a fault it goes on at {answer}")
        except Exception:
            self.shut = True
            raise
        self._known, self._resume = answer.end, answer.resume or None
        return bool(self._known) or self._resume is None

    def _drop(self, size: int) -> None:
        if size:
            self.front()  # from where it counts
            self.skip(size)
            self.dropped += size
            self._lost += size

    def _cut_off(self) -> TruncatedMessage:
        received = self._lost + self.buffered
        needed = max(self._lost + self._known, received + 1)
        return TruncatedMessage(
            f"the stream ended inside a message over the limit, which was to be skipped: {received} bytes of it had "
            f"arrived, and it needed {needed} or more",
            received=received,
            needed=needed,
        )
