"""What the conformance suite wants of a flavour: one interface, so that its laws are written once, and run on each.

A law is an asyncio coroutine, whatever it tests: a flavour that is not of asyncio is adapted, a blocking one through
threads, trio as a guest on the same loop. What differs most is how a call is given up: a task is cancelled, a blocking
call runs out of time. So ``Peer.recv_for`` and ``Peer.send_for`` give up at a *moment*, the number of a step, from 0.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from mezha.engine import Engine, State
from mezha.errors import ClosedByPeer
from mezha.framing import Data
from mezha.session import Ending

__all__ = ["PATIENCE", "Flavour", "InThread", "Listener", "Peer", "until", "until_stalled"]

#: Call a blocking function in a thread: ``await in_thread(function, *arguments)``.
InThread = Callable[..., Awaitable[Any]]
#: Seconds after which something that should happen does not.
PATIENCE = 20.0


async def until(condition: Callable[[], object]) -> None:
    """Wait for what tells nobody when it happens.

    Raises:
        TimeoutError: it did not.

    """
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.0005)


async def until_stalled(peer: "Peer") -> None:
    """Wait until somebody waits in a ``send``, and nothing moves any more: nobody reads at the other end."""
    quiet = 0

    def still() -> bool:
        nonlocal quiet
        quiet = quiet + 1 if peer.stalled else 0
        return quiet > 20

    await until(still)


class Peer(ABC):
    """A peer of any flavour, and what a law may ask about its inside."""

    engine: Engine

    @property
    @abstractmethod
    def socket(self) -> Any:
        """Its socket, to set options."""

    @property
    def state(self) -> State:
        """Which directions are left."""
        return self.engine.state

    @property
    def inbox(self) -> int:
        """Bytes received that nobody has asked for."""
        return len(self.engine.unused())

    @property
    @abstractmethod
    def queued(self) -> int:
        """Bytes accepted for sending that the system does not have."""

    @property
    @abstractmethod
    def receiving(self) -> bool:
        """Whether somebody waits in a ``recv``."""

    @property
    @abstractmethod
    def stalled(self) -> bool:
        """Whether somebody waits in a ``send``."""

    @abstractmethod
    async def recv(self) -> bytes:
        """Receive the next message."""

    @abstractmethod
    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        """Receive what is there, at least one."""

    @abstractmethod
    async def recv_for(self, moment: int) -> bytes | None:
        """Receive, or give up at a moment."""

    async def recv_all(self) -> list[bytes]:
        """Receive to the orderly end."""
        messages: list[bytes] = []
        with suppress(ClosedByPeer):
            while True:
                messages += await self.recv_many()
        return messages

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[bytes]: ...

    @abstractmethod
    async def send(self, message: Data) -> None:
        """Send a message."""

    @abstractmethod
    async def send_many(self, messages: Iterable[Data]) -> None:
        """Send many."""

    @abstractmethod
    async def send_for(self, messages: list[bytes], moment: int) -> range:
        """Send, or give up at a moment; return how many of them the peer must get: one number, or two possible."""

    @abstractmethod
    async def send_eof(self) -> None:
        """End this side's stream."""

    @abstractmethod
    async def close(self, code: int = 0, reason: str = "") -> Ending | None:
        """Close it, in order."""

    @abstractmethod
    def abort(self) -> None:
        """Cut the connection."""

    # -- in the mezha protocol ----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def ending(self) -> Ending | None:
        """How it ended."""

    @abstractmethod
    async def request(self, body: bytes, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Ask, and wait for the answer."""

    @abstractmethod
    async def ping(self) -> float:
        """Ask for a sign of life."""

    @abstractmethod
    async def send_stream(self, pieces: Iterable[bytes]) -> None:
        """Send a message piece by piece."""

    @abstractmethod
    async def recv_stream(self, most: int | None = None) -> list[bytes]:
        """Receive a message piece by piece; leave it after so many."""


class Listener(ABC):
    """A listener of any flavour."""

    @property
    @abstractmethod
    def sockets(self) -> tuple[Any, ...]:
        """The listening sockets."""

    @abstractmethod
    async def accept(self) -> Peer:
        """Wait for the next peer."""

    @abstractmethod
    async def close(self) -> None:
        """Close it, in order."""


class Flavour(ABC):
    """How to open what is tested."""

    #: Bytes it may gather to send, beside what ``Limits.outbox`` allows.
    gathers = 0
    #: Calls that may wait at a time.
    calls = 1000
    #: Whether who answers a request can be stopped by who asked.
    cancels = True

    def __init__(self, name: str) -> None:
        #: What it is called in reports.
        self.name = name

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Return a loop for the law."""
        return asyncio.new_event_loop()

    @abstractmethod
    async def connect(self, in_thread: InThread, *place: Any, **options: Any) -> Peer:
        """Connect, with the arguments of ``connect``; ``answer`` is a coroutine function of the law's."""

    @abstractmethod
    async def listen(self, in_thread: InThread, *place: Any, **options: Any) -> Listener:
        """Listen, with the arguments of ``listen``; ``answer`` likewise."""

    async def left(self) -> set[Any]:
        """Return what the flavour has begun and still runs, beside tasks of the loop, once it had the chance to end."""
        return set()

    async def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """End what the flavour needs as long as the loop runs."""

    def keeps(self, thread: threading.Thread) -> bool:
        """Say whether a thread is kept on purpose, to be used again."""
        return False
