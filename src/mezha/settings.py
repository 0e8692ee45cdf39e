"""What makes an engine: a framing or none, limits, time-outs and perhaps an observer, named once for all flavours."""

from dataclasses import dataclass, field
from functools import partial

from mezha.engine import Engine, Framed
from mezha.framing import Framing
from mezha.limits import Limits, Timeouts
from mezha.observe import Observed, Observer
from mezha.session import Session, Watched
from mezha.session.conversation import hello_of
from mezha.session.hello import Hello
from mezha.version import __version__

__all__ = ["Settings"]

_DEFAULT = Limits()
_USUAL = Timeouts()


@dataclass(frozen=True, slots=True)
class Settings:
    """How to treat a connection; one engine for each is made of it.

    Raises:
        TypeError: ``framing`` is no framing, nor ``None``, which means the mezha protocol; or there are to be
            ``answers``, of which a bare framing has none.
        ValueError: the limits let no message of this framing through, or are less than the protocol has.

    """

    framing: Framing | None
    limits: Limits | None = None
    timeouts: Timeouts | None = None
    observer: Observer | None = None
    #: Requests of the peer are answered.
    answers: bool = False
    #: The time-outs that hold: those given, or those of the framing.
    times: Timeouts = field(init=False)
    #: The limits that hold: those given, or the defaults.
    sizes: Limits = field(init=False)
    #: What is said of them in the mezha protocol; ``None`` for a bare framing.
    hello: Hello | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        framing = self.framing
        object.__setattr__(self, "sizes", self.limits or _DEFAULT)
        # What is wrong with the limits is better said now than at the first connection.
        if framing is None:
            object.__setattr__(self, "times", self.timeouts or _USUAL)
            object.__setattr__(self, "hello", hello_of(self.sizes, self.times, f"mezha {__version__}"))
        elif not isinstance(framing, Framing):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"framing= wants a framing, as Lines() or parse_framing('lines'), not {framing!r}")
        elif self.answers:
            raise TypeError("a bare framing has no requests for answer= to answer: leave framing= out, on both sides")
        else:
            object.__setattr__(self, "times", self.timeouts or framing.timeouts)
            framing.decoder(limit=self.sizes.max_message)

    def engine(self) -> Engine:
        """Return a new engine."""
        return self.connection()[0]

    def connection(self) -> tuple[Engine, Session | None]:
        """Return a new engine, and the session that it is, or that stands behind it; ``None`` if it is no session."""
        session: Session | None = None
        engine: Engine
        if self.framing is None:
            make = Session if self.observer is None else partial(Watched, self.observer)
            engine = session = make(limits=self.sizes, timeouts=self.times, answers=self.answers, hello=self.hello)
        else:
            engine = Framed(self.framing, limits=self.sizes, timeouts=self.times)
        return engine if self.observer is None else Observed(engine, self.observer), session
