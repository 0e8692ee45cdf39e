"""The faults of a connection, as values: what a network and its peers do to a stream, where, and for how long.

Places are counted in bytes of one direction from 0, messages from 1, times are seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "Coalesce",
    "Corrupt",
    "CutAt",
    "CutEvery",
    "CutMessage",
    "CutRandomly",
    "Delay",
    "Fault",
    "HalfClose",
    "Plan",
    "Reset",
    "Stall",
    "Throttle",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens to one direction of a connection."""


@dataclass(frozen=True, slots=True)
class CutEvery(Fault):
    """Cut every ``size`` bytes: 1 is byte by byte."""

    size: int

    def __post_init__(self) -> None:
        _at_least("CutEvery.size", self.size, 1)


@dataclass(frozen=True, slots=True, init=False)
class CutAt(Fault):
    """Cut at these places: 3 is between the third byte and the fourth."""

    places: tuple[int, ...]

    def __init__(self, *places: int) -> None:
        for place in places:
            _at_least("CutAt", place, 1)
        object.__setattr__(self, "places", tuple(sorted(set(places))))

    def __repr__(self) -> str:
        return f"CutAt({', '.join(map(str, self.places))})"


@dataclass(frozen=True, slots=True)
class CutRandomly(Fault):
    """Cut at random places, a piece of ``mean`` bytes on average; the seed of the proxy decides where."""

    mean: float = 10

    def __post_init__(self) -> None:
        _at_least("CutRandomly.mean", self.mean, 1)


@dataclass(frozen=True, slots=True)
class CutMessage(Fault):
    """Cut inside a message: the ``number``-th from 1, or every one with 0. The proxy has to know the framing.

    ``where`` is ``"header"``, ``"body"`` or ``"trailer"``, for its middle, or a number of bytes from the beginning of
    the frame. A header of one byte is cut behind it; where there is none, as in lines, nothing is cut.
    """

    number: int
    where: str | int = "header"

    def __post_init__(self) -> None:
        _at_least("CutMessage.number", self.number, 0)
        if self.where not in ("header", "body", "trailer") and not (isinstance(self.where, int) and self.where > 0):
            raise ValueError(
                f"CutMessage.where is 'header', 'body', 'trailer' or a number of bytes, not {self.where!r}"
            )


@dataclass(frozen=True, slots=True)
class Coalesce(Fault):
    """Glue together what comes within so many seconds after the first byte. Cuts are made afterwards."""

    seconds: float

    def __post_init__(self) -> None:
        _at_least("Coalesce.seconds", self.seconds, 0)


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """Let everything arrive so many seconds later."""

    seconds: float

    def __post_init__(self) -> None:
        _at_least("Delay.seconds", self.seconds, 0)


@dataclass(frozen=True, slots=True)
class Throttle(Fault):
    """Let through no more than so many bytes a second."""

    rate: float

    def __post_init__(self) -> None:
        _at_least("Throttle.rate", self.rate, 1)


@dataclass(frozen=True, slots=True)
class _Behind(Fault):
    after: int
    #: Count messages, not bytes. The proxy has to know the framing.
    messages: bool = False

    def __post_init__(self) -> None:
        _at_least(f"{type(self).__name__}.after", self.after, 0)


@dataclass(frozen=True, slots=True)
class Stall(_Behind):
    """Let nothing through after so many bytes (or messages), for ``seconds`` or, with None, for ever.

    ``Stall(0)`` in both directions is a peer that accepts and never answers.
    """

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HalfClose(_Behind):
    """End this direction after so many bytes (or messages), as an orderly end; what follows is thrown away."""


@dataclass(frozen=True, slots=True)
class Reset(_Behind):
    """Reset the connection after so many bytes (or messages) of this direction, once they have been taken."""


@dataclass(frozen=True, slots=True)
class Corrupt(Fault):
    """Change the byte at a place, by exclusive or with ``mask``."""

    place: int
    mask: int = 0xFF

    def __post_init__(self) -> None:
        _at_least("Corrupt.place", self.place, 0)
        if not 0 < self.mask < 256:
            raise ValueError(f"Corrupt.mask is 1 to 255, not {self.mask}: it would change nothing, or is no byte")


@dataclass(frozen=True, slots=True, init=False)
class Plan:
    """What happens to one connection: ``up`` is from the client to the server, ``down`` the way back."""

    up: tuple[Fault, ...]
    down: tuple[Fault, ...]

    def __init__(self, up: Iterable[Fault] = (), down: Iterable[Fault] = ()) -> None:
        object.__setattr__(self, "up", tuple(up))
        object.__setattr__(self, "down", tuple(down))

    def __repr__(self) -> str:
        sides = (f"{name}=[{', '.join(map(repr, faults))}]" for name, faults in self.sides() if faults)
        return f"Plan({', '.join(sides)})"

    def sides(self) -> tuple[tuple[str, tuple[Fault, ...]], tuple[str, tuple[Fault, ...]]]:
        """Return both directions with their names."""
        return ("up", self.up), ("down", self.down)


def _at_least(what: str, value: float, least: int) -> None:
    if value < least:
        raise ValueError(f"{what} is {least} or more, not {value}")
