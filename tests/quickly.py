"""Run a program as it is, but without its waiting, and on a free port where it says 1898: ``quickly.py PROGRAM``."""

import runpy
import socket
import sys
import time
from pathlib import Path
from typing import Any

LAB_PORT = 1898


class AnyPort(socket.socket):
    """A socket that takes the port of the lab for a free one."""

    free_port = 0

    def bind(self, address: Any, /) -> None:
        """Bind, to whichever port is free."""
        if address[1] == LAB_PORT:
            super().bind((address[0], 0))
            AnyPort.free_port = self.getsockname()[1]
        else:
            super().bind(address)

    def connect(self, address: Any, /) -> None:
        """Connect, to the port that was free."""
        super().connect((address[0], AnyPort.free_port) if address[1] == LAB_PORT else address)


def no_sleep(seconds: float, /) -> None:
    """Return at once."""


program = Path(sys.argv[1])
sys.argv[:] = [str(program)]
sys.path[0] = str(program.parent)
socket.socket = AnyPort  # type: ignore[misc]
time.sleep = no_sleep  # type: ignore[assignment]
runpy.run_path(str(program), run_name="__main__")
