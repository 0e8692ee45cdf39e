"""Waiting in tests, never for ever."""

import time
from collections.abc import Callable

__all__ = ["PATIENCE", "until"]

#: Seconds after which something that should happen does not.
PATIENCE = 20.0


def until(condition: Callable[[], object]) -> None:
    """Wait for what tells nobody when it happens."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)
