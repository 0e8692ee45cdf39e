"""What was proven: which framing, against which program, in which directions. docs/framings.md has it as a table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Flag
from inspect import signature
from typing import TypeVar

__all__ = ["BOTH", "FROM_IT", "PROOFS", "TO_IT", "Directions", "Proof", "proves"]


class Directions(Flag):
    """Who understood whom."""

    NONE = 0
    #: mezha wrote messages, and the peer read them.
    TO_IT = 1
    #: The peer wrote messages, and mezha read them.
    FROM_IT = 2
    BOTH = 3


TO_IT, FROM_IT, BOTH = Directions.TO_IT, Directions.FROM_IT, Directions.BOTH

Test = TypeVar("Test", bound=Callable[..., object])


@dataclass(eq=False)
class Proof:
    """That mezha and a real program understand each other; it takes a test that ``proves`` it.

    Declare one for each framing and peer, at the top of a test module.
    """

    #: The string form.
    framing: str
    #: Its number, and the section.
    specification: str
    peer: str
    #: Asks which version is on this machine; called only to write the table.
    version: Callable[[], str]
    directions: Directions = field(default=Directions.NONE, init=False)

    def __post_init__(self) -> None:
        PROOFS.append(self)


#: All that the modules imported so far declare.
PROOFS: list[Proof] = []


def proves(directions: Directions, *proofs: Proof) -> Callable[[Test], Test]:
    """Say that a test proves these, in these directions, straight and cut behind every byte."""

    def mark(test: Test) -> Test:
        assert "through" in signature(test).parameters, f"{test} must talk through the fixture that also cuts"
        for proof in proofs:
            proof.directions |= directions
        return test

    return mark
