"""What a benchmark asks of the system about its own process: cores, memory, file descriptors, a busy thread."""

import gc
import os
import resource
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["allow_many_files", "busy_thread", "pinned", "resident"]


def resident() -> int:
    """Return the bytes of memory this process holds, without what it could give back."""
    gc.collect()
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    raise NotImplementedError("memory is measured on Linux only")


def allow_many_files() -> None:
    """Raise the limit on open files as far as it goes: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def pinned(one_core: bool) -> Generator[None]:
    """Keep all threads of this process, also those of its libraries, on the last core that it may use."""
    if not one_core:
        yield
        return
    if sys.platform != "linux":
        raise NotImplementedError("processes are pinned to a core on Linux only")
    cores = os.sched_getaffinity(0)
    _move({max(cores)})
    try:
        yield
    finally:
        _move(cores)


@contextmanager
def busy_thread(wanted: bool) -> Generator[None]:
    """Have another thread compute in Python all the time."""
    stopped = False

    def compute() -> None:
        total = 0
        while not stopped:
            total += 1

    thread = threading.Thread(target=compute, daemon=True)
    if wanted:
        thread.start()
    try:
        yield
    finally:
        stopped = True
        if wanted:
            thread.join()


def _move(cores: set[int]) -> None:
    if sys.platform == "linux":
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread.name), cores)
