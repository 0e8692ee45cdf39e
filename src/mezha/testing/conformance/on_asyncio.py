"""The asyncio flavour as the conformance suite sees it, on any loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

import mezha.asyncio
from mezha.framing import Data
from mezha.session import Ending
from mezha.testing.conformance.flavour import Flavour, InThread, Listener, Peer

__all__ = ["Asyncio", "AsyncioListener", "AsyncioPeer"]

T = TypeVar("T")


class AsyncioPeer(Peer):
    """A peer as it is."""

    def __init__(self, peer: mezha.asyncio.Peer) -> None:
        #: The peer itself.
        self.peer = peer
        self._driver = peer._driver  # pyright: ignore[reportPrivateUsage]
        self.engine = self._driver.engine

    @property
    def socket(self) -> Any:
        return self._driver.transport.get_extra_info("socket")

    @property
    def queued(self) -> int:
        return self.engine.outgoing_size + self._driver.transport.get_write_buffer_size()

    @property
    def receiving(self) -> bool:
        return bool(self._driver._readers)  # pyright: ignore[reportPrivateUsage]

    @property
    def stalled(self) -> bool:
        return self._driver.line is not None

    async def recv(self) -> bytes:
        return await self.peer.recv()

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        return await self.peer.recv_many(max_count)

    async def recv_for(self, moment: int) -> bytes | None:
        try:
            return await _cancelled(self.peer.recv(), moment)
        except asyncio.CancelledError:
            return None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self.peer)

    async def send(self, message: Data) -> None:
        await self.peer.send(message)

    async def send_many(self, messages: Iterable[Data]) -> None:
        await self.peer.send_many(messages)

    async def send_for(self, messages: list[bytes], moment: int) -> range:
        begun = 0

        def count() -> Iterator[bytes]:
            nonlocal begun
            for begun, message in enumerate(messages, 1):  # noqa: B007 - it is nonlocal
                yield message

        single = len(messages) == 1
        try:
            await _cancelled(self.peer.send(messages[0]) if single else self.peer.send_many(count()), moment)
        except asyncio.CancelledError:
            return range(1) if single else range(max(begun - 1, 0), begun + 1)
        return range(len(messages), len(messages) + 1)

    async def send_eof(self) -> None:
        await self.peer.send_eof()

    async def close(self, code: int = 0, reason: str = "") -> Ending | None:
        return await self.peer.close(code, reason)

    def abort(self) -> None:
        self.peer.abort()

    @property
    def ending(self) -> Ending | None:
        return self.peer.ending

    async def request(self, body: bytes, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self.peer.request(body, timeout=timeout)

    async def ping(self) -> float:
        return await self.peer.ping()

    async def send_stream(self, pieces: Iterable[bytes]) -> None:
        await self.peer.send_stream(pieces)

    async def recv_stream(self, most: int | None = None) -> list[bytes]:
        pieces: list[bytes] = []
        async with self.peer.recv_stream() as stream:
            async for piece in stream:
                pieces.append(piece)
                if len(pieces) == most:
                    break
        return pieces


class AsyncioListener(Listener):
    """A listener as it is."""

    def __init__(self, listener: mezha.asyncio.Listener) -> None:
        #: The listener itself.
        self.listener = listener

    @property
    def sockets(self) -> tuple[Any, ...]:
        return self.listener.sockets

    async def accept(self) -> Peer:
        return AsyncioPeer(await self.listener.accept())

    async def close(self) -> None:
        self.listener.close()


class Asyncio(Flavour):
    """The asyncio flavour, on the loops of a factory."""

    def __init__(self, name: str, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        super().__init__(name)
        self._factory = factory

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return self._factory()

    async def connect(self, in_thread: InThread, *place: Any, **options: Any) -> Peer:
        return AsyncioPeer(await mezha.asyncio.connect(*place, **_adapted(options)))

    async def listen(self, in_thread: InThread, *place: Any, **options: Any) -> Listener:
        return AsyncioListener(await mezha.asyncio.listen(*place, **_adapted(options)))


def _adapted(options: dict[str, Any]) -> dict[str, Any]:
    """Return options as they are, but for who answers."""
    if (answer := options.get("answer")) is None:
        return options

    async def answer_peer(_: mezha.asyncio.Peer, body: bytes) -> bytes:
        reply: bytes = await answer(body)
        return reply

    return options | {"answer": answer_peer}


async def _cancelled(call: Coroutine[Any, Any, T], moment: int) -> T:
    """Cancel a coroutine after so many steps of the loop."""
    task = asyncio.ensure_future(call)
    for _ in range(moment):
        await asyncio.sleep(0)
    task.cancel()
    return await task
