"""A connection that comes again, in any flavour with ``await``: a peer over one connection after the other."""

from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from logging import Logger
from random import random
from typing import Any, Generic, Protocol, Self, TypeVar

from mezha.engine import State, as_view
from mezha.errors import ClosedByPeer, ConnectionLost, LocalProtocolError, MezhaError
from mezha.framing import Data
from mezha.reconnect import Loss, Reconnect
from mezha.session import Ending, Session
from mezha.session.carrier import NO_END, NO_STREAM, Carrier
from mezha.settings import Settings
from mezha.talking import Incoming, Source, Talking

__all__ = ["Driver", "Over", "Reconnecting"]

T = TypeVar("T")
P = TypeVar("P", bound="Over")

#: Seconds from one question of what was taken to the next, while nothing more can be sent before it is known.
_ASK_AGAIN = 1.0


class Driver(Protocol):
    """What is needed of the driver of a session."""

    session: Session
    told: Callable[[], None] | None

    def attend(self) -> None:
        """See what has come of a call of the engine."""


class Over(Protocol):
    """What is needed of a peer over one connection: what each flavour's does."""

    async def send(self, message: Data) -> None:
        """Send a message."""

    def try_send(self, message: Data) -> bool:
        """Send one if that need not wait."""
        ...

    async def recv(self) -> bytes:
        """Receive the next."""
        ...

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        """Receive what is there, at least one."""
        ...

    def recv_stream(self) -> Incoming:
        """Receive one as it comes."""
        ...

    async def request(self, body: Data, *, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Ask, and wait for the answer."""
        ...

    async def ping(self, *, timeout: float | None = None) -> float:  # noqa: ASYNC109
        """Ask for a sign of life."""
        ...

    async def close(self, code: int = 0, reason: str = "") -> Ending | None:
        """Close it in order."""
        ...

    def abort(self) -> None:
        """Cut it."""

    @property
    def ending(self) -> Ending | None:
        """How it ended."""
        ...

    @property
    def local_address(self) -> str:
        """The address of this side."""
        ...

    @property
    def remote_address(self) -> str:
        """The address of the other side."""
        ...


class _Lock(AbstractAsyncContextManager[object], Protocol):
    """Lets in one task at a time, in the order in which they came."""

    def locked(self) -> bool: ...


class Reconnecting(Talking, Generic[P]):
    """A peer over one connection after the other. What is different in each flavour stands at the end."""

    _carrier: Carrier
    _ending: Ending | None
    _line: _Lock  # of those who send
    _offering: _Lock  # of who hands messages to a connection
    _log: Logger
    _name: str  # of the flavour
    _on_loss: Callable[[Loss], object] | None
    _open: Callable[[], Awaitable[P]]
    _peer: P  # the last one that was opened
    _sources: deque[P]  # of which something may still be received
    _spent: list[P]  # of which nothing will be, and which are to be closed

    def _set_up(
        self,
        opening: Callable[[Callable[[Any, bytes], Awaitable[Data]] | None], Awaitable[P]],
        answer: Callable[[Any, bytes], Awaitable[Data]] | None,
        settings: Settings,
        reconnect: Reconnect,
        on_loss: Callable[[Loss], object] | None,
    ) -> None:
        """Take how to open a connection, given what answers its requests; ``begin`` opens the first."""

        async def answer_here(_: P, body: bytes) -> Data:
            assert answer is not None
            return await answer(self, body)

        self._open = partial(opening, None if answer is None else answer_here)
        self._on_loss = on_loss
        self._carrier = Carrier(reconnect, settings.sizes, random)
        self._sources = deque()
        self._spent = []
        self._ending = None

    async def begin(self) -> Self:
        """Open the first connection.

        Raises:
            OSError: there is none. It is not tried again: whoever has just begun wants to know.

        """
        self._take_on(await self._open())
        self._start(self._keep)
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
        return await self._receive_any(lambda peer: peer.recv())

    async def recv_many(self, max_count: int | None = None) -> list[bytes]:
        """Receive all messages that are there, of one connection, at least one and at most ``max_count``.

        Raises:
            ValueError: ``max_count`` below 1.

        Otherwise as ``recv``.

        """
        return await self._receive_any(lambda peer: peer.recv_many(max_count))

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
    def ending(self) -> Ending | None:
        """What became of the messages of all connections; ``None`` before ``close``."""
        return self._ending

    async def close(self, code: int = 0, reason: str = "") -> Ending | None:
        """Close the connection: send what is left to send, within ``Timeouts.close`` seconds, then say goodbye.

        What was not sent when a connection was lost waits here for the next, so long. Never raises, and may be called
        again. Cancelled, it cuts the connection at once. What is returned counts the messages of all connections; which
        of them were not delivered, if any, ``on_loss`` is told.
        """
        carrier = self._carrier
        if carrier.closed:
            return self._ending
        carrier.closed = True
        self._ring()
        until = self._now() + self._within()
        try:
            if carrier.session is not None and carrier.unsettled:
                carrier.session.probe()  # when it is answered, all before it has gone
                self._driver_of(self._peer).attend()
            while (carrier.unsettled or self._offering.locked()) and carrier.more() and self._now() < until:
                await self._change(until - self._now())
            await self._stop()
            last = None
            if carrier.session is not None:
                last = await self._close_within(self._peer, max(until - self._now(), 0), code, reason)
            for source in {*self._sources, *self._spent, self._peer}:
                source.abort()
        except BaseException:
            self.abort()
            raise
        self._leave(last)
        return self._ending

    def abort(self) -> None:
        """Cut the connection at once: whoever sends or receives, in any task, raises ``ClosedByUs``. Never raises."""
        self._stop_soon()
        for source in {*self._sources, *self._spent, self._peer}:
            source.abort()
        if self._ending is None:
            self._leave(None if self._carrier.session is None else self._carrier.session.ending)

    def __repr__(self) -> str:
        there = "" if self.connected else ", not connected"
        return (
            f"<{self._name}.ReconnectingPeer {self.local_address} -> {self.remote_address}, {self.state.value}{there}>"
        )

    # -- one connection after the other -------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Attend to each connection to its end, and open the next."""
        carrier = self._carrier
        while carrier.more():
            await self._attend()
            async with self._offering:
                loss = carrier.lost(self._now())
            if loss is None:  # it was cut on this side meanwhile
                return
            self._tell(loss)
            if carrier.more() and not self._holds(self._peer):
                self._leave_behind(self._peer)
            self._ring()
            await self._bury()
            await self._reopen()

    async def _reopen(self) -> None:
        """Open a connection, as soon as there is one, or until there will be none."""
        carrier = self._carrier
        # What two connections have brought is all that is kept for a program that does not receive.
        while carrier.more() and sum(map(self._holds, self._sources)) > 1:
            await self._change(None)
        while carrier.more():
            await self._sleep(carrier.attempts.delay(self._now()))
            try:
                self._take_on(await self._open())
                return
            except Exception as error:  # noqa: BLE001 - it is told, and raised where somebody waits
                self._log.info("%s: no connection: %s", self.remote_address, error, extra={"peer": self.remote_address})
                if loss := carrier.failed(error, self._now()):
                    self._tell(loss)
                    self._ring()

    def _take_on(self, peer: P) -> None:
        driver = self._driver_of(peer)
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
            await self._bury()
            await self._change(None)

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
            if not own or carrier.closed:
                self._ring()  # there is room for those who wait, or nothing left before the goodbye

    def _look(self) -> None:
        if self._carrier.look():
            self._ring()

    def _probe(self) -> None:
        carrier = self._carrier
        if carrier.connected and carrier.probe():
            self._driver_of(self._peer).attend()

    def _tell(self, loss: Loss) -> None:
        """Tell of a loss, or of a message that no connection takes."""
        self._log.warning("%s: %s", self.remote_address, loss, extra={"peer": self.remote_address})
        if self._on_loss is not None:
            try:
                self._on_loss(loss)
            except Exception:  # noqa: BLE001 - whatever it is, the connections go on
                self._log.exception("%s: on_loss failed", self.remote_address, extra={"peer": self.remote_address})

    def _leave(self, last: Ending | None) -> None:
        """Be closed; tell what was not delivered."""
        self._ending, loss = self._carrier.left(last)
        if loss:
            self._tell(loss)
        self._ring()

    # -- receiving and asking -----------------------------------------------------------------------------------------

    async def _receive_any(self, call: Callable[[P], Awaitable[T]]) -> T:
        """Receive from the oldest connection that has something left, then from the next."""
        while True:
            peer = await self._until(self._source)
            try:
                received = await call(peer)
                if peer is not self._peer and not self._holds(peer):
                    self._leave_behind(peer)
                return received
            except MezhaError as error:
                if not self._carrier.goes_on(error):
                    raise
            self._leave_behind(peer)

    def _source(self) -> P | None:
        if self._sources:
            return self._sources[0]
        self._carrier.check()
        return None

    def _leave_behind(self, peer: P) -> None:
        """Be done with a connection: nothing more will be received of it."""
        if peer in self._sources:
            self._sources.remove(peer)
            self._spent.append(peer)
            self._ring()

    async def _bury(self) -> None:
        """Close the connections that were left behind."""
        while self._spent:
            peer = self._spent.pop()
            if peer.ending and peer.ending.how == "closed":
                await peer.close()  # which answers the goodbye of the other side
            else:
                peer.abort()

    async def _ask(self, call: Callable[[P, float | None], Awaitable[T]], within: float | None, what: str) -> T:
        until = None if within is None else self._now() + within
        try:
            peer = await self._until(self._there, until)
        except TimeoutError:
            raise TimeoutError(f"no {what} within {within:g} s; there was no connection") from None
        try:
            return await call(peer, None if until is None else max(until - self._now(), 0))
        except MezhaError as error:
            if (lost := self._carrier.as_lost(error)) is error:
                raise
            raise lost from error

    def _there(self) -> P | None:
        self._carrier.check()
        return self._peer if self._carrier.connected else None

    # -- waiting ------------------------------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        self._carrier.check()
        return self._carrier.ledger.room

    async def _until(self, attempt: Callable[[], T | None], until: float | None = None) -> T:
        """Attempt something until it succeeds; raise TimeoutError when it is too late."""
        while (result := attempt()) is None:
            left = None if until is None else until - self._now()
            if left is not None and left <= 0:
                raise TimeoutError
            await self._change(left)
        return result

    # -- what each flavour does in its own way ------------------------------------------------------------------------

    def _holds(self, peer: P) -> bool:
        """Say whether something may still be received of it."""
        return self._driver_of(peer).session.stats.waiting > 0

    @abstractmethod
    def _driver_of(self, peer: P) -> Driver:
        """Return the driver of a peer."""

    @abstractmethod
    def _within(self) -> float:
        """Return in how many seconds to close."""

    @abstractmethod
    async def _close_within(self, peer: P, seconds: float, code: int, reason: str) -> Ending | None:
        """Close one connection in so many seconds."""

    @abstractmethod
    def _start(self, keep: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a task."""

    @abstractmethod
    async def _stop(self) -> None:
        """Cancel the task, and wait for its end."""

    @abstractmethod
    def _stop_soon(self) -> None:
        """Cancel the task."""

    @abstractmethod
    def _now(self) -> float:
        """Return the time, in seconds."""

    @abstractmethod
    async def _sleep(self, seconds: float) -> None:
        """Wait so many seconds."""

    @abstractmethod
    async def _change(self, within: float | None) -> None:
        """Wait until something has changed, or so many seconds have passed."""

    @abstractmethod
    def _ring(self) -> None:
        """Let all who wait see what has changed."""
