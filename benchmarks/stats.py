"""What to make of a few runs each: medians, spread, ratios, and in which order to run."""

import statistics
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Runs", "interleaved", "median", "ratio", "ratios", "spread"]

T = TypeVar("T")

#: The results of one peer, a round each; shorter than the others' if it failed.
Runs = Sequence[float]


def interleaved(entrants: Sequence[T], rounds: int) -> list[list[T]]:
    """Return the order of the runs: everyone once a round, every other round backwards.

    So a machine that gets slower or faster meanwhile does so for all alike.
    """
    return [list(entrants) if index % 2 == 0 else list(reversed(entrants)) for index in range(rounds)]


def median(runs: Runs) -> float | None:
    """Return the middle one of the runs; ``None`` if there are none."""
    return statistics.median(runs) if runs else None


def spread(runs: Runs) -> float | None:
    """Return how far the runs lie around their median: half of largest less smallest, as a part of the median."""
    if len(runs) < 2 or not (middle := statistics.median(runs)):
        return None
    return (max(runs) - min(runs)) / 2 / abs(middle)


def ratios(runs: Runs, others: Runs) -> list[float]:
    """Return how many times the others' results these are, within each round that both finished."""
    return [run / other for run, other in zip(runs, others, strict=False) if other]


def ratio(runs: Runs, others: Runs) -> float | None:
    """Return how many times the others' results these are: the median of the rounds."""
    return median(ratios(runs, others))
