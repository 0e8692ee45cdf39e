"""A Python program in a process of its own, as a user would start it."""

import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from waiting import PATIENCE

__all__ = ["Child"]


class Child:
    """A program that runs, with warnings as errors; it is killed at the end of the ``with`` block."""

    def __init__(self, source: str, *arguments: object) -> None:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", source, *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        )

    def line(self) -> str:
        """Wait for a line on its standard output."""
        assert self._process.stdout
        return self._process.stdout.readline().rstrip("\n")

    def error_line(self) -> str:
        """Wait for a line on its standard error."""
        assert self._process.stderr
        return self._process.stderr.readline().rstrip("\n")

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def finish(self) -> tuple[int, str, str]:
        """Wait for its end; return the exit code, and the rest of its output and errors."""
        output, errors = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, output, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
