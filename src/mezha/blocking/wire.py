"""The wire: the quick ends of a plain socket, compiled. Without it, the streams do all that it leaves to others."""

import socket
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mezha.framing import Data
from mezha.framing.frame import Run
from mezha.framing.kernels import accelerated

__all__ = ["Wire", "open_wire"]


class Wire:
    """A wire that leaves everything to others. The compiled one does what goes without saying.

    It is *open* while it sends by itself. From ``take`` to ``reopen`` it does not; in between, others send.
    """

    #: Bytes that it has accepted, and the system has not.
    size = 0
    #: Whether some of them will not go out unless somebody takes them back.
    owing = False

    def start(self, run: Run | None, largest: int, batching: bool) -> None:
        """Open it for messages that this kernel encodes, of so many bytes at most; gather bursts if ``batching``."""

    def send(self, message: object) -> bool | None:
        """Send a message, now or in a moment, and return True; False if nothing was done.

        None says that it is begun, and the wire not open any more: take the rest back and send it.
        """
        return False

    def send_many(self, messages: Sequence[Data], done: int) -> int:
        """Send messages of a list or tuple, from that one on; return which is the first that is left to others."""
        return done

    def take(self) -> bytes:
        """Take back what the system has not got, and leave everything to others.

        Raises:
            OSError: the system refused to take it.

        """
        return b""

    def reopen(self) -> None:
        """Go on sending, unless that is over for good."""

    def shut(self) -> None:
        """Accept nothing more, for good; what is pending is sent, or taken back."""

    def close(self) -> None:
        """Let go of the socket. What is pending is dropped."""


#: Whether there is a compiled one.
_compiled = accelerated and find_spec("mezha.blocking._native") is not None

if TYPE_CHECKING or _compiled:
    from mezha.blocking._native import Wire as CompiledWire


def open_wire(sock: socket.socket) -> "CompiledWire | None":
    """Return the wire of a plain socket, if it is compiled here."""
    return CompiledWire(sock) if _compiled else None
