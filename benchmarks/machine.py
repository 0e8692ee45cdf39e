"""What the results were measured on: machine, kernel, versions."""

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

import mezha
from benchmarks.peer import Peer

__all__ = ["machine", "versions"]


def machine() -> dict[str, str]:
    """Return the facts, by name."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    accelerated = getattr(mezha, "accelerated", False)
    return {
        "processor": f"{_processor()}, {cores} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "mezha": f"{mezha.__version__}, {'native core' if accelerated else 'plain Python'}",
        "load before": f"{os.getloadavg()[0]:.2f} processes",
        "network": "loopback, TCP",
    }


def versions(peers: Iterable[Peer]) -> dict[str, str]:
    """Return the versions of the peers' packages, by name."""
    return {peer.package: peer.version for peer in peers if peer.package and not peer.ours}


def _processor() -> str:
    """Return the model of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or "unknown")
