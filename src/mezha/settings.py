"""What makes an engine: a framing, limits, time-outs and perhaps an observer, named once for all flavours."""

from dataclasses import dataclass, field

from mezha.engine import Engine, Framed
from mezha.framing import Framing
from mezha.limits import Limits, Timeouts
from mezha.observe import Observed, Observer

__all__ = ["Settings"]

_DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Settings:
    """How to treat a connection; one engine for each is made of it.

    Raises:
        TypeError: ``framing`` is no framing.
        ValueError: the limits let no message of this framing through.

    """

    framing: Framing
    limits: Limits | None = None
    timeouts: Timeouts | None = None
    observer: Observer | None = None
    #: The time-outs that hold: those given, or those of the framing.
    times: Timeouts = field(init=False)
    #: The limits that hold: those given, or the defaults.
    sizes: Limits = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.framing, Framing):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"framing= wants a framing, as Lines() or parse_framing('lines'), not {self.framing!r}")
        object.__setattr__(self, "times", self.timeouts or self.framing.timeouts)
        object.__setattr__(self, "sizes", self.limits or _DEFAULT)
        # What is wrong with the limits is better said now than at the first connection.
        self.framing.decoder(limit=self.sizes.max_message)

    def engine(self) -> Engine:
        """Return a new engine."""
        if self.observer is None:
            return Framed(self.framing, limits=self.sizes, timeouts=self.times)
        told = self.observer.fault_forgiven
        return Observed(Framed(self.framing, limits=self.sizes, timeouts=self.times, tell=told), self.observer)
