"""A trio connection: send a message, receive a message."""

from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

import trio
from trio.lowlevel import cancel_shielded_checkpoint, checkpoint_if_cancelled

from mezha.engine import State, as_view
from mezha.errors import ClosedByPeer, ClosedByUs, LocalProtocolError
from mezha.framing import Data
from mezha.session import Ending
from mezha.sockets import address_name
from mezha.talking import Talking
from mezha.trio.driver import Driver
from mezha.trio.session import SessionDriver
from mezha.trio.stream import TLSStream

__all__ = ["Answer", "Peer"]

#: What answers the requests of a peer.
Answer = Callable[["Peer", bytes], Awaitable[Data]]

_CALLS = 100


class Peer(Talking):
    """The other end of a connection, for trio code.

    Any number of tasks may send and receive: a message is always whole, and each is received by one task only. There
    are no time-outs in the calls: use cancel scopes. Use it in an ``async with`` block, or call ``close``.

    Every call can be cancelled, where it begins and wherever it waits. Of those that have nothing to wait for, one in a
    hundred lets other tasks have their turn.
    """

    __slots__ = ("_calls", "_close_timeout", "_driver", "_engine", "_pop", "_push", "_reader", "_writer")

    def __init__(self, driver: Driver, *, close_timeout: float) -> None:
        self._driver = driver
        self._writer = driver.writer
        self._reader = driver.reader
        self._engine = driver.engine
        self._push = driver.engine.push
        self._pop = driver.engine.pop
        self._close_timeout = close_timeout
        #: Calls and messages left before other tasks have their turn, though nothing is to be waited for.
        self._calls = _CALLS

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: Data) -> None:
        """Send one message: the peer receives exactly this, whole, after all sent before.

        Returning means that it is on its way, not that the peer has it. If ``Limits.outbox`` bytes are waiting for
        the peer already, it waits until some of them have gone. Cancelled, it has sent nothing.

        Raises:
            LocalProtocolError: over the limit, or the framing cannot carry it. Nothing was sent; go on.
            ConnectionLost: the connection broke.
            ClosedByUs: after ``send_eof``, ``close`` or ``detach``.

        """
        await checkpoint_if_cancelled()
        writer = self._writer
        if writer.free and self._push(message):
            if not writer.writing:
                writer.flush_soon()
        else:
            if type(message) is not bytes:
                message = bytes(as_view(message))  # it stays behind when this returns, and must not change
            size = len(message)
            if writer.congested or not self._engine.clear(size):
                async with writer.turn() as turn:
                    await turn.until(lambda: self._engine.clear(size))
                    self._put(message)
            else:
                self._put(message)
        self._calls -= 1
        if self._calls < 0:
            await self._yield()

    def try_send(self, message: Data) -> bool:
        """Send one message if that need not wait, and say whether it was sent.

        Raises:
            LocalProtocolError: over the limit, or the framing cannot carry it. Nothing was sent; go on.
            ConnectionLost: the connection broke.
            ClosedByUs: after ``send_eof``, ``close`` or ``detach``.

        """
        if self._writer.free and self._push(message):
            self._writer.flush_soon()
            return True
        if type(message) is not bytes:
            message = bytes(as_view(message))
        if self._writer.congested or not self._engine.clear(len(message)):
            return False
        self._put(message)
        return True

    async def send_many(self, messages: Iterable[Data]) -> None:
        """Send many messages. Each is received as one message, as if sent one by one; other tasks' may come between.

        An iterable is consumed as the messages go out. Cancelled, it has sent the first few of them.

        Raises:
            LocalProtocolError: one message was refused. Those before it, its attribute ``sent`` of them, were sent.
            ConnectionLost: the connection broke. How many arrived is unknown.
            ClosedByUs: after ``send_eof``, ``close`` or ``detach``.

        """
        await checkpoint_if_cancelled()
        for sent, message in enumerate(messages):
            try:
                await self.send(message)
            except LocalProtocolError as error:
                error.sent = sent
                raise

    async def send_eof(self) -> None:
        """End this side's stream, as the last word: the peer sees the end, and can still be heard (half-close).

        Raises:
            LocalProtocolError: a bare framing under TLS, or on another stream that has no such thing; ``close`` ends
                both directions.
            ConnectionLost: the connection broke.
            ClosedByUs: after ``close`` or ``detach``.

        """
        await checkpoint_if_cancelled()
        stream = self._driver.stream
        if self._talker is None and not isinstance(stream, trio.abc.HalfCloseableStream):
            kind = f"a {type(stream).__name__}" if self.tls is None else "a TLS connection"
            raise LocalProtocolError(f"{kind} cannot be ended in one direction here: close() ends both")
        if self._writer.congested:
            async with self._writer.turn():
                self._end()
        else:
            self._end()
        await cancel_shielded_checkpoint()

    def _put(self, message: bytes) -> None:
        self._engine.send(message)
        self._writer.flush_soon()

    def _end(self) -> None:
        if self._engine.state is State.CLOSED:
            raise ClosedByUs("this connection was closed on this side")
        if self._engine.end():
            self._writer.end_soon()
        else:
            self._writer.flush_soon()

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def recv(self) -> bytes:
        """Receive the next message, whole. Cancelled, at whatever point, it loses nothing.

        Raises:
            ClosedByPeer: the peer ended its stream, and every message has been received.
            RemoteProtocolError: the peer broke the protocol (FramingError, MessageTooLarge, MessageTooSlow).
            ConnectionLost: the connection broke, and every message that arrived has been received.
            ClosedByUs: after ``close`` or ``detach``, also in another task.

        """
        await checkpoint_if_cancelled()
        message = self._pop()
        if message is None:
            return (await self._receive(1))[0]
        self._calls -= 1
        if self._calls < 0:
            await self._yield()
        return message

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
        await checkpoint_if_cancelled()
        return await self._receive(max_count)

    def __aiter__(self) -> Self:
        """Receive until the peer ends its stream; raise if the connection ends in any other way."""
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except ClosedByPeer:
            raise StopAsyncIteration from None

    async def _receive(self, max_count: int) -> list[bytes]:
        while not (messages := self._driver.take(max_count)):
            await self._reader.arrival()
            self._writer.idle = True
        self._calls -= len(messages)
        if self._calls < 0:
            await self._yield()
        return messages

    async def _yield(self) -> None:
        self._calls = _CALLS
        await cancel_shielded_checkpoint()

    # -- the connection -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Which directions the connection still has."""
        return self._engine.state

    @property
    def _talker(self) -> SessionDriver | None:
        return self._driver if isinstance(self._driver, SessionDriver) else None

    @property
    def local_address(self) -> str:
        """The address of this side, as people write it; it stays after the end."""
        return address_name(self._driver.addresses[0])

    @property
    def remote_address(self) -> str:
        """The address of the peer, as people write it; it stays after the end."""
        return address_name(self._driver.addresses[1])

    @property
    def tls(self) -> TLSStream | None:
        """The TLS session, to ask it for the peer's certificate or the cipher; ``None`` without TLS."""
        return self._driver.tls

    async def close(self, code: int = 0, reason: str = "") -> Ending | None:
        """Close the connection: send what is left to send, within ``Timeouts.close`` seconds, then say goodbye.

        Never raises, and may be called again: a ``recv`` or ``send`` under way in another task raises ``ClosedByUs``.
        Messages received and not asked for are gone. Cancelled, it cuts the connection at once.

        In the mezha protocol the peer is told why, by a number (0: all is well; from 256 on they are yours) and in
        words, and answers when its program has taken all that was sent. What is returned says what became of that; it
        is ``None`` with a bare framing, which knows nothing of all this.
        """
        self._engine.close(code, reason)
        await self._driver.close(self._close_timeout)
        return self.ending

    def abort(self) -> None:
        """Cut the connection at once: whoever sends or receives, in any task, raises ``ClosedByUs``. Never raises."""
        self._engine.close()
        self._driver.cut()

    async def detach(self) -> tuple[trio.abc.Stream, bytes]:
        """Give the stream back, with the bytes that were received and are not part of a message handed out.

        The connection counts as closed from then on. A stream that was given to ``wrap`` is the same again, but for
        sockets: they come back as a :class:`trio.SocketStream`. Cancelled, it has done nothing.

        Raises:
            LocalProtocolError: it speaks the mezha protocol, whose state cannot be handed over. It is unharmed.
            ClosedByUs: it has ended already.

        """
        await checkpoint_if_cancelled()
        driver = self._driver
        if self._talker is not None:
            raise LocalProtocolError("a connection that speaks the mezha protocol cannot be detached: close() ends it")
        async with driver.writer.turn():
            await driver.writer.written()
            if driver.gone.is_set() or self._engine.state is State.CLOSED:
                raise ClosedByUs("this connection has ended already")
            return await driver.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<mezha.trio.Peer {self.local_address} -> {self.remote_address}, {self.state.value}>"
