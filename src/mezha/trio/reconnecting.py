"""A trio connection that comes again."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from math import inf
from typing import Any

import trio
from trio.lowlevel import spawn_system_task

from mezha.engine import Engine
from mezha.errors import LocalProtocolError
from mezha.reconnect import Loss, Reconnect
from mezha.reconnecting import Reconnecting
from mezha.session import Ending
from mezha.session.carrier import NO_DETACH
from mezha.settings import Settings
from mezha.trio.driver import Driver
from mezha.trio.peer import Answer, Peer
from mezha.trio.session import SessionDriver
from mezha.trio.stream import TLSStream

__all__ = ["ReconnectingPeer"]


class ReconnectingPeer(Reconnecting[Peer], Peer):
    """The other end of a connection that is made again when it breaks, or when its server stops.

    It is used as any peer. Messages keep their order over all connections, and are kept here until the other side has
    said that its program has taken them. While there is no connection, ``send`` puts up to ``Limits.outbox`` bytes
    aside, and waits beyond that; ``recv`` waits for the next. What was asked when a connection broke raises
    :exc:`ConnectionLost`, for nobody knows whether it was done. What became of the messages, ``on_loss`` is told.
    """

    _name = "mezha.trio"
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
        self._line = trio.StrictFIFOLock()
        self._offering = trio.StrictFIFOLock()
        self._changed = trio.Event()
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    @property
    def tls(self) -> TLSStream | None:
        """The TLS session of the last connection; ``None`` without TLS."""
        return self._peer.tls

    async def detach(self) -> tuple[trio.abc.Stream, bytes]:
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
        async def live() -> None:
            with self._scope:
                await keep()
            self._ended.set()

        spawn_system_task(live, context=copy_context())

    async def _stop(self) -> None:
        self._scope.cancel()
        await self._ended.wait()

    def _stop_soon(self) -> None:
        self._scope.cancel()

    def _now(self) -> float:
        return trio.current_time()

    async def _sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def _change(self, within: float | None) -> None:
        with trio.move_on_after(inf if within is None else within):
            await self._changed.wait()

    def _ring(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
