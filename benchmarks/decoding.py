"""Peers that decode: bytes to messages in one process, with no socket and no system call."""

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence

from benchmarks.job import Job, Outcome, Wrong, body, check_last, check_size, last
from benchmarks.peer import Control, Peer

__all__ = ["DecodingPeer"]

#: Bytes handed over at once, as from a socket, and bytes that are made and then handed over again and again.
_CHUNK = 64 << 10
_WIRE = 512 << 10


class DecodingPeer(Peer):
    """Something that takes bytes as they come and gives messages."""

    style = "decoder"

    @abstractmethod
    def encode(self, job: Job, message: bytes) -> bytes:
        """Return a message as it stands on the wire."""

    @abstractmethod
    def decoder(self, job: Job) -> Callable[[bytes], Sequence[bytes]]:
        """Return a function that takes the next bytes, and returns the messages that are whole now."""

    def serve(self, job: Job, control: Control) -> None:
        """Decode and check."""
        message = self.encode(job, body(job.size))
        repeats = max(min(_WIRE // len(message), job.count), 1)
        wire = message * (repeats - 1) + self.encode(job, last(job.size))
        chunks = [wire[start : start + _CHUNK] for start in range(0, len(wire), _CHUNK)]
        decode = self.decoder(job)
        count = 0
        final = b""
        began = time.monotonic()
        for _ in range(max(job.count // repeats, 1)):
            for chunk in chunks:
                messages = decode(chunk)
                count += len(messages)
                if messages:
                    check_size(len(messages[0]), job.size)
                    final = messages[-1]
            check_last(final, job.size)
        ended = time.monotonic()
        expected = max(job.count // repeats, 1) * repeats
        if count != expected:
            raise Wrong(f"{count} messages were decoded, and {expected} were in the bytes")
        # Seconds for exactly as many messages as the job has.
        control.report(Outcome(began=0.0, ended=(ended - began) * job.count / count))

    def drive(self, job: Job, port: int, control: Control) -> None:
        """Do nothing: it takes one process."""
        raise NotImplementedError
