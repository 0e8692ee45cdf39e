"""The inputs that are kept: for each target text files with a line of hexadecimal digits for each.

``corpus/`` has the fewest that show all of what the target does, made by ``--keep``; ``found/`` those that once broke a
promise, written there by hand.
"""

from pathlib import Path

__all__ = ["load", "path", "save"]


def path(folder: str, target: str) -> Path:
    """Return where those of a target are."""
    return Path(__file__).parent / folder / f"{target}.txt"


def load(target: str) -> list[bytes]:
    """Read those of a target, what was found first; none if nothing has been kept yet."""
    files = [path(folder, target) for folder in ("found", "corpus")]
    return [bytes.fromhex(line) for file in files if file.exists() for line in file.read_text(encoding="ascii").split()]


def save(target: str, inputs: list[bytes]) -> None:
    """Write the corpus of a target, the shortest first."""
    lines = [data.hex() for data in sorted(set(inputs), key=lambda data: (len(data), data)) if data]
    path("corpus", target).write_text("\n".join(lines) + "\n", encoding="ascii")
