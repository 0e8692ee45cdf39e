"""Framings with nothing to choose."""

from collections.abc import Sequence
from typing import ClassVar, Self

from mezha.framing.base import Framing

__all__ = ["Optionless"]


class Optionless(Framing):
    """A framing with nothing to choose: its string form is its name."""

    __slots__ = ()

    #: Its string form.
    name: ClassVar[str]

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read nothing: there are no options."""
        if options:
            raise ValueError("it takes no options")
        return cls()

    def __str__(self) -> str:
        return self.name
