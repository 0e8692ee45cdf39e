"""The command line as a process: how to call it, and a server that was started."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

__all__ = ["COMMAND", "Run", "Running", "Start", "environment"]

#: What of the environment of the tests would show in the output.
_OURS = ("LC_", "LANG", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING", "PYTHONUTF8")
COMMAND = (sys.executable, "-X", "dev", "-W", "error", "-m", "mezha")


class Running:
    """A server that was started, and where it listens."""

    def __init__(self, process: subprocess.Popen[str], place: str) -> None:
        self.process = process
        self.place = place
        self.port = place.rpartition(":")[2]

    def line(self) -> str:
        """Wait for a line on the standard output."""
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def notice(self) -> str:
        """Wait for a line on the standard error."""
        assert self.process.stderr
        return self.process.stderr.readline().rstrip("\n")

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code, and the rest of the standard error."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Running]


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a run: as wide as a terminal is at least, English, and nothing else of ours."""
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**quiet, "LANG": "C.UTF-8", "COLUMNS": "80", **extra}
