"""The wire: the quick ends of a plain socket, compiled. Without it, the streams do all that it leaves to others."""

import socket
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mezha.engine import Engine
from mezha.framing import Data
from mezha.framing.frame import Run
from mezha.framing.kernels import accelerated

if TYPE_CHECKING:
    from mezha.blocking.driver import Driver

__all__ = ["Ends", "PlainEnds", "Wire", "compiled", "open_wire"]


class Wire:
    """A wire that leaves everything to others. The compiled one does what goes without saying.

    It is *open* while it sends by itself. From ``take`` to ``reopen`` it does not; in between, others send.
    """

    #: Bytes that it has accepted, and the system has not.
    size = 0
    #: Whether some of them will not go out unless somebody takes them back.
    owing = False

    #: Whether it can send by itself.
    started = False

    def start(self, run: Run | None, largest: int, batching: bool, credit: int = -1) -> None:
        """Open it for messages that this kernel encodes, of so many bytes at most; gather bursts if ``batching``.

        With ``credit`` it sends so many bytes of frames; without, any number.
        """

    def lend(self, credit: int, largest: int) -> None:
        """Add credit, for messages of so many bytes at most."""

    def settle(self) -> tuple[int, int]:
        """Take the credit back; return what is left of it, and how many messages were sent for the rest."""
        return 0, 0

    def send_many(self, messages: Sequence[Data]) -> int:
        """Send messages of a list or tuple; return which is the first that is left to others."""
        return 0

    def put(self, data: bytes) -> int:
        """Send these few bytes, between messages, as far as that is easy; return how many.

        If it is a part of them, it is not open any more: nothing may come between.
        """
        return 0

    def take(self) -> bytes:
        """Take back what the system has not got, and leave everything to others.

        Raises:
            OSError: the system refused to take it.

        """
        return b""

    def give_back(self, parts: Sequence[Data]) -> bool:
        """Take on what the system has had no room for, all there is; return whether so."""
        return False

    def reopen(self) -> None:
        """Go on sending, unless that is over for good."""

    def shut(self) -> None:
        """Accept nothing more, for good; what is pending is sent, or taken back."""

    def close(self) -> None:
        """Let go of the socket. What is pending is dropped."""


class PlainEnds:
    """The quick ends of a peer, above its wire: what they cannot do at once, its slower methods do."""

    def __init__(self, wire: Wire, engine: Engine, receiving: threading.Lock, driver: "Driver | None" = None) -> None:
        """Take what the compiled ones need; these leave everything to the others."""
        # The engine's clock stands still while nobody receives: a peer stuck because we do not read is not slow.
        self._stood_still = 0.0
        self._left = time.monotonic()

    def send(self, message: Data, *, timeout: float | None = None) -> None:
        """Send one message: the peer receives exactly this, whole, after all sent before.

        Returning means that it is on its way, not that the peer has it: the system has taken it; or, in a burst, it
        follows within about a tenth of a millisecond, together with others (``batching=False`` forgoes that).

        Raises:
            LocalProtocolError: over the limit, or the framing cannot carry it. Nothing was sent; go on.
            SendTimeout: the peer reads too slowly. Its ``sent`` says whether this message goes out all the same.
            ConnectionLost: the connection broke. Whether the message arrived is unknown.
            ClosedByUs: after ``send_eof``, ``close`` or ``detach``.

        """
        self._send_one(message, timeout, begun=False)

    def recv(self, *, timeout: float | None = None) -> bytes:
        """Receive the next message, whole.

        Raises:
            TimeoutError: none was whole in time. Nothing is lost: what has arrived of it waits for the next call.
            ClosedByPeer: the peer ended its stream, and every message has been received.
            RemoteProtocolError: the peer broke the protocol (FramingError, MessageTooLarge, MessageTooSlow).
            ConnectionLost: the connection broke, and every message that arrived has been received.
            ClosedByUs: after ``close`` or ``detach``, also from another thread.

        """
        return self._receive(1, timeout)[0]

    def _send_one(self, message: Data, timeout: float | None, begun: bool) -> None:
        """Send a message that the wire has left, or see it sent if it is begun."""
        raise NotImplementedError

    def _receive(self, max_count: int, timeout: float | None) -> list[bytes]:
        """Wait for messages, and return up to so many of them."""
        raise NotImplementedError

    def _broken(self, error: OSError) -> None:
        """Note that the connection is broken, as receiving has shown."""
        raise NotImplementedError


#: Whether there are compiled ones.
compiled: bool = accelerated and find_spec("mezha.blocking._native") is not None

if TYPE_CHECKING or compiled:
    from mezha.blocking._native import CompiledWire, Ends
else:
    Ends = PlainEnds


def open_wire(sock: socket.socket) -> "CompiledWire | None":
    """Return the wire of a plain socket, if it is compiled here."""
    return CompiledWire(sock) if compiled else None
