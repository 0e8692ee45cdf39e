"""Real programs as peers: found, started on a free port of this machine, waited for, and stopped with the tests."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self, TypedDict

import pytest
from debian import PACKAGES, installs
from waiting import PATIENCE

__all__ = ["HOST", "Daemon", "Daemons", "free_port", "output_of", "program", "unprivileged"]

HOST = "127.0.0.1"
_PROGRAMS = Path(__file__).parent / "programs"
#: Where daemons are, too, which a user does not call.
_FOLDERS = os.pathsep.join((os.environ.get("PATH") or os.defpath, "/usr/local/sbin", "/usr/sbin"))
#: Not those that the system gives to clients (on Linux, 32768 and up): nobody takes one before its daemon does.
_PORTS = range(20_000, 32_000)


def program(name: str, package: str, *, folder: str = "/usr/libexec") -> str:
    """Return the path of a program, also one in ``folder``, a pattern; without it, skip the test.

    Where its Debian package can be installed (tools/debian.py), the test fails without it, if ``CI`` is set.
    """
    assert package in PACKAGES, f"{package} must be among the PACKAGES of tools/debian.py"
    found = shutil.which(name, path=_FOLDERS) or max(map(str, Path("/").glob(f"{folder[1:]}/{name}")), default=None)
    if found is None:
        missing = f"{name} is missing: apt install {package} (make test does so, as root on Debian)"
        if os.environ.get("CI") and installs():
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def output_of(*command: str | Path, user: str | None = None) -> str:
    """Run a program to its end, as a user if need be, and return what it says; the test fails if it fails."""
    ran = subprocess.run(
        list(map(str, command)),
        **_as(user),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
    )
    output = ran.stdout.decode("utf-8", "replace")
    assert not ran.returncode, f"{command} returned {ran.returncode}:\n{output}"
    return output


def unprivileged(name: str) -> str | None:
    """Return the user of a daemon that refuses to run as root, where the tests are root, and otherwise nobody else."""
    return None if os.geteuid() else name


def free_port() -> int:
    """Return a port of this machine at which nobody listens."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as sock, suppress(OSError):
            sock.bind((HOST, port))
            return port


class Daemon:
    """A program that runs, and all that it has said."""

    def __init__(self, name: str, command: Sequence[str], log: Path, port: int, user: str | None, stop: int) -> None:
        self.name = name
        #: Where it listens, on this machine.
        self.port = port
        #: Where it runs, and may leave things.
        self.folder = log.parent
        self._log = log
        self._stop = stop
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                **_as(user),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has written to its standard output and standard error."""
        return self._log.read_text("utf-8", "replace")

    def wait_for(self, text: str) -> None:
        """Wait until it has said this."""
        self._wait(lambda: text in self.output, f"said {text!r}")

    def wait_for_port(self) -> None:
        """Wait until it takes connections."""
        self._wait(self._listens, f"listened at port {self.port}")

    def stop(self) -> None:
        """End it, and what it has started; it is killed if it does not end."""
        self._signal(self._stop)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=PATIENCE):
            return True
        return False

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            code = self._process.poll()
            assert code is None, f"{self.name} has ended ({code}) and not {what}:\n{self.output}"
            assert time.monotonic() < deadline, f"{self.name} has not {what} within {PATIENCE:g} s:\n{self.output}"
            time.sleep(0.005)


class _User(TypedDict, total=False):
    user: str
    group: str
    extra_groups: list[str]


def _as(user: str | None) -> _User:
    """Return the arguments that run a program as a user."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


class Daemons:
    """All that were started, to be stopped with the ``with`` block."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.running: list[Daemon] = []

    def folder(self, name: str, user: str | None = None) -> Path:
        """Make a folder for a daemon, its user's own if it is to run as one; it is removed at the end."""
        folder = Path(tempfile.mkdtemp(prefix=f"mezha-{name}-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if user is not None:
            shutil.chown(folder, user)
        return folder

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        port: int = 0,
        says: str = "",
        user: str | None = None,
        stop: int = signal.SIGTERM,
    ) -> Daemon:
        """Start a daemon that stays in the foreground and listens at this port of 127.0.0.1; return it when it does.

        ``says`` is what it writes when it is ready, if that is later. With port 0 it chooses one itself, and has to say
        so. ``user`` is whom it runs as, ``stop`` the signal that ends it.
        """
        daemon = Daemon(name, list(map(str, command)), self.folder(name, user) / "output", port, user, stop)
        self._stack.callback(daemon.stop)
        self.running.append(daemon)
        daemon.wait_for(says)
        if not port:
            found = re.search(re.escape(says) + r"\D*(\d+)\n", daemon.output)
            assert found, f"{name} does not say its port:\n{daemon.output}"
            daemon.port = int(found[1])
        daemon.wait_for_port()
        return daemon

    def python(self, script: str, *arguments: object, port: int = 0, says: str = "") -> Daemon:
        """Start a program of ``programs/``, which makes a daemon of a library; it ends only by being killed."""
        command = [sys.executable, str(_PROGRAMS / script), *map(str, arguments)]
        return self.start(Path(script).stem, command, port=port, says=says, stop=signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.running.clear()  # what they said is removed with their folders
        self._stack.close()
