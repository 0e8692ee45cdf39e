"""An asyncio connection: send a message, receive a message."""

import os
import socket
import ssl
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from mezha.asyncio.driver import Driver
from mezha.engine import State, as_view
from mezha.errors import ClosedByPeer, ClosedByUs, ConnectionLost, LocalProtocolError
from mezha.framing import Data
from mezha.sockets import address_name

__all__ = ["Peer"]


class Peer:
    """The other end of a connection, for asyncio code.

    Any number of tasks may send and receive: a message is always whole, and each is received by one task only. There
    are no time-outs in the calls: use :func:`asyncio.timeout`. Use it in an ``async with`` block, or call ``close``.
    """

    __slots__ = ("_close_timeout", "_driver", "_engine", "_local", "_pop", "_push", "_remote")

    def __init__(self, driver: Driver, *, close_timeout: float) -> None:
        self._driver = driver
        self._engine = driver.engine
        self._push = driver.engine.push
        self._pop = driver.engine.pop
        self._close_timeout = close_timeout
        self._local: object = driver.transport.get_extra_info("sockname")
        self._remote: object = driver.transport.get_extra_info("peername")

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: Data) -> None:
        """Send one message: the peer receives exactly this, whole, after all sent before.

        Returning means that it is on its way, not that the peer has it. If ``Limits.outbox`` bytes are waiting for
        the peer already, it waits until some of them have gone; cancelled then, it has sent nothing.

        Raises:
            LocalProtocolError: over the limit, or the framing cannot carry it. Nothing was sent; go on.
            ConnectionLost: the connection broke.
            ClosedByUs: after ``send_eof``, ``close`` or ``detach``.

        """
        driver = self._driver
        if driver.free and self._push(message):
            if driver.tick is None:
                driver.flush_soon()
            return
        if type(message) is not bytes:
            message = bytes(as_view(message))  # it stays behind when this returns, and must not change
        if driver.congested:
            await driver.room()
        try:
            self._engine.send(message)
            driver.flush_soon()
        finally:
            driver.wake_writer()  # after the flush, which may have made room

    async def send_many(self, messages: Iterable[Data]) -> None:
        """Send many messages. Each is received as one message, as if sent one by one; other tasks' may come between.

        An iterable is consumed as the messages go out. Cancelled, it has sent the first few of them.

        Raises:
            LocalProtocolError: one message was refused. Those before it, its attribute ``sent`` of them, were sent.
            ConnectionLost: the connection broke. How many arrived is unknown.
            ClosedByUs: after ``send_eof``, ``close`` or ``detach``.

        """
        for sent, message in enumerate(messages):
            try:
                await self.send(message)
            except LocalProtocolError as error:
                error.sent = sent
                raise

    async def send_eof(self) -> None:
        """End this side's stream, as the last word: the peer sees the end, and can still be heard (half-close).

        Raises:
            LocalProtocolError: under TLS, which has no such thing here; ``close`` ends both directions.
            ConnectionLost: the connection broke.
            ClosedByUs: after ``close`` or ``detach``.

        """
        driver = self._driver
        if driver.tls is not None:
            raise LocalProtocolError("a TLS connection cannot be ended in one direction here: close() ends both")
        if driver.congested:
            await driver.room()
        try:
            if self._engine.state is State.CLOSED:
                raise ClosedByUs("this connection was closed on this side")
            self._engine.end()
            driver.flush()
            if not driver.transport.is_closing():
                try:
                    driver.transport.write_eof()
                except OSError as error:  # the stock transport, which had not noticed
                    self._engine.lost(error)
                    raise ConnectionLost(f"the connection was lost: {error}") from error
        finally:
            driver.wake_writer()

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def recv(self) -> bytes:
        """Receive the next message, whole. Cancelled, at whatever point, it loses nothing.

        Raises:
            ClosedByPeer: the peer ended its stream, and every message has been received.
            RemoteProtocolError: the peer broke the protocol (FramingError, MessageTooLarge, MessageTooSlow).
            ConnectionLost: the connection broke, and every message that arrived has been received.
            ClosedByUs: after ``close`` or ``detach``, also in another task.

        """
        # One coroutine, which holds nothing while it waits: there may be thousands.
        while True:
            message = self._pop()
            if message is not None:
                return message
            for message in self._engine.take():
                return message
            await self._driver.readable()

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        """Receive all messages that are there, at least one and at most ``max_count``; wait only for the first.

        Raises:
            ValueError: ``max_count`` below 1.

        Otherwise as ``recv``.

        """
        if max_count is None:
            max_count = 1 << 62
        elif max_count < 1:
            raise ValueError(f"max_count must be 1 or more, not {max_count}")
        while not (messages := self._engine.take(max_count)):
            await self._driver.readable()
        return messages

    def __aiter__(self) -> Self:
        """Receive until the peer ends its stream; raise if the connection ends in any other way."""
        return self

    async def __anext__(self) -> bytes:
        message = self._pop()
        if message is None:
            try:
                return await self.recv()
            except ClosedByPeer:
                raise StopAsyncIteration from None
        return message

    # -- the connection -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Which directions the connection still has."""
        return self._engine.state

    @property
    def forgiven(self) -> int:
        """How many faults of the peer were passed over so far: see ``Skipping`` and ``Resyncing``."""
        return self._engine.forgiven

    @property
    def local_address(self) -> str:
        """The address of this side, as people write it; it stays after the end."""
        return address_name(self._local)

    @property
    def remote_address(self) -> str:
        """The address of the peer, as people write it; it stays after the end."""
        return address_name(self._remote)

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, to ask it for the peer's certificate or the cipher; ``None`` without TLS."""
        return self._driver.tls

    async def close(self) -> None:
        """Close the connection: send what is left to send, within ``Timeouts.close`` seconds, then say goodbye.

        Never raises, and may be called again: a ``recv`` or ``send`` under way in another task raises ``ClosedByUs``.
        Messages received and not asked for are gone. Cancelled, it cuts the connection at once.
        """
        driver = self._driver
        self._engine.close()
        driver.flush()
        if not driver.transport.is_closing():  # a second close() would make abort() of the stock TLS transport a no-op
            driver.transport.close()
        driver.wake()
        await driver.ending(self._close_timeout)

    def abort(self) -> None:
        """Cut the connection at once: whoever sends or receives, in any task, raises ``ClosedByUs``. Never raises."""
        self._engine.close()
        self._driver.cut()
        self._driver.wake()

    async def detach(self) -> tuple[socket.socket, bytes]:
        """Give the socket back, with the bytes that were received and are not part of a message handed out.

        The connection counts as closed from then on. The socket is a new one for the same connection, non-blocking;
        one that was given to ``wrap`` is closed, as the event loop does not part with it.

        Raises:
            LocalProtocolError: under TLS, whose state cannot be handed over. The connection is unharmed.
            ClosedByUs: it has ended already.

        """
        driver = self._driver
        if driver.tls is not None:
            raise LocalProtocolError("a TLS connection cannot be detached: its keys live in the event loop's transport")
        if driver.congested:
            await driver.room()
        try:
            driver.flush()
            if not driver.transport.is_closing():
                driver.transport.set_write_buffer_limits(high=0)
                if driver.congested:
                    await driver.room()
            if driver.transport.is_closing() or self._engine.state is State.CLOSED:
                raise ClosedByUs("this connection has ended already")
            sock = socket.socket(fileno=os.dup(driver.transport.get_extra_info("socket").fileno()))
            sock.setblocking(False)  # as it is already, which the new object does not know
            driver.transport.pause_reading()
            driver.detached = True
            unread = self._engine.unused()
        finally:
            driver.wake_writer()
        self.abort()
        await driver.ending()
        return sock, unread

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<mezha.asyncio.Peer {self.local_address} -> {self.remote_address}, {self.state.value}>"
