"""Print the CPythons on this machine that mezha supports, one of each minor version, the default one first.

Runs on Python 3.7 and newer, so that an old default can find a newer one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST = (3, 11)
PROBE = """
import sys, sysconfig
if sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final":
    free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED") or 0
    print(sys.version_info[0], sys.version_info[1], free_threaded, sys.executable)
"""


def candidates() -> Iterator[str]:
    """Yield commands that may be interpreters, the likeliest default first."""
    yield os.environ.get("PYTHON") or "python3"
    yield "python3"
    for minor in range(OLDEST[1], OLDEST[1] + 20):
        yield f"python3.{minor}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(map(str, pyenv.glob("versions/*/bin/python3")))
    yield sys.executable


def supported() -> list[str]:
    """Return the paths of the interpreters, one of each minor version."""
    found: dict[tuple[str, ...], str] = {}
    for command in candidates():
        try:
            answer = subprocess.run([command, "-c", PROBE], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            continue
        words = answer.stdout.split(None, 3)
        if answer.returncode == 0 and len(words) == 4 and (int(words[0]), int(words[1])) >= OLDEST:
            found.setdefault(tuple(words[:3]), words[3].strip())
    return list(found.values())


if __name__ == "__main__":
    paths = supported()
    if not paths:
        sys.exit("mezha needs CPython 3.11 or newer, and none was found; set PYTHON=/path/to/python3")
    print("\n".join(paths[:1] if "--first" in sys.argv[1:] else paths))
