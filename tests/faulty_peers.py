"""Peers with faults, one each, which the harness has to notice."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from benchmarks.blocking import BlockingPeer, Link
from benchmarks.job import Job
from benchmarks.peers.hand_rolled import HandRolled

#: The message that is not treated as it should be.
_THIRD = 3


class Faulty(BlockingPeer):
    """A peer whose sender mistreats a message."""

    def __init__(self, name: str, mistreat: Callable[[bytes], list[bytes]]) -> None:
        self.name = name
        self._mistreat = mistreat
        self._sound = HandRolled()

    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Serve, without a fault."""
        return self._sound.listen(job, handler)

    def connect(self, job: Job, port: int) -> Link:
        """Open a connection that treats all messages but one as it should."""
        link = self._sound.connect(job, port)
        count = 0

        def send(message: bytes) -> None:
            nonlocal count
            count += 1
            for part in self._mistreat(message) if count == _THIRD else [message]:
                link.send(part)

        return Link(send, link.recv, link.close)


class Absent(Faulty):
    """A peer that needs what is not there."""

    def connect(self, job: Job, port: int) -> Link:
        """Fail."""
        raise ImportError("No module named 'absent'")


PEERS = (
    Faulty("loses", lambda message: []),
    Faulty("tears", lambda message: [message[:5], message[5:]]),
    Faulty("doubles", lambda message: [message, message]),
    Faulty("glues", lambda message: [message + message]),
    Faulty("changes the last", lambda message: [b"x" * len(message)]),
    Absent("is absent", lambda message: [message]),
)
