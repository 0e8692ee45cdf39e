"""A stream that does what a test says, at exactly the point where it says it."""

import socket
from collections.abc import Sequence

from mezha.blocking.stream import Stream
from mezha.framing import Data

__all__ = ["Scripted", "Step"]

#: What a call does: move so many bytes, run out of time (``None``), or raise.
Step = int | BaseException | None


class Scripted(Stream):
    """A stream whose ``send`` and ``receive`` follow a script; after its end they move all there is."""

    def __init__(self, sock: socket.socket, *, sending: Sequence[Step] = (), receiving: Sequence[Step] = ()) -> None:
        super().__init__(sock)
        self._sending = list(sending)
        self._receiving = list(receiving)
        #: What was sent.
        self.written = b""
        #: What there is to receive.
        self.incoming = b""

    def send(self, buffers: Sequence[Data], deadline: float | None) -> int | None:
        data = b"".join(buffers)
        self.waits = isinstance(self._sending[0], KeyboardInterrupt) if self._sending else False
        count = self._step(self._sending, len(data))
        self.written += data[: count or 0]
        return count

    def receive(self, space: memoryview | None, deadline: float | None) -> Data | None:
        count = self._step(self._receiving, len(self.incoming))
        if count is None:
            return None
        data, self.incoming = self.incoming[:count], self.incoming[count:]
        return data

    @staticmethod
    def _step(script: list[Step], size: int) -> int | None:
        step = script.pop(0) if script else size
        if isinstance(step, BaseException):
            raise step
        return step
