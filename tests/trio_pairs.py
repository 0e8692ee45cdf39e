"""What tests of the trio flavour share: connected pairs on every kind of stream, and calls that are cancelled."""

import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
import trio.testing

from mezha import Framing, LengthPrefixed
from mezha.testing.conformance import certificates
from mezha.trio import Peer, connect, listen, wrap

__all__ = [
    "PAIRS",
    "Calls",
    "Rude",
    "linked",
    "memory_pair",
    "reset",
    "rude_pair",
    "socket_pair",
    "tasks",
    "tcp",
    "tls_pair",
    "tls_streams",
]

T = TypeVar("T")

FRAMING = LengthPrefixed(4)


def tasks() -> set[trio.lowlevel.Task]:
    """Return all tasks of this run."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    waiting, found = [root], set[trio.lowlevel.Task]()
    while waiting:
        task = waiting.pop()
        found.add(task)
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


def tcp() -> tuple[socket.socket, socket.socket]:
    """Connect two sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        return one, listening.accept()[0]


def reset(sock: socket.socket) -> None:
    """Break a connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Rude(trio.abc.Stream):
    """A stream within its rights: what a call has is lost when it is cancelled, and it waits more than needed."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.closed = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), 1000):
            await self._stream.send_all(bytes(view[start : start + 1000]))
            await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        self.closed = True
        await self._stream.aclose()


@asynccontextmanager
async def linked(
    one: trio.abc.Stream | socket.socket, other: trio.abc.Stream | socket.socket, framing: Framing, **options: Any
) -> AsyncGenerator[tuple[Peer, Peer]]:
    """Make peers of two ends of a connection."""
    async with wrap(one, framing, **options) as peer, wrap(other, framing, **options) as far:
        yield peer, far


@asynccontextmanager
async def socket_pair(framing: Framing = FRAMING, **options: Any) -> AsyncGenerator[tuple[Peer, Peer]]:
    """Connect two peers over TCP."""
    async with linked(*tcp(), framing, **options) as pair:
        yield pair


@asynccontextmanager
async def memory_pair(framing: Framing = FRAMING, **options: Any) -> AsyncGenerator[tuple[Peer, Peer]]:
    """Connect two peers in memory, which takes one message at a time."""
    async with linked(*trio.testing.lockstep_stream_pair(), framing, **options) as pair:
        yield pair


@asynccontextmanager
async def rude_pair(framing: Framing = FRAMING, **options: Any) -> AsyncGenerator[tuple[Peer, Peer]]:
    """Connect two peers by streams of somebody else's."""
    one, other = map(trio.SocketStream, trio.socket.socketpair())
    async with linked(Rude(one), Rude(other), framing, **options) as pair:
        yield pair


@asynccontextmanager
async def tls_pair(framing: Framing = FRAMING, **options: Any) -> AsyncGenerator[tuple[Peer, Peer]]:
    """Connect two peers over TLS."""
    accepted: list[Peer] = []

    async def accept() -> None:
        accepted.append(await listener.accept())

    async with (
        listen("127.0.0.1", 0, framing=framing, tls=certificates.server(), **options) as listener,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(accept)
        client = await connect("127.0.0.1", listener.port, framing=framing, tls=certificates.client(), **options)
    async with client, accepted[0] as peer:
        yield client, peer


async def tls_streams(
    one: trio.abc.Stream, other: trio.abc.Stream
) -> tuple["trio.SSLStream[trio.abc.Stream]", "trio.SSLStream[trio.abc.Stream]"]:
    """Greet each other over two ends of a connection."""
    client = trio.SSLStream(one, certificates.client(), server_hostname="localhost")
    server = trio.SSLStream(other, certificates.server(), server_side=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        nursery.start_soon(server.do_handshake)
    return client, server


#: Every kind of stream there is: our own socket, our own TLS, those of others.
PAIRS: list[Callable[..., Any]] = [socket_pair, tls_pair, memory_pair, rude_pair]


class Calls:
    """Calls made in tasks, and what became of them."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._left = 0
        self._none_left = trio.Event()
        #: Of each call in their order its result, or what it raised.
        self.outcomes: list[object] = []

    def start(self, call: Callable[[], Awaitable[object]]) -> None:
        """Make a call."""
        self.outcomes.append(None)
        self._left += 1
        self._nursery.start_soon(self._run, call, len(self.outcomes) - 1)

    async def finished(self) -> None:
        """Wait for the end of all calls."""
        await self._none_left.wait()

    def results(self, kind: type[T]) -> list[T]:
        """Return the outcomes that are of a type."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, kind)]

    async def _run(self, call: Callable[[], Awaitable[object]], place: int) -> None:
        try:
            self.outcomes[place] = await call()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.outcomes[place] = error
        finally:
            self._left -= 1
            if not self._left:
                self._none_left.set()
