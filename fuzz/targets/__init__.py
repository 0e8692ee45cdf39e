"""The targets, by name: each module in this folder is one."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

__all__ = ["TARGETS", "check_of"]

#: Their names.
TARGETS = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def check_of(target: str) -> Callable[[bytes], None]:
    """Return the function that raises if the promise of a target is broken."""
    check: Callable[[bytes], None] = import_module(f"fuzz.targets.{target}").check
    return check
