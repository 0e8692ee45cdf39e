"""Make a failing example small: leave out whatever the failure does not need."""

from collections.abc import Callable
from typing import TypeVar

__all__ = ["fewest"]

T = TypeVar("T")


def fewest(items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Leave out as many items as possible, as long as ``fails`` says that those left still fail.

    The result is such that no single item can be left out (delta debugging: Zeller, Hildebrandt, "Simplifying and
    Isolating Failure-Inducing Input", 2002). About n² calls of ``fails`` at worst, n·log n where few items matter.
    """
    size = len(items)
    while size:
        start = 0
        found = False
        while start < len(items):
            fewer = items[:start] + items[start + size :]
            if fails(fewer):
                items = fewer
                found = True
            else:
                start += size
        if not found or size > len(items):
            size = min(size, len(items)) // 2
    return items
