"""The blocking flavour as the conformance suite sees it: its calls are made in threads."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import Any

import mezha.blocking
from mezha.errors import SendTimeout
from mezha.framing import Data
from mezha.session import Ending
from mezha.testing.conformance.flavour import Flavour, InThread, Listener, Peer

__all__ = ["Blocking"]

#: Seconds between two moments of a blocking call.
_MOMENT = 50e-6


class BlockingPeer(Peer):
    """A peer whose calls are made in threads."""

    def __init__(self, peer: mezha.blocking.Peer, in_thread: InThread) -> None:
        self._peer = peer
        self._in_thread = in_thread
        self.engine = peer._engine  # pyright: ignore[reportPrivateUsage]

    @property
    def socket(self) -> Any:
        return self._peer._stream.socket  # pyright: ignore[reportPrivateUsage]

    @property
    def queued(self) -> int:
        if (driver := self._peer._driver) is not None:  # pyright: ignore[reportPrivateUsage]
            unsent = sum(map(len, driver._unsent))  # pyright: ignore[reportPrivateUsage]
            return self.engine.outgoing_size + unsent + self._peer._wire.size  # pyright: ignore[reportPrivateUsage]
        unsent = sum(map(len, self._peer._unsent))  # pyright: ignore[reportPrivateUsage]
        return self.engine.outgoing_size + unsent + self._peer._wire.size  # pyright: ignore[reportPrivateUsage]

    @property
    def receiving(self) -> bool:
        if (driver := self._peer._driver) is not None:  # pyright: ignore[reportPrivateUsage]
            return driver._watched  # pyright: ignore[reportPrivateUsage]
        return self._peer._receiving.locked()  # pyright: ignore[reportPrivateUsage]

    @property
    def stalled(self) -> bool:
        if (driver := self._peer._driver) is not None:  # pyright: ignore[reportPrivateUsage]
            return driver._sending.locked()  # pyright: ignore[reportPrivateUsage]
        return self._peer._sending.locked()  # pyright: ignore[reportPrivateUsage]

    async def recv(self) -> bytes:
        message: bytes = await self._in_thread(self._peer.recv)
        return message

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        messages: list[bytes] = await self._in_thread(self._peer.recv_many, max_count)
        return messages

    async def recv_for(self, moment: int) -> bytes | None:
        try:
            return self._peer.recv(timeout=moment * _MOMENT)
        except TimeoutError:
            return None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        messages, end = iter(self._peer), object()
        while (message := await self._in_thread(next, messages, end)) is not end:
            yield message

    async def send(self, message: Data) -> None:
        await self._in_thread(self._peer.send, message)

    async def send_many(self, messages: Iterable[Data]) -> None:
        await self._in_thread(self._peer.send_many, messages)

    async def send_for(self, messages: list[bytes], moment: int) -> range:
        sent = len(messages)
        try:
            if sent == 1:
                self._peer.send(messages[0], timeout=moment * _MOMENT)
            else:
                self._peer.send_many(messages, timeout=moment * _MOMENT)
        except SendTimeout as error:
            sent = error.sent
        return range(sent, sent + 1)

    async def send_eof(self) -> None:
        await self._in_thread(self._peer.send_eof)

    async def close(self, code: int = 0, reason: str = "") -> Ending | None:
        ending: Ending | None = await self._in_thread(self._peer.close, code, reason)
        return ending

    def abort(self) -> None:
        self._peer.abort()

    @property
    def ending(self) -> Ending | None:
        return self._peer.ending

    async def request(self, body: bytes, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        answer: bytes = await self._in_thread(self._peer.request, body, timeout=timeout)
        return answer

    async def ping(self) -> float:
        seconds: float = await self._in_thread(self._peer.ping)
        return seconds

    async def send_stream(self, pieces: Iterable[bytes]) -> None:
        await self._in_thread(self._peer.send_stream, pieces)

    async def recv_stream(self, most: int | None = None) -> list[bytes]:
        def receive() -> list[bytes]:
            with self._peer.recv_stream() as stream:
                return list(islice(stream, most))

        pieces: list[bytes] = await self._in_thread(receive)
        return pieces


class BlockingListener(Listener):
    """A listener whose calls are made in threads."""

    def __init__(self, listener: mezha.blocking.Listener, in_thread: InThread) -> None:
        self._listener = listener
        self._in_thread = in_thread

    @property
    def sockets(self) -> tuple[Any, ...]:
        return self._listener.sockets

    async def accept(self) -> Peer:
        return BlockingPeer(await self._in_thread(self._listener.accept), self._in_thread)

    async def close(self) -> None:
        self._listener.close()


class Blocking(Flavour):
    """The blocking flavour."""

    gathers = 256 << 10
    calls = 40
    cancels = False

    async def connect(self, in_thread: InThread, *place: Any, **options: Any) -> Peer:
        peer: mezha.blocking.Peer = await in_thread(mezha.blocking.connect, *place, **_adapted(options))
        return BlockingPeer(peer, in_thread)

    async def listen(self, in_thread: InThread, *place: Any, **options: Any) -> Listener:
        listener: mezha.blocking.Listener = await in_thread(mezha.blocking.listen, *place, **_adapted(options))
        return BlockingListener(listener, in_thread)

    def keeps(self, thread: threading.Thread) -> bool:
        return thread.name == "mezha keeper"


def _adapted(options: dict[str, Any]) -> dict[str, Any]:
    """Return options as they are, but for who answers: a coroutine of the loop, for which a thread waits."""
    if (answer := options.get("answer")) is None:
        return options
    loop = asyncio.get_running_loop()

    def answer_peer(_: mezha.blocking.Peer, body: bytes) -> bytes:
        reply: bytes = asyncio.run_coroutine_threadsafe(answer(body), loop).result()
        return reply

    return options | {"answer": answer_peer}
