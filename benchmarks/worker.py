"""One of the two processes of a peer: ``worker.py FD MODULE NAME`` carries out the jobs that come through a pipe."""

import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.job import Failed, Job, Outcome
from benchmarks.peer import Control, load
from benchmarks.process import allow_many_files, busy_thread, pinned

__all__ = ["main"]


class PipeControl(Control):
    """Talks to the process that measures through the pipe."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        self._pipe = pipe

    def ready(self, port: int) -> None:
        """Server: it listens there."""
        self._pipe.send(port)

    def report(self, outcome: Outcome) -> None:
        """Say what was measured."""
        self._pipe.send(outcome)

    def hold(self) -> None:
        """Wait until both processes have reported."""
        self._pipe.recv()


def main(pipe: "Connection[Any, Any]", module: str, name: str) -> None:
    """Carry out jobs until the pipe ends; tell what goes wrong, and end."""
    try:
        allow_many_files()
        peer = next(peer for peer in load(module) if peer.name == name)
        control = PipeControl(pipe)
        while True:
            order: tuple[Job, int | None] = pipe.recv()
            job, port = order
            with pinned(job.one_core), busy_thread(job.disturbed == ("receiver" if port is None else "sender")):
                if port is None:
                    peer.serve(job, control)
                else:
                    peer.drive(job, port, control)
            pipe.send(None)
    except (EOFError, ConnectionError) as error:
        with suppress(OSError):  # the pipe's end, or the peer's
            pipe.send(Failed(f"{type(error).__name__}: {error}"))
    except ImportError as error:
        pipe.send(Failed(f"not installed: {error}"))
    except Exception as error:  # noqa: BLE001 - told to the process that measures
        pipe.send(Failed(f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), *sys.argv[2:])
