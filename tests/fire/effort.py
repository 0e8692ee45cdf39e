"""How much is tried: a little with every run of the tests, more with ``make fire``, which sets ``FIRE``."""

import os
import random

__all__ = ["FIRE", "seeds"]

#: How many times as much as usual.
FIRE = int(os.environ.get("FIRE") or 1)


def seeds(count: int) -> list[int]:
    """Return seeds: the same few usually; with more effort, others as well. A test that fails names its own."""
    usual = list(range(count))
    return usual if FIRE == 1 else [*usual, *random.sample(range(count, 1 << 30), count * (FIRE - 1))]
