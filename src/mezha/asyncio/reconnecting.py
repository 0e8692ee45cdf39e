"""An asyncio connection that comes again."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from mezha.asyncio.driver import Driver
from mezha.asyncio.peer import Answer, Peer
from mezha.asyncio.session import SessionDriver
from mezha.engine import Engine
from mezha.errors import LocalProtocolError
from mezha.reconnect import Loss, Reconnect
from mezha.reconnecting import Reconnecting
from mezha.session import Ending
from mezha.session.carrier import NO_DETACH
from mezha.settings import Settings

__all__ = ["ReconnectingPeer"]


class ReconnectingPeer(Reconnecting[Peer], Peer):
    """The other end of a connection that is made again when it breaks, or when its server stops.

    It is used as any peer. Messages keep their order over all connections, and are kept here until the other side has
    said that its program has taken them. While there is no connection, ``send`` puts up to ``Limits.outbox`` bytes
    aside, and waits beyond that; ``recv`` waits for the next. What was asked when a connection broke raises
    :exc:`ConnectionLost`, for nobody knows whether it was done. What became of the messages, ``on_loss`` is told.
    """

    _name = "mezha.asyncio"
    _log = logging.getLogger(_name)

    def __init__(
        self,
        opening: Callable[[Answer | None], Awaitable[Peer]],
        answer: Answer | None,
        settings: Settings,
        reconnect: Reconnect,
        on_loss: Callable[[Loss], object] | None,
    ) -> None:
        """Take how to open a connection, given what answers its requests; ``begin`` opens the first."""
        self._set_up(opening, answer, settings, reconnect, on_loss)
        self._close_timeout = settings.times.close
        self._line = asyncio.Lock()
        self._offering = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._waiters: list[asyncio.Future[None]] = []
        self._live: asyncio.Task[None]

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session of the last connection; ``None`` without TLS."""
        return self._peer.tls

    async def detach(self) -> tuple[socket.socket, bytes]:
        """Refuse: a connection that speaks the mezha protocol cannot be detached."""
        raise LocalProtocolError(NO_DETACH)

    # What is inherited of a peer asks for the connection of the moment.

    @property
    def _driver(self) -> Driver:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._peer._driver

    @property
    def _engine(self) -> Engine:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._peer._engine

    def _driver_of(self, peer: Peer) -> SessionDriver:
        driver = peer._talker
        assert driver
        return driver

    def _within(self) -> float:
        return self._close_timeout

    async def _close_within(self, peer: Peer, seconds: float, code: int, reason: str) -> Ending | None:
        peer._close_timeout = seconds
        return await peer.close(code, reason)

    def _start(self, keep: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._live = self._loop.create_task(keep(), name=f"mezha to {self.remote_address}")

    async def _stop(self) -> None:
        self._live.cancel()
        await asyncio.wait([self._live])

    def _stop_soon(self) -> None:
        self._live.cancel()

    def _now(self) -> float:
        return self._loop.time()

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _change(self, within: float | None) -> None:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await asyncio.wait([waiter], timeout=within)
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _ring(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set_result(None)
