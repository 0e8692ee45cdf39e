"""The inputs that are kept: for each target a text file with a line of hexadecimal digits for each."""

from pathlib import Path

__all__ = ["load", "path_of", "save"]


def path_of(target: str) -> Path:
    """Return where those of a target are."""
    return Path(__file__).parent / "corpus" / f"{target}.txt"


def load(target: str) -> list[bytes]:
    """Read those of a target; none if nothing has been kept yet."""
    path = path_of(target)
    return [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()] if path.exists() else []


def save(target: str, inputs: list[bytes]) -> None:
    """Write those of a target, the shortest first."""
    lines = [data.hex() for data in sorted(set(inputs), key=lambda data: (len(data), data)) if data]
    path_of(target).write_text("\n".join(lines) + "\n", encoding="ascii")
