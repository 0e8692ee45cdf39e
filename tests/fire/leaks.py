"""What a process holds, and that something leaves nothing behind: no file descriptor, no thread."""

import gc
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from waiting import until

__all__ = ["descriptors", "leaves_nothing"]


def descriptors() -> dict[str, str]:
    """Return the open file descriptors, and what they are."""
    found: dict[str, str] = {}
    for path in Path("/proc/self/fd" if os.name == "posix" and Path("/proc/self/fd").exists() else "/dev/fd").iterdir():
        try:
            found[path.name] = str(path.readlink())
        except OSError:  # that of the folder itself, closed by now
            continue
    return found


@contextmanager
def leaves_nothing() -> Generator[None]:
    """See that as many file descriptors are open afterwards as before, and no thread is left."""
    gc.collect()
    threads, before = set(threading.enumerate()), descriptors()
    yield
    gc.collect()
    until(lambda: set(threading.enumerate()) <= threads)
    after = descriptors()
    left = {number: what for number, what in after.items() if before.get(number) != what}
    assert len(after) <= len(before), f"left open: {left}"
