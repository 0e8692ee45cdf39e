"""An asyncio connection that comes again: a peer over one connection after the other."""

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from random import random
from typing import Self, TypeVar

from mezha.asyncio.driver import Driver
from mezha.asyncio.peer import Answer, Peer
from mezha.asyncio.streams import Incoming, Source
from mezha.engine import Engine, State, as_view
from mezha.errors import ClosedByPeer, ConnectionLost, LocalProtocolError, MezhaError
from mezha.framing import Data
from mezha.reconnect import Loss, Reconnect
from mezha.session import Ending
from mezha.session.carrier import NO_DETACH, NO_END, NO_STREAM, Carrier
from mezha.settings import Settings

__all__ = ["ReconnectingPeer"]

T = TypeVar("T")

log = logging.getLogger("mezha.asyncio")

#: Seconds from one question of what was taken to the next, while nothing more can be sent before it is known.
_ASK_AGAIN = 1.0


class ReconnectingPeer(Peer):
    """The other end of a connection that is made again when it breaks, or when its server stops.

    It is used as any peer. Messages keep their order over all connections, and are kept here until the other side has
    said that its program has taken them. While there is no connection, ``send`` puts up to ``Limits.outbox`` bytes
    aside, and waits beyond that; ``recv`` waits for the next. What was asked when a connection broke raises
    :exc:`ConnectionLost`, for nobody knows whether it was done. What became of the messages, ``on_loss`` is told.
    """

    __slots__ = (
        "_carrier",
        "_ending",
        "_line",
        "_live",
        "_offering",
        "_on_loss",
        "_open",
        "_peer",
        "_sources",
        "_waiters",
    )

    def __init__(
        self,
        opening: Callable[[Answer | None], Awaitable[Peer]],
        answer: Answer | None,
        settings: Settings,
        reconnect: Reconnect,
        on_loss: Callable[[Loss], object] | None,
    ) -> None:
        """Take how to open a connection, given what answers its requests; ``begin`` opens the first."""

        async def answer_here(_: Peer, body: bytes) -> Data:
            assert answer is not None
            return await answer(self, body)

        self._open = partial(opening, None if answer is None else answer_here)
        self._on_loss = on_loss
        self._close_timeout = settings.times.close
        self._carrier = Carrier(reconnect, settings.sizes, random)
        self._peer: Peer  # the last one that was opened
        self._sources: deque[Peer] = deque()  # of which something may still be received
        self._line = asyncio.Lock()  # of those who send
        self._offering = asyncio.Lock()  # of who hands messages to a connection
        self._waiters: list[asyncio.Future[None]] = []
        self._live: asyncio.Task[None]
        self._ending: Ending | None = None

    async def begin(self) -> Self:
        """Open the first connection.

        Raises:
            OSError: there is none. It is not tried again: whoever has just begun wants to know.

        """
        self._take_on(await self._open())
        self._live = asyncio.get_running_loop().create_task(self._keep(), name=f"mezha to {self.remote_address}")
        return self

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: Data) -> None:
        """Send one message, as soon as there is a connection: it is received once, or told of as a loss.

        Returning means that it is on its way, or waits for a connection. If too much waits already, or too much has
        not been confirmed, it waits until some of that has gone; cancelled then, it has sent nothing.

        Raises:
            LocalProtocolError: over the limit. Nothing was sent; go on.
            ClosedByPeer: the peer has closed, and means it.
            ClosedByUs: after ``close``.

        And what the last attempt raised, if there have been enough.

        """
        carrier, ledger = self._carrier, self._carrier.ledger
        message = message if type(message) is bytes else bytes(as_view(message))
        carrier.check_size(len(message))
        async with self._line:
            while not self._has_room():
                await self._change(_ASK_AGAIN)
                self._probe()
            async with self._offering:
                ledger.add(message)
                try:
                    await self._offer(own=True)
                except BaseException:
                    ledger.withdraw()
                    raise

    def try_send(self, message: Data) -> bool:
        """Send one message if that need not wait, and say whether it was sent, or put aside for the next connection.

        Raises as ``send``.
        """
        carrier, ledger = self._carrier, self._carrier.ledger
        message = message if type(message) is bytes else bytes(as_view(message))
        carrier.check_size(len(message))
        carrier.check()
        if self._line.locked() or self._offering.locked() or not ledger.room or (carrier.connected and ledger.waiting):
            return False
        ledger.add(message)
        if carrier.connected:
            ledger.next()
            try:
                sent = self._peer.try_send(message)
            except MezhaError as error:
                if not isinstance(error, LocalProtocolError):
                    return True  # it was lost meanwhile: the message will be told of
                ledger.take_back()
                ledger.withdraw()
                raise
            if not sent:
                ledger.take_back()
                ledger.withdraw()
                return False
            self._probe()
        return True

    async def send_many(self, messages: Iterable[Data]) -> None:
        """Send many messages, each as ``send`` does.

        Raises:
            LocalProtocolError: one message was refused. Those before it, its attribute ``sent`` of them, were sent.

        Otherwise as ``send``.

        """
        for sent, message in enumerate(messages):
            try:
                await self.send(message)
            except LocalProtocolError as error:
                error.sent = sent
                raise

    async def send_eof(self) -> None:
        """Refuse: an end would have to be said again over the next connection. ``close`` ends both directions."""
        raise LocalProtocolError(NO_END)

    async def send_stream(self, source: Source) -> None:
        """Refuse: what was sent piece by piece is not here any more, to be sent again. ``send`` it as a message."""
        raise LocalProtocolError(NO_STREAM)

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def recv(self) -> bytes:
        """Receive the next message, of whatever connection. Cancelled, at whatever point, it loses nothing.

        Raises:
            ClosedByPeer: the peer has closed, and means it; every message has been received.
            RemoteProtocolError: the peer broke the protocol.
            ClosedByUs: after ``close``, also in another task.

        And what the last attempt raised, if there have been enough.

        """
        return await self._receive(lambda peer: peer.recv())

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        """Receive all messages that are there, of one connection, at least one and at most ``max_count``.

        Raises:
            ValueError: ``max_count`` below 1.

        Otherwise as ``recv``.

        """
        return await self._receive(lambda peer: peer.recv_many(max_count))

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except ClosedByPeer:
            raise StopAsyncIteration from None

    def recv_stream(self) -> Incoming:
        """Receive the next message of this connection as it comes; if that is lost, so is the message.

        Raises:
            LocalProtocolError: another is being received so.
            ConnectionLost: there is no connection now.

        Otherwise as ``recv``.

        """
        source = self._source()
        if source is None:
            raise ConnectionLost("there is no connection now, to receive a stream from")
        return source.recv_stream()

    # -- asking -------------------------------------------------------------------------------------------------------

    async def request(self, body: Data, *, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as Peer's
        """Ask the peer, as soon as there is a connection, and wait for its answer.

        Raises:
            RequestFailed: the other side says that there is no answer, and why.
            TimeoutError: none came in time.
            LocalProtocolError: over the limit of either side. Nothing was sent.
            ConnectionLost: the connection broke before the answer came. Whether it was heard is unknown.
            ClosedByPeer: the peer has closed, and means it.
            ClosedByUs: after ``close``.

        """
        return await self._ask(lambda peer, left: peer.request(body, timeout=left), timeout, "answer")

    async def ping(self, *, timeout: float | None = None) -> float:  # noqa: ASYNC109 - as Peer's
        """Ask the peer for a sign of life, as soon as there is a connection; return how many seconds it took.

        Raises as ``request``.
        """
        return await self._ask(lambda peer, left: peer.ping(timeout=left), timeout, "sign of life")

    # -- the connection -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Open, also while there is no connection; failed if none comes any more; closed after ``close``."""
        if self._carrier.closed:
            return State.CLOSED
        return State.OPEN if self._carrier.more() else State.FAILED

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._carrier.connected

    @property
    def local_address(self) -> str:
        """The address of this side of the last connection, as people write it."""
        return self._peer.local_address

    @property
    def remote_address(self) -> str:
        """The address of the other side of the last connection, as people write it."""
        return self._peer.remote_address

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session of the last connection; ``None`` without TLS."""
        return self._peer.tls

    @property
    def ending(self) -> Ending | None:
        """What became of the messages of all connections; ``None`` before ``close``."""
        return self._ending

    async def close(self, code: int = 0, reason: str = "") -> Ending | None:
        """Close the connection: send what is left to send, within ``Timeouts.close`` seconds, then say goodbye.

        What waits for a connection waits for it here, so long. Never raises, and may be called again. Cancelled, it
        cuts the connection at once. What is returned counts the messages of all connections; which of them were not
        delivered, if any, ``on_loss`` is told.
        """
        carrier = self._carrier
        if carrier.closed:
            return self._ending
        carrier.closed = True
        self._ring()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._close_timeout
        try:
            while carrier.ledger.waiting and carrier.more() and loop.time() < until:
                await self._change(until - loop.time())
            self._live.cancel()
            await asyncio.wait([self._live])
            peer = self._peer
            peer._close_timeout = max(until - loop.time(), 0)
            last = await peer.close(code, reason) if carrier.session is not None else None
            for source in {*self._sources, peer}:
                source.abort()
        except BaseException:
            self.abort()
            raise
        self._leave(last)
        return self._ending

    def abort(self) -> None:
        """Cut the connection at once: whoever sends or receives, in any task, raises ``ClosedByUs``. Never raises."""
        self._live.cancel()
        for source in {*self._sources, self._peer}:
            source.abort()
        if self._ending is None:
            self._leave(None if self._carrier.session is None else self._carrier.session.ending)

    async def detach(self) -> tuple[socket.socket, bytes]:
        """Refuse: a connection that speaks the mezha protocol cannot be detached."""
        raise LocalProtocolError(NO_DETACH)

    def __repr__(self) -> str:
        there = "" if self.connected else ", not connected"
        return (
            f"<mezha.asyncio.ReconnectingPeer {self.local_address} -> {self.remote_address}, {self.state.value}{there}>"
        )

    # What is inherited asks for the connection of the moment.

    @property
    def _driver(self) -> Driver:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._peer._driver

    @property
    def _engine(self) -> Engine:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._peer._engine

    # -- one connection after the other -------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Attend to each connection to its end, and open the next."""
        carrier = self._carrier
        while carrier.more():
            await self._attend()
            async with self._offering:
                loss = carrier.lost(asyncio.get_running_loop().time())
            self._tell(loss)
            peer = self._peer
            if carrier.more() and not (peer in self._sources and peer._session().session.stats.waiting):
                await self._retire(peer)
            self._ring()
            await self._reopen()

    async def _reopen(self) -> None:
        """Open a connection, as soon as there is one, or until there will be none."""
        carrier = self._carrier
        loop = asyncio.get_running_loop()
        # What two connections have brought is all that is kept for a program that does not receive.
        while carrier.more() and len(self._sources) > 1:
            await self._change()
        while carrier.more():
            await asyncio.sleep(carrier.attempts.delay(loop.time()))
            try:
                self._take_on(await self._open())
                return
            except (OSError, MezhaError) as error:
                log.info("%s: no connection: %s", self.remote_address, error, extra={"peer": self.remote_address})
                if loss := carrier.failed(error, loop.time()):
                    self._tell(loss)
                    self._ring()

    def _take_on(self, peer: Peer) -> None:
        driver = peer._session()
        self._peer = peer
        self._sources.append(peer)
        self._carrier.carry(driver.session)
        driver.told = self._look
        self._ring()

    async def _attend(self) -> None:
        """Send what waits over the connection, and look after it to its end."""
        async with self._offering:
            await self._offer()
        while self._carrier.connected:
            await self._change()

    async def _offer(self, *, own: bool = False) -> None:
        """Hand the connection all that waits. What raises, for the last of them if that is one's ``own``, waits."""
        carrier, ledger = self._carrier, self._carrier.ledger
        while carrier.connected and (message := ledger.next()) is not None:
            try:
                await self._peer.send(message)
            except LocalProtocolError as error:
                if own and not ledger.waiting:
                    ledger.take_back()
                    raise
                self._tell(ledger.refuse(error))
            except MezhaError:
                return  # it was lost meanwhile: the message will be told of
            except BaseException:
                ledger.take_back()
                raise
            self._probe()

    def _look(self) -> None:
        if self._carrier.look():
            self._ring()

    def _probe(self) -> None:
        carrier = self._carrier
        if carrier.connected and carrier.probe():
            self._peer._session().attend()

    def _tell(self, loss: Loss) -> None:
        """Tell of a loss, or of a message that no connection takes."""
        log.warning("%s: %s", self.remote_address, loss, extra={"peer": self.remote_address})
        if self._on_loss is not None:
            try:
                self._on_loss(loss)
            except Exception:
                log.exception("%s: on_loss failed", self.remote_address, extra={"peer": self.remote_address})

    def _leave(self, last: Ending | None) -> None:
        """Be closed; tell what was not delivered."""
        self._ending, loss = self._carrier.left(last)
        if loss:
            self._tell(loss)
        self._ring()

    # -- receiving and asking -----------------------------------------------------------------------------------------

    async def _receive(self, call: Callable[[Peer], Awaitable[T]]) -> T:
        """Receive from the oldest connection that has something left, then from the next."""
        while True:
            peer = await self._until(self._source)
            try:
                return await call(peer)
            except MezhaError as error:
                if not self._carrier.goes_on(error):
                    raise
            if self._carrier.session is peer._session().session:
                self._leave_behind(peer)  # and have it accounted for, before it is closed
            else:
                await self._retire(peer)

    def _source(self) -> Peer | None:
        if self._sources:
            return self._sources[0]
        self._carrier.check()
        return None

    async def _retire(self, peer: Peer) -> None:
        """Be done with a connection that is over: nothing more will be received of it."""
        self._leave_behind(peer)
        if peer.ending and peer.ending.how == "closed":
            await peer.close()  # which answers the goodbye of the other side
        else:
            peer.abort()

    def _leave_behind(self, peer: Peer) -> None:
        if peer in self._sources:
            self._sources.remove(peer)
            self._ring()

    async def _ask(self, call: Callable[[Peer, float | None], Awaitable[T]], within: float | None, what: str) -> T:
        loop = asyncio.get_running_loop()
        until = None if within is None else loop.time() + within
        try:
            peer = await self._until(self._there, until)
        except TimeoutError:
            raise TimeoutError(f"no {what} within {within:g} s; there was no connection") from None
        try:
            return await call(peer, None if until is None else max(until - loop.time(), 0))
        except MezhaError as error:
            if (lost := self._carrier.as_lost(error)) is error:
                raise
            raise lost from error

    def _there(self) -> Peer | None:
        self._carrier.check()
        return self._peer if self._carrier.connected else None

    # -- waiting ------------------------------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        self._carrier.check()
        return self._carrier.ledger.room

    async def _until(self, attempt: Callable[[], T | None], until: float | None = None) -> T:
        """Attempt something until it succeeds; raise TimeoutError when it is too late."""
        loop = asyncio.get_running_loop()
        while (result := attempt()) is None:
            left = None if until is None else until - loop.time()
            if left is not None and left <= 0:
                raise TimeoutError
            await self._change(left)
        return result

    async def _change(self, within: float | None = None) -> None:
        """Wait until something has changed, or so many seconds have passed."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await asyncio.wait([waiter], timeout=within)
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _ring(self) -> None:
        """Let all who wait see what has changed."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set_result(None)
