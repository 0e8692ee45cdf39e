"""System calls that fail, at a point that a test chooses: strace has each thread's call of a certain number fail.

A job first makes so many calls that do no harm, that the one to fail is the one that the test has chosen. So one strace
and one forker under it serve for all calls and points, and only the errors are fixed.
"""

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from fire.forker import Forker, Line

__all__ = ["CALLS", "Injected", "injecting", "why_not"]

#: Which call fails, counted from 1 in each thread. No job makes as many of any kind, but for those to get there; nor
#: does Python when it starts.
_NUMBER = 250
_libc: Any = ctypes.CDLL(None, use_errno=True)
#: Each kind of call, as it is made without doing anything; some go by several names, according to the architecture.
CALLS: dict[str, Callable[[], object]] = {
    "socket": lambda: _libc.socket(-1, -1, -1),
    "socketpair": lambda: _libc.socketpair(-1, -1, -1, None),
    "bind": lambda: _libc.bind(-1, None, 0),
    "listen": lambda: _libc.listen(-1, 0),
    "accept4": lambda: _libc.accept4(-1, None, None, 0),
    "connect": lambda: _libc.connect(-1, None, 0),
    "getsockname": lambda: _libc.getsockname(-1, None, None),
    "getpeername": lambda: _libc.getpeername(-1, None, None),
    "setsockopt": lambda: _libc.setsockopt(-1, 0, 0, None, 0),
    "getsockopt": lambda: _libc.getsockopt(-1, 0, 0, None, None),
    "ioctl": lambda: _libc.ioctl(-1, 0, None),
    "fcntl": lambda: _libc.fcntl(-1, 0, None),
    "sendto": lambda: _libc.send(-1, None, 0, 0),
    "sendmsg": lambda: _libc.sendmsg(-1, None, 0),
    "recvfrom": lambda: _libc.recv(-1, None, 0, 0),
    "read": lambda: _libc.read(-1, None, 0),
    "write": lambda: _libc.write(-1, None, 0),
    "writev": lambda: _libc.writev(-1, None, 0),
    "shutdown": lambda: _libc.shutdown(-1, 0),
    "close": lambda: _libc.close(-1),
    "poll|ppoll": lambda: _libc.poll(None, 0, 0),
    "epoll_create1": lambda: _libc.epoll_create1(-1),
    "epoll_ctl": lambda: _libc.epoll_ctl(-1, 0, 0, None),
    "epoll_wait|epoll_pwait": lambda: _libc.epoll_wait(-1, None, 0, 0),
    "mmap": lambda: _libc.mmap(None, 0, 0, 0, -1, 0),
}


class Injected:
    """A call that fails: of this kind, and the one of this number from here on, counted from 0."""

    def __init__(self, kind: str, point: int, error: int) -> None:
        self._call = CALLS[kind]
        self._point = point
        self._error = error
        for _ in range(_NUMBER - 1 - point):
            self._call()

    def reached(self) -> bool:
        """Say whether it has failed. If not, nothing is left to fail."""
        for _ in range(self._point + 1):
            ctypes.set_errno(0)
            self._call()
            if ctypes.get_errno() == self._error:
                return False
        return True


def injecting(errors: dict[str, int]) -> Forker:
    """Return a forker in which calls of these kinds can fail so."""
    words = ["strace", "-f", "--seccomp-bpf", "-qqq", "-o", "/dev/null", "-e", "signal=none"]
    names = {kind: ",".join(f"?{name}" for name in kind.split("|")) for kind in errors}
    words += ["-e", f"trace={','.join(names.values())}"]
    for kind, error in errors.items():
        words += ["-e", f"inject={names[kind]}:error={errno.errorcode[error]}:when={_NUMBER}"]
    forker = Forker(*words)
    with forker.start(_use_up, stay=True) as job:
        job.result()
    return forker


def _use_up(line: Line) -> None:
    """Have the forker's own calls fail where that does no harm: it has modules to import, by many calls."""
    for call in CALLS.values():
        for _ in range(_NUMBER):
            call()


def why_not() -> str:
    """Say why nothing can be injected here; "" if it can."""
    if sys.platform != "linux":
        return "strace is a program for Linux"
    if shutil.which("strace") is None:
        return "there is no strace on this machine (Debian: apt install strace)"
    command = ["strace", "-f", "--seccomp-bpf", "-qqq", "-o", os.devnull, "-e", "trace=getppid", "true"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"this machine lets this user trace nothing: {tried.stderr.strip()}" if tried.returncode else ""
