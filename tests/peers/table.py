"""The table of what was proven, in docs/framings.md: ``make proofs`` writes it, with the versions of this machine."""

import importlib
import re
from pathlib import Path

from peers.daemons import output_of
from peers.proofs import PROOFS, Directions, Proof

__all__ = ["PAGE", "cells", "number", "read", "release", "rows"]

PAGE = Path(__file__).parents[2] / "docs" / "framings.md"
_BEGIN, _END = "<!-- proofs: written by make proofs -->\n", "<!-- proofs: end -->\n"
_HEAD = "| Framing | Specification | Peer | Version | Directions |\n|---|---|---|---|---|\n"
_NAMES = {Directions.TO_IT: "to it", Directions.FROM_IT: "from it", Directions.BOTH: "both"}


def rows() -> list[Proof]:
    """Return all that the test modules beside this one declare, by framing and peer."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(path.stem)
    return sorted(PROOFS, key=lambda proof: (proof.framing, proof.peer.lower()))


def cells(proof: Proof) -> tuple[str, ...]:
    """Return what stands in a row, but for the version."""
    return f"`{proof.framing}`", proof.specification, proof.peer, _NAMES.get(proof.directions, "not proven")


def read(page: str) -> list[tuple[tuple[str, ...], str]]:
    """Return the rows of the page: the cells as above, and the version."""
    _, _, table = page.partition(_BEGIN)
    table, end, _ = table.partition(_END)
    assert end, f"{PAGE.name} has no table of proofs between {_BEGIN!r} and {_END!r}"
    found: list[tuple[tuple[str, ...], str]] = []
    for line in table.removeprefix(_HEAD).splitlines():
        framing, specification, peer, version, directions = line.strip("| ").split(" | ")
        found.append(((framing, specification, peer, directions), version))
    return found


def write(page: str) -> str:
    """Return the page with the table anew."""
    lines: list[str] = []
    for proof in rows():
        *front, directions = cells(proof)
        lines.append(f"| {' | '.join([*front, proof.version(), directions])} |\n")
    before, _, rest = page.partition(_BEGIN)
    return "".join([before, _BEGIN, _HEAD, *lines, _END, rest.partition(_END)[2]])


def number(text: str) -> str:
    """Return the version in what a program says of itself."""
    found = re.search(r"\d+(\.\d+)+", text)
    assert found, f"no version in {text!r}"
    return found[0]


def release(package: str) -> str:
    """Return the version of a Debian package, for a program that does not say its own."""
    return number(output_of("dpkg-query", "--show", "--showformat=${Version}", package))


if __name__ == "__main__":
    PAGE.write_text(write(PAGE.read_text("utf-8")), "utf-8")
