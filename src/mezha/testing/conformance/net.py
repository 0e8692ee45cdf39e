"""Where the laws of the conformance suite hold: a flavour on a transport, with the peers and scripted peers made there.

A law is a function of a :class:`Net`, entered with ``@law``. It is a coroutine function, or calls ``Net.run`` itself.
"""

import asyncio
import functools
import gc
import itertools
import select
import socket
import ssl
import struct
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mezha import Framing, LengthPrefixed
from mezha.framing import Data
from mezha.testing.conformance import certificates
from mezha.testing.conformance.flavour import PATIENCE, Flavour, Listener, Peer
from mezha.testing.conformance.speech import Bare, Mezha, Speech

__all__ = ["LAWS", "PLAIN", "U32", "Law", "Net", "Raw", "law", "open_net"]

T = TypeVar("T")

#: The transports without TLS, and all.
PLAIN = ("tcp", "unix")
TRANSPORTS = (*PLAIN, "tls")
#: The framing of laws that any would serve.
U32 = LengthPrefixed(4)
#: Enough for 50 senders and those who watch them.
_THREADS = 64


class Raw:
    """A scripted peer: a plain socket, and what is said over it. What may wait is done in a thread."""

    def __init__(self, sock: socket.socket, net: "Net", framing: Framing | None) -> None:
        self.socket = sock
        self._in_thread = net.in_thread
        self._speech = net.speech(framing)
        self._said_goodbye = False

    def push(self, data: bytes) -> None:
        """Send a little, for which there is room."""
        self.socket.sendall(data)

    async def send(self, data: bytes) -> None:
        await self._in_thread(self.socket.sendall, data)

    async def read(self, count: int) -> bytes:
        """Read so many bytes, or less at the end."""

        def read() -> bytes:
            data = bytearray()
            while len(data) < count and (more := self._recv(min(count - len(data), 1 << 20))):
                data += more
            return bytes(data)

        data: bytes = await self._in_thread(read)
        return data

    async def read_until(self, count: int) -> bytes:
        """Read until so many messages have been heard since the beginning; fail at the end."""

        def read() -> bytes:
            data = bytearray()
            while len(self._speech.messages) < count:
                more = self._recv(1 << 16)
                assert more, f"the stream ended after {len(self._speech.messages)} messages"
                data += more
            return bytes(data)

        data: bytes = await self._in_thread(read)
        return data

    async def read_all(self) -> bytes:
        """Read to the end, and answer the goodbyes."""
        data = await self.read(1 << 40)
        if isinstance(self.socket, ssl.SSLSocket):
            self._end()
        return data

    def sip(self, count: int) -> bytes:
        """Read some of what is there, without waiting."""
        self.socket.setblocking(False)
        try:
            return self._recv(count)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""
        finally:
            self.socket.setblocking(True)

    async def readable(self) -> None:
        """Wait for something to read, and leave it there."""
        assert await self._in_thread(select.select, [self.socket], [], [], PATIENCE) != ([], [], [])

    def end(self) -> None:
        """Say goodbye, and end this side's stream."""
        self._say_goodbye()
        self._end()

    def _recv(self, count: int) -> bytes:
        data = self.socket.recv(count)
        if data:
            self._speech.hear(data)
        if self._speech.ended:
            self._say_goodbye()
        return data

    def _say_goodbye(self) -> None:
        if not self._said_goodbye:
            self._said_goodbye = True
            with suppress(OSError):  # the other side may be gone
                self.push(self._speech.goodbye)

    def _end(self) -> None:
        if not isinstance(self.socket, ssl.SSLSocket):
            self.socket.shutdown(socket.SHUT_WR)
            return
        self.socket.setblocking(False)
        with suppress(ssl.SSLError):  # the goodbye is said; nobody has to wait for the answer, or to have heard all
            self.socket.unwrap()
        self.socket.setblocking(True)

    async def reset(self, peer: Peer) -> None:
        """Break the connection."""
        if self.socket.family == getattr(socket, "AF_UNIX", None):
            await peer.send(b"unread")  # which is what makes it a reset, there
            await self.readable()
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


class Net:
    """A flavour on a transport, in a bare framing or in the mezha protocol."""

    def __init__(
        self, flavour: Flavour, transport: str, path: Path, runner: asyncio.Runner, *, bare: bool = True
    ) -> None:
        self.flavour = flavour
        self.transport = transport
        self.bare = bare
        #: What is spoken where a law does not care: ``None`` is the mezha protocol.
        self.usual = U32 if bare else None
        self._tls = certificates.server() if transport == "tls" else None
        self._client_tls = certificates.client() if transport == "tls" else None
        self._path = path
        self._numbers = itertools.count()
        self._runner = runner
        self._executor = ThreadPoolExecutor(_THREADS, "conformance")
        self._peers: list[Peer] = []
        self._raws: list[Raw] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine; it may not hang, and in the end nothing it began may be running."""

        async def bounded() -> T:
            async with asyncio.timeout(PATIENCE):
                return await work

        return self._runner.run(bounded())

    async def in_thread(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        call = functools.partial(function, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def speech(self, framing: Framing | None = None) -> Speech:
        """Return how a scripted peer speaks, which has heard nothing yet."""
        framing = framing or self.usual
        return Mezha() if framing is None else Bare(framing)

    def frames(self, messages: Iterable[bytes], framing: Framing | None = None) -> bytes:
        """Return the stream that carries these messages, without an opening."""
        return self.speech(framing).frames(messages)

    def messages_in(self, stream: Data) -> list[bytes]:
        """Return the messages that a stream carries, to the end.

        Raises:
            RemoteProtocolError: it is torn.

        """
        speech = self.speech()
        if stream:
            speech.hear(stream)
        speech.hear(b"")
        return speech.messages

    async def listen(self, framing: Framing | None = None, **options: Any) -> Listener:
        """Listen at a place of its own."""
        framing = framing or self.usual
        place: tuple[Any, ...] = ("127.0.0.1", 0)
        if self.transport == "unix":
            place, options["unix"] = (), self._path / f"{next(self._numbers)}.sock"
        return await self.flavour.listen(self.in_thread, *place, framing=framing, tls=self._tls, **options)

    async def connect(self, listener: Listener, framing: Framing | None = None, **options: Any) -> Peer:
        """Connect to a listener."""
        framing = framing or self.usual
        place: Any = listener.sockets[0].getsockname()
        if self.transport == "unix":
            place, options["unix"] = (), place
        peer = await self.flavour.connect(self.in_thread, *place, framing=framing, tls=self._client_tls, **options)
        self._peers.append(peer)
        return peer

    async def connect_raw(
        self, listener: Listener, framing: Framing | None = None, *, buffers: int | None = None, greet: bool = True
    ) -> Raw:
        """Connect a scripted peer to a listener; it says hello, if anybody does."""

        def connect() -> socket.socket:
            sock = socket.socket(listener.sockets[0].family)
            if buffers:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
            sock.connect(listener.sockets[0].getsockname())
            if self._client_tls is None:
                return sock
            return self._client_tls.wrap_socket(sock, server_hostname="127.0.0.1", suppress_ragged_eofs=False)

        raw = Raw(await self.in_thread(connect), self, framing)
        if greet:
            raw.push(self.speech(framing).opening)
        self._raws.append(raw)
        return raw

    async def accept(self, listener: Listener) -> Peer:
        peer = await listener.accept()
        self._peers.append(peer)
        return peer

    @asynccontextmanager
    async def pair(self, framing: Framing | None = None, **options: Any) -> AsyncGenerator[tuple[Peer, Peer]]:
        """Connect two peers of the flavour."""
        listener = await self.listen(framing, **options)
        try:
            ours, theirs = await asyncio.gather(self.connect(listener, framing, **options), self.accept(listener))
        finally:
            await listener.close()
        yield ours, theirs
        await asyncio.gather(ours.close(), theirs.close())

    @asynccontextmanager
    async def raw_pair(
        self, framing: Framing | None = None, *, buffers: int | None = None, greet: bool = True, **options: Any
    ) -> AsyncGenerator[tuple[Raw, Peer]]:
        """Connect a scripted peer and a peer of the flavour; the system holds about ``buffers`` bytes between them."""
        listener = await self.listen(framing, **options)
        try:
            for sock in listener.sockets if buffers else ():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)  # can only be set before
            raw, peer = await asyncio.gather(
                self.connect_raw(listener, framing, buffers=buffers, greet=greet), self.accept(listener)
            )
            if buffers:
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
        finally:
            await listener.close()
        yield raw, peer
        raw.close()
        await peer.close()

    def finish(self) -> None:
        """End what a law that failed has left; one that held has left nothing."""
        for peer in self._peers:
            peer.abort()
        for raw in self._raws:
            with suppress(OSError):  # closed already
                raw.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
            raw.close()

        async def close() -> None:
            await asyncio.gather(*(peer.close() for peer in self._peers))
            await self.flavour.finish()

        self._runner.run(close())
        self._executor.shutdown()

    async def left(self) -> set[Any]:
        """Return the tasks that are still there, once those cancelled had their chance to end."""
        for _ in range(5):
            await asyncio.sleep(0)
        return asyncio.all_tasks() - {asyncio.current_task()} | await self.flavour.left()


@dataclass(frozen=True)
class Law:
    """A law, and the transports it holds on."""

    check: Callable[[Net], Coroutine[Any, Any, None] | None]
    transports: tuple[str, ...]
    #: Whether it holds in a bare framing, and in the mezha protocol.
    bare: bool = True
    session: bool = True

    @property
    def name(self) -> str:
        return self.check.__name__

    def hold(self, net: Net) -> None:
        """Check it."""
        if (coroutine := self.check(net)) is not None:
            net.run(coroutine)


LAWS: list[Law] = []
_Check = TypeVar("_Check", bound=Callable[[Net], Coroutine[Any, Any, None] | None])


def law(*transports: str, only: str = "") -> Callable[[_Check], _Check]:
    """Enter a law; it holds on these transports, or on all; ``only`` in a bare framing, or in the session."""

    def enter(check: _Check) -> _Check:
        LAWS.append(Law(check, transports or TRANSPORTS, only != "session", only != "bare"))
        return check

    return enter


@contextmanager
def open_net(flavour: Flavour, transport: str, path: Path, *, bare: bool = True) -> Generator[Net]:
    """Make a net, and see to it that nothing is left of what was done there: no task, no thread, no open socket."""
    threads = set(threading.enumerate())
    with asyncio.Runner(loop_factory=flavour.new_loop) as runner:
        net = Net(flavour, transport, path, runner, bare=bare)
        try:
            yield net
            left = runner.run(net.left())
            assert not left, f"left running: {left}"
        finally:
            net.finish()
    assert not {thread for thread in threading.enumerate() if not flavour.keeps(thread)} - threads
    gc.collect()  # a socket that nobody closed warns now, and warnings are errors
    gc.freeze()  # the next time, it need not look at what was left this time
