"""What a process uses: memory, file descriptors, threads, tasks."""

import gc
import os
import platform
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fire.leaks import descriptors

__all__ = ["Usage", "raise_limit_of_descriptors", "system", "usage"]


@dataclass(frozen=True)
class Usage:
    """How much of each."""

    #: Memory of the process in the RAM, in bytes.
    memory: int
    #: Pieces of memory that Python has given to its objects.
    blocks: int
    descriptors: int
    threads: int
    tasks: int

    def leaves(self, before: "Usage") -> bool:
        """Say whether file descriptors, threads or tasks are left that were not there before."""
        return self.descriptors > before.descriptors or self.threads > before.threads or self.tasks > before.tasks


def usage(tasks: int) -> Usage:
    """Measure, after a collection of garbage."""
    gc.collect()
    return Usage(_memory(), sys.getallocatedblocks(), len(descriptors()), _threads(), tasks)


def system() -> str:
    """Say on what something was measured."""
    return (
        f"{datetime.now(tz=UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    )


def raise_limit_of_descriptors() -> int:
    """Let this process have as many file descriptors as the system gives; return how many that is."""
    import resource  # Windows has none

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def _threads() -> int:
    """Count threads, but for those of asyncio's own pool, which takes one more when none happens to rest."""
    return sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
