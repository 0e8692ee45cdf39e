"""The two processes of a peer, seen from the one that measures."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from benchmarks.job import Failed, Job, Outcome
from benchmarks.peer import Peer

__all__ = ["Pair"]


class Pair:
    """A server process and a client process. They idle between jobs, and live until ``close`` or until one fails."""

    def __init__(self, peer: Peer, *, patience: float = 60.0) -> None:
        self._peer = peer
        self._patience = patience
        self._workers: list[_Worker] = []

    def run(self, job: Job) -> Outcome:
        """Have a job done, and return what both processes measured.

        Raises:
            Failed: they could not, or took longer than ``patience`` seconds: a message that is lost is waited for.

        """
        deadline = time.monotonic() + self._patience
        wanted = 1 if job.kind == "decode" else 2
        try:
            while len(self._workers) < wanted:
                self._workers.append(_Worker(self._peer))
            server = self._workers[0]
            server.tell((job, None))
            if job.kind == "decode":
                return _outcome(_hear([server], deadline) + _hear([server], deadline))
            (port,) = _hear([server], deadline)
            client = self._workers[1]
            client.tell((job, port))
            outcomes = _hear([client, server], deadline)
            client.tell(None)
            server.tell(None)
            return _outcome(outcomes + _hear([client, server], deadline))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End both processes; the next job starts new ones."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()


class _Worker:
    """A process, and the pipe to it."""

    def __init__(self, peer: Peer) -> None:
        here, there = socket.socketpair()
        with there:
            self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the worker
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", str(there.fileno()), peer.module, peer.name],
                pass_fds=[there.fileno()],
                env={**os.environ, **peer.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C is for the process that measures
            )
        self.pipe: Connection[Any, Any] = Connection(here.detach())

    def tell(self, what: object) -> None:
        try:
            self.pipe.send(what)
        except OSError:
            raise self._epitaph() from None

    def hear(self) -> object:
        """Return the next answer; ``Failed`` if there is none."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return self._epitaph()

    def _epitaph(self) -> Failed:
        """Say how the process ended."""
        status = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().strip().splitlines()[-1:]
        return Failed(": ".join([f"a process ended with status {status}", *words]))

    def close(self) -> None:
        self.pipe.close()
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._errors.close()


def _hear(workers: Sequence[_Worker], deadline: float) -> list[Any]:
    """Return the next answer of each worker. If both fail, the fault of the last one is told: it is the server's."""
    answers: dict[_Worker, object] = {}
    while len(answers) < len(workers):
        waiting = [worker for worker in workers if worker not in answers]
        ready = wait([worker.pipe for worker in waiting], max(deadline - time.monotonic(), 0))
        if not ready:
            break
        for worker in waiting:
            if worker.pipe in ready:
                answers[worker] = worker.hear()
                if isinstance(answers[worker], Failed):
                    deadline = min(deadline, time.monotonic() + 0.5)
    for worker in reversed(workers):
        if isinstance(fault := answers.get(worker), Failed):
            raise fault
    if len(answers) < len(workers):
        raise Failed("not all messages arrived in time: lost, or too slow")
    return [answers[worker] for worker in workers]


def _outcome(answers: Sequence[Outcome | None]) -> Outcome:
    """Put together what the processes measured: each fills in what it knows."""
    outcomes = [answer for answer in answers if answer]
    return Outcome(
        began=max(outcome.began for outcome in outcomes),
        ended=max(outcome.ended for outcome in outcomes),
        latencies=tuple(latency for outcome in outcomes for latency in outcome.latencies),
        weight=max(outcome.weight for outcome in outcomes),
    )
