"""What is rare, and no message: what a session tells its driver, to be taken out of ``Engine.events``."""

from typing import NamedTuple

from mezha.errors import MezhaError

__all__ = ["Answered", "Asked", "Cancelled", "Ponged"]


class Asked(NamedTuple):
    """The peer asks: ``answer`` it or ``fail`` it, once, also if it is cancelled meanwhile."""

    id: int
    body: bytes


class Cancelled(NamedTuple):
    """The peer does not wait for this answer any more, or cannot get it. It still has to be given, in any way."""

    id: int


class Answered(NamedTuple):
    """A request of this side is answered, or never will be; nothing more follows for it."""

    id: int
    outcome: bytes | MezhaError


class Ponged(NamedTuple):
    """A ping is answered, after so many seconds, or never will be."""

    id: int
    outcome: float | MezhaError
