"""A process that forks a child for each job: what may be killed, starved or limited does no harm to the tests.

A job is a function of a module, called with its line to the test and with arguments that can be pickled. The forker
has one thread and has imported what a job needs, so a job begins within milliseconds. It can be started behind a
command that changes the world for it and its jobs (``strace``), or be changed itself.
"""

import contextlib
import gc
import importlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from waiting import PATIENCE

__all__ = ["Forker", "Job", "Line"]

_TESTS = Path(__file__).resolve().parent.parent


class Line:
    """What a job has of the test: before its end it can say something, and wait for a word."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel

    def say(self, value: object) -> None:
        """Say something that can be pickled: see ``Job.hear``."""
        self._channel.send(("said", value))

    def wait(self) -> Any:
        """Wait for ``Job.go_on``, and return what it says."""
        return self._channel.recv()

    def hand_over(self, descriptor: int) -> None:
        """Give the test a file descriptor: see ``Job.take_over``."""
        send_handle(self._channel, descriptor, None)


class Job:
    """A function that runs in a process of its own."""

    def __init__(self, name: str, channel: Connection, pid: int | None) -> None:
        self._pid = pid
        self._name = name
        self._channel = channel

    def hear(self, patience: float = PATIENCE) -> Any:
        """Wait for what it says next."""
        kind, value = self.next(patience)
        assert kind == "said", f"{self._name} has ended: {value}"
        return value

    def go_on(self, word: object = None) -> None:
        """Give it the word that it waits for."""
        self._channel.send(word)

    def take_over(self) -> int:
        """Receive a file descriptor."""
        return recv_handle(self._channel)

    def result(self, patience: float = PATIENCE) -> Any:
        """Wait for its end, and return what it returned."""
        kind, value = self.next(patience)
        assert kind == "returned", f"{self._name}: {value}"
        return value

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended gets none, nor does the forker."""
        with contextlib.suppress(ProcessLookupError):
            if self._pid:
                os.kill(self._pid, number)

    def ended(self, patience: float = PATIENCE) -> None:
        """Wait until there is no such process any more, however it ended."""
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                if not self._channel.poll(patience):
                    raise AssertionError(f"{self._name} goes on")
                self._channel.recv_bytes()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.signal(signal.SIGKILL)
        self.ended()
        self._channel.close()

    def spoke(self) -> bool:
        """Say whether something came that was not heard yet."""
        return self._channel.poll()

    def next(self, patience: float = PATIENCE) -> tuple[str, Any]:
        """Wait for what comes next: ``"said"``, ``"returned"`` or ``"failed"``, and the value."""
        if not self._channel.poll(patience):
            raise AssertionError(f"{self._name} hangs: {_stack(self._pid)}")
        try:
            answer: tuple[str, Any] = self._channel.recv()
        except (EOFError, ConnectionError):
            raise AssertionError(f"{self._name} ended without a word") from None
        return answer


class Forker:
    """The process, behind the words of ``command``; ``environment`` is added to that of the tests."""

    def __init__(self, *command: str, modules: tuple[str, ...] = (), **environment: str) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(PATIENCE)
        path = os.pathsep.join(map(str, (_TESTS, _TESTS / "fire")))
        with theirs:
            self._process = subprocess.Popen(
                [*command, sys.executable, "-W", "error", "-m", "fire.forker", str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path, **environment},
                start_new_session=True,
            )

    def start(self, function: Callable[..., object], *arguments: object, stay: bool = False) -> Job:
        """Start a job; with ``stay`` in the forker itself, which cannot do others before its end."""
        ours, theirs = socket.socketpair()
        with theirs:
            module = sys.modules[function.__module__]
            name = f"{module.__spec__.name if module.__spec__ else module.__name__}:{function.__qualname__}"
            socket.send_fds(self._socket, [pickle.dumps((name, arguments, stay))], [theirs.fileno()])
            pid = int.from_bytes(self._socket.recv(4), "big")
        assert pid, "the forker has ended"
        return Job(name, Connection(ours.detach()), None if stay else pid)

    def run(self, function: Callable[..., object], *arguments: object, patience: float = PATIENCE) -> Any:
        """Run a job to its end, and return what it returned."""
        with self.start(function, *arguments) as job:
            return job.result(patience)

    def vanish(self) -> None:
        """Kill it and its jobs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._socket.close()
        self._process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()  # at which it ends
        self._process.wait(PATIENCE)


def _stack(pid: int | None) -> str:
    """Say what a process is waiting in, as far as the system tells."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/wchan").read_text(encoding="ascii")
    return "it is not there any more"


# -- in the process ----------------------------------------------------------------------------------------------------


def _fork_for_all(requests: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        order, channels, _, _ = socket.recv_fds(requests, 1 << 20, 1)
        if not order:  # the test has ended
            return
        (channel,) = channels
        name, arguments, stay = pickle.loads(order)
        module, _, function = name.partition(":")
        job = getattr(importlib.import_module(module), function)
        pid = os.getpid() if stay else os.fork()
        if pid:
            requests.sendall(pid.to_bytes(4, "big"))
        if stay:
            _do(job, arguments, channel)
        elif pid:
            os.close(channel)
        else:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                _do(job, arguments, channel)
            finally:
                os._exit(0)  # what the forker has begun, it will end


def _do(job: Callable[..., object], arguments: tuple[object, ...], channel: int) -> None:
    gc.freeze()  # the garbage collector need not look at what was there before
    with Connection(channel) as connection:
        try:
            connection.send(("returned", job(Line(connection), *arguments)))
        except BaseException:  # noqa: BLE001 - the test will see it
            connection.send(("failed", traceback.format_exc()))


if __name__ == "__main__":
    for each in sys.argv[2:]:
        importlib.import_module(each)
    with socket.socket(fileno=int(sys.argv[1])) as the_requests:
        _fork_for_all(the_requests)
