"""What a proxy has done, as plans to do it again: written to a file, read from it, made as small as a failure needs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from mezha.testing.chaos import faults as kinds
from mezha.testing.chaos.course import Course
from mezha.testing.chaos.faults import Coalesce, CutAt, Delay, Fault, Plan, Throttle
from mezha.testing.shrinking import fewest

__all__ = ["read_plans", "recorded", "shrink", "write_plans"]

#: One fault of one direction of one connection.
_Atom = tuple[int, str, Fault]


def recorded(plan: Plan, courses: Mapping[str, Course]) -> Plan:
    """Return what was done, with every cut at its place."""
    sides: dict[str, tuple[Fault, ...]] = {}
    for name, faults in plan.sides():
        course = courses[name]
        cuts = (CutAt(*course.places),) if course.places else ()
        timed = (fault for fault in faults if isinstance(fault, Coalesce | Delay | Throttle))
        sides[name] = (*cuts, *timed, *course.happened)
    return Plan(**sides)


def write_plans(plans: Iterable[Plan], path: str | Path) -> None:
    """Write plans to a file, one connection a line, as JSON; ``read_plans`` reads it."""
    sides = ({name: [*map(_written, faults)] for name, faults in plan.sides() if faults} for plan in plans)
    Path(path).write_text("".join(f"{json.dumps(plan)}\n" for plan in sides), encoding="utf-8")


def read_plans(path: str | Path) -> list[Plan]:
    """Read what ``Chaos.record`` has written.

    Raises:
        ValueError: it is no record; the message says which line.

    """
    plans: list[Plan] = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            sides = json.loads(line)
            plans.append(Plan(**{name: tuple(map(_fault, some)) for name, some in sides.items()}))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}:{number} is no line of a record of chaos: {error}") from error
    return plans


def shrink(plans: Sequence[Plan], fails: Callable[[list[Plan]], bool]) -> list[Plan]:
    """Leave out every cut and every fault that a failure does not need.

    ``fails(plans)`` runs your test with ``Chaos(..., plans=plans)``, and says whether it still fails.

    Raises:
        ValueError: it does not fail with all of them, so there is nothing to make smaller.

    """
    if not fails([*plans]):
        raise ValueError("it does not fail with these plans: what failed depends on something else as well")
    atoms = [(number, name, atom) for number, plan in enumerate(plans) for name, atom in _atoms(plan)]

    def put_together(some: list[_Atom]) -> list[Plan]:
        return [Plan(*(_side(some, number, name) for name in ("up", "down"))) for number in range(len(plans))]

    smallest = put_together(fewest(atoms, lambda some: fails(put_together(some))))
    while smallest and smallest[-1] == Plan():
        smallest.pop()
    return smallest


def _atoms(plan: Plan) -> list[tuple[str, Fault]]:
    """Take a plan apart, into single cuts and single faults."""
    atoms: list[tuple[str, Fault]] = []
    for name, faults in plan.sides():
        for fault in faults:
            if isinstance(fault, CutAt):
                atoms += ((name, CutAt(place)) for place in fault.places)
            else:
                atoms.append((name, fault))
    return atoms


def _side(atoms: list[_Atom], number: int, name: str) -> tuple[Fault, ...]:
    mine = [fault for which, side, fault in atoms if (which, side) == (number, name)]
    places = [place for fault in mine if isinstance(fault, CutAt) for place in fault.places]
    return (*((CutAt(*places),) if places else ()), *(fault for fault in mine if not isinstance(fault, CutAt)))


def _written(fault: Fault) -> list[Any]:
    values = fault.places if isinstance(fault, CutAt) else [getattr(fault, field.name) for field in fields(fault)]
    return [type(fault).__name__, *values]


def _fault(written: list[Any]) -> Fault:
    name, *values = written
    if name not in kinds.__all__ or name in ("Fault", "Plan"):
        raise ValueError(f"there is no fault {name!r}")
    fault: Fault = getattr(kinds, name)(*values)
    return fault
