"""What two processes are told to do, what they answer, and the messages between them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.process import resident

__all__ = ["RUN", "Failed", "Job", "Message", "Outcome", "Tally", "Wrong", "body", "check_last", "check_size", "last"]

#: A message received; libraries that do not copy large ones give views.
Message = bytes | memoryview
#: Messages in a call of send_many.
RUN = 100

_BODY = b"0123456789abcdef"
_LAST = _BODY[::-1]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one peer.

    ``stream``: the client opens all connections, then sends on all of them; the server receives and checks.
    ``echo``: the client opens one connection after another; each of its messages comes back before the next.
    ``decode``: one process turns bytes into messages.
    """

    kind: Literal["stream", "echo", "decode"]
    size: int
    #: Messages in all.
    count: int
    connections: int = 1
    #: Which process has a thread that computes all the time.
    disturbed: Literal["", "sender", "receiver"] = ""
    #: Both processes share one core.
    one_core: bool = False
    #: Measure what the connections hold in memory.
    weigh: bool = False

    @property
    def share(self) -> int:
        """Messages of each connection."""
        return max(self.count // self.connections, 1)

    @property
    def total(self) -> int:
        """Messages in all, the same number on each connection."""
        return self.share * self.connections

    def parts(self, *, merged: bool) -> Sequence[tuple[int, int]]:
        """Return what a link receives: so many messages, the last of them last, for so many connections.

        A link of its own has its share; where one link hears all connections, ``merged``, their shares are mixed.
        """
        if not merged:
            return [(self.share, 1)]
        return [(1, 1)] * self.total if self.share == 1 else [(self.total, self.connections)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process measured; times are of ``time.monotonic``, which all processes of a machine share."""

    began: float = 0.0
    ended: float = 0.0
    #: Seconds of each round trip.
    latencies: tuple[float, ...] = ()
    #: Resident bytes for each idle connection.
    weight: float = 0.0


class Failed(Exception):
    """A peer could not do a job; the text says why."""


class Wrong(Exception):
    """A message was lost, torn, doubled or changed."""


def body(size: int) -> bytes:
    """Return the message that is sent all the time."""
    return (_BODY * (size // len(_BODY) + 1))[:size]


def last(size: int) -> bytes:
    """Return the message that ends each connection's share."""
    return (_LAST * (size // len(_LAST) + 1))[:size]


def check_size(size: int, expected: int) -> None:
    """Refuse a message that is not as long as all are.

    Raises:
        Wrong: it is longer, or shorter.

    """
    if size != expected:
        raise Wrong(f"a message of {size} bytes was received, and all sent have {expected}")


def check_last(message: Message, size: int) -> None:
    """Refuse what is not the last message.

    Raises:
        Wrong: its length or its content is another: messages were torn, doubled or mixed up.

    """
    check_size(len(message), size)
    if message != last(size):
        raise Wrong("the message received last is not the one sent last")


class Tally:
    """Counts the connections whose messages have all arrived; ``finish`` is called after the last, or at a fault."""

    def __init__(self, job: Job, finish: Callable[[], object]) -> None:
        self._job = job
        self._finish = finish
        self._left = job.connections
        self._lock = threading.Lock()
        # The first connections fill the holes that imports have left in the heap; only those after them are weighed.
        self._weighed = job.connections - job.connections // 4
        self._filled = 0
        self._outcome = Outcome()
        self._fault: Exception | None = None

    def done(self) -> None:
        """Count a connection, from any thread."""
        with self._lock:
            self._left -= 1
            ended = time.monotonic()
            if self._job.weigh and self._left == self._weighed:
                self._filled = resident()
            if not self._left:
                weight = (resident() - self._filled) / self._weighed if self._job.weigh else 0.0
                self._outcome = Outcome(ended=ended, weight=weight)
                self._finish()

    def fail(self, fault: Exception) -> None:
        """Give up: a message was wrong, or a connection ended too early. After the end nothing can fail any more."""
        with self._lock:
            if self._left and not self._fault:
                self._fault = fault
                self._finish()

    def outcome(self) -> Outcome:
        """Return what was measured.

        Raises:
            Exception: what ``fail`` was called with.

        """
        if self._fault:
            raise self._fault
        return self._outcome
