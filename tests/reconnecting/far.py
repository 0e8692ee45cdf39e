"""Both ends of a client that connects again: a server that comes and goes, and a client of any flavour."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import mezha.asyncio
import mezha.blocking
import mezha.trio
from mezha import Loss, MezhaError, Reconnect
from mezha.session import Ending
from mezha.testing.conformance.on_trio import Guest

__all__ = ["FLAVOURS", "QUICK", "Client", "Far"]

T = TypeVar("T")

#: As quick as a test wants it.
QUICK = Reconnect(first=0.001, most=0.05)


class Far:
    """A server on one port, which may be stopped, killed, and started again. It notes what its program is handed."""

    def __init__(self, *, echo: bool = False) -> None:
        self._echo = echo
        self._server: mezha.asyncio.Server
        self.port = 0
        #: What its program was handed, over all connections.
        self.taken: list[bytes] = []
        #: Connections that there are.
        self.peers: list[mezha.asyncio.Peer] = []
        #: Set, it takes messages.
        self.takes = asyncio.Event()
        self.takes.set()
        self.asked = asyncio.Event()
        self.killed = False

    async def start(self, **options: Any) -> None:
        self.killed = False

        async def answer(peer: mezha.asyncio.Peer, body: bytes) -> bytes:
            self.asked.set()
            if body == b"never":
                await asyncio.Event().wait()
            return body + b"!"

        self._server = await mezha.asyncio.serve(self._talk, "127.0.0.1", self.port, answer=answer, **options)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _talk(self, peer: mezha.asyncio.Peer) -> None:
        if self.killed:
            peer.abort()
        self.peers.append(peer)
        try:
            while True:
                await self.takes.wait()
                message = await peer.recv()
                self.taken.append(message)
                if self._echo:
                    await peer.send(message)
        except MezhaError:
            pass
        finally:
            self.peers.remove(peer)

    async def stop(self) -> None:
        """Stop as one should: say goodbye."""
        await self._server.stop(0.1)  # but wait for nobody who answers

    async def kill(self) -> None:
        """Be gone, without a word."""
        self._server.close()
        self.killed = True
        for peer in self.peers:
            peer.abort()
        await self._server.wait_closed()


class Client:
    """A client, whose calls may be of any flavour."""

    def __init__(self, peer: Any, call: Callable[..., Awaitable[Any]], losses: list[Loss]) -> None:
        self.peer = peer
        #: What ``on_loss`` was told.
        self.losses = losses
        self._call = call

    async def send(self, message: bytes) -> None:
        await self._call(self.peer.send, message)

    async def recv(self) -> bytes:
        message: bytes = await self._call(self.peer.recv)
        return message

    async def request(self, body: bytes) -> bytes:
        answer: bytes = await self._call(self.peer.request, body)
        return answer

    async def ping(self) -> float:
        seconds: float = await self._call(self.peer.ping)
        return seconds

    async def close(self) -> Ending:
        ending: Ending = await self._call(self.peer.close)
        return ending

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call a function where the flavour is at home."""
        return await self._call(function)

    async def call(self, name: str, *arguments: object, **options: object) -> Any:
        """Call whatever else it has."""
        return await self._call(getattr(self.peer, name), *arguments, **options)


class Flavour:
    """How a flavour is called from asyncio."""

    def __init__(self, name: str, module: Any) -> None:
        self.name = name
        self._module = module

    def __str__(self) -> str:
        return self.name

    @asynccontextmanager
    async def connect(self, port: int, **options: Any) -> AsyncGenerator[Client]:
        losses: list[Loss] = []
        options = {"reconnect": QUICK, "on_loss": losses.append, **options}
        peer = await self.call(self._module.connect, "127.0.0.1", port, **options)
        try:
            yield Client(peer, self.call, losses)
        finally:
            await self.call(peer.abort)
            await self.call(peer.close)

    async def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        result: Any = function(*arguments, **options)
        return await result if inspect.isawaitable(result) else result


class Blocking(Flavour):
    async def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(partial(function, *arguments, **options))


class Trio(Flavour):
    """Trio is a guest on the loop of asyncio, in the same thread."""

    @asynccontextmanager
    async def connect(self, port: int, **options: Any) -> AsyncGenerator[Client]:
        self._guest = Guest()
        try:
            async with super().connect(port, **options) as client:
                yield client
        finally:
            await self._guest.stop()

    async def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return await self._guest.call(partial(super().call, function, *arguments, **options))


FLAVOURS: list[Flavour] = [
    Blocking("blocking", mezha.blocking),
    Flavour("asyncio", mezha.asyncio),
    Trio("trio", mezha.trio),
]
