"""A blocking connection that comes again: a peer over one connection after the other."""

import logging
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from random import random
from typing import TypeVar

from mezha.blocking.driver import Driver
from mezha.blocking.peer import Answer, Peer
from mezha.blocking.streams import Incoming, Source
from mezha.engine import Engine, State, as_view
from mezha.errors import ConnectionLost, LocalProtocolError, MezhaError, SendTimeout
from mezha.framing import Data
from mezha.reconnect import Loss, Reconnect
from mezha.session import Ending
from mezha.session.carrier import NO_DETACH, NO_END, NO_FILE, NO_STREAM, Carrier
from mezha.settings import Settings

__all__ = ["ReconnectingPeer"]

T = TypeVar("T")

log = logging.getLogger("mezha.blocking")

#: Seconds from one question of what was taken to the next, while nothing more can be sent before it is known.
_ASK_AGAIN = 1.0


class ReconnectingPeer(Peer):
    """The other end of a connection that is made again when it breaks, or when its server stops.

    It is used as any peer. Messages keep their order over all connections, and are kept here until the other side has
    said that its program has taken them. While there is no connection, ``send`` puts up to ``Limits.outbox`` bytes
    aside, and waits beyond that; ``recv`` waits for the next. What was asked when a connection broke raises
    :exc:`ConnectionLost`, for nobody knows whether it was done. What became of the messages, ``on_loss`` is told.

    Each such peer has a thread that looks after its connections; it calls ``on_loss``, which should not keep it long.
    """

    def __init__(
        self,
        opening: Callable[[Answer | None], Peer],
        answer: Answer | None,
        settings: Settings,
        reconnect: Reconnect,
        on_loss: Callable[[Loss], object] | None,
    ) -> None:
        """Open the first connection, with what ``opening`` does, given what answers requests.

        Raises:
            OSError: there is none. It is not tried again: whoever has just begun wants to know.

        """

        def answer_here(_: Peer, body: bytes) -> Data:
            assert answer is not None
            return answer(self, body)

        self._open = partial(opening, None if answer is None else answer_here)
        self._on_loss = on_loss
        self._close_timeout = settings.times.close
        self._carrier = Carrier(reconnect, settings.sizes, random)
        self._peer: Peer  # the last one that was opened
        self._sources = deque[Peer]()  # of which something may still be received
        # Whoever has the lock of a driver may take this one, and not the other way round.
        self._changed = threading.Condition()  # a lock that one thread may take twice
        self._offering = threading.Lock()  # of who hands messages to a connection
        self._ending: Ending | None = None
        self._stopped = False
        self._take_on(self._open())
        self._live = threading.Thread(target=self._keep, name=f"mezha to {self.remote_address}", daemon=True)
        self._live.start()

    # -- sending ------------------------------------------------------------------------------------------------------

    def send(self, message: Data, *, timeout: float | None = None) -> None:
        """Send one message, as soon as there is a connection: it is received once, or told of as a loss.

        Returning means that it is on its way, or waits for a connection. If too much waits already, or too much has
        not been confirmed, it waits until some of that has gone.

        Raises:
            LocalProtocolError: over the limit. Nothing was sent; go on.
            SendTimeout: the peer reads too slowly, or there was no connection and no room to wait for one. Its ``sent``
                says whether this message goes out all the same.
            ClosedByPeer: the peer has closed, and means it.
            ClosedByUs: after ``close``.

        And what the last attempt raised, if there have been enough.

        """
        message = message if isinstance(message, bytes) else bytes(as_view(message))
        self._carrier.check_size(len(message))
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._try_send(message, deadline):
            with self._changed:
                self._changed.wait_for(self._has_room, min(_ASK_AGAIN, _left(deadline)))
            if deadline is not None and time.monotonic() >= deadline:
                raise SendTimeout(f"nothing was sent within {timeout:g} s: too much waits, or is not confirmed yet")
            self._probe()

    def send_many(self, messages: Iterable[Data], *, timeout: float | None = None) -> None:
        """Send many messages, each as ``send`` does.

        Raises:
            LocalProtocolError: one message was refused. Those before it, its attribute ``sent`` of them, were sent.
            SendTimeout: out of time; ``sent`` messages were sent or still will be, the others are not.

        Otherwise as ``send``.

        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for sent, message in enumerate(messages):
            try:
                self.send(message, timeout=None if deadline is None else _left(deadline))
            except (LocalProtocolError, SendTimeout) as error:
                error.sent += sent
                raise

    def flush(self, *, timeout: float | None = None) -> None:
        """Send what a ``send`` that ran out of time has left. There is nothing to do otherwise.

        Raises:
            SendTimeout: the peer still reads too slowly; nothing is lost.

        """
        if self._carrier.connected:
            try:
                self._peer.flush(timeout=timeout)
            except SendTimeout:
                raise
            except MezhaError:
                pass  # it was lost meanwhile: what was left will be told of

    def send_eof(self, *, timeout: float | None = None) -> None:
        """Refuse: an end would have to be said again over the next connection. ``close`` ends both directions."""
        raise LocalProtocolError(NO_END)

    def send_stream(self, source: Source, *, timeout: float | None = None) -> None:
        """Refuse: what was sent piece by piece is not here any more, to be sent again. ``send`` it as a message."""
        raise LocalProtocolError(NO_STREAM)

    # -- receiving ----------------------------------------------------------------------------------------------------

    def recv(self, *, timeout: float | None = None) -> bytes:
        """Receive the next message, of whatever connection.

        Raises:
            TimeoutError: none was whole in time. Nothing is lost.
            ClosedByPeer: the peer has closed, and means it; every message has been received.
            RemoteProtocolError: the peer broke the protocol.
            ClosedByUs: after ``close``, also from another thread.

        And what the last attempt raised, if there have been enough.

        """
        return self._receive_any(lambda peer, left: peer.recv(timeout=left), timeout)

    def recv_many(self, max_count: int | None = None, *, timeout: float | None = None) -> list[bytes]:
        """Receive all messages that are there, of one connection, at least one and at most ``max_count``.

        Raises:
            ValueError: ``max_count`` below 1.

        Otherwise as ``recv``.

        """
        return self._receive_any(lambda peer, left: peer.recv_many(max_count, timeout=left), timeout)

    def recv_stream(self, *, timeout: float | None = None) -> Incoming:
        """Receive the next message of this connection as it comes; if that is lost, so is the message.

        Raises:
            LocalProtocolError: another is being received so.
            ConnectionLost: there is no connection now.

        Otherwise as ``recv``.

        """
        source = self._source()
        if source is None:
            raise ConnectionLost("there is no connection now, to receive a stream from")
        return source.recv_stream(timeout=timeout)

    # -- asking -------------------------------------------------------------------------------------------------------

    def request(self, body: Data, *, timeout: float | None = None) -> bytes:
        """Ask the peer, as soon as there is a connection, and wait for its answer.

        Raises:
            RequestFailed: the other side says that there is no answer, and why.
            TimeoutError: none came in time.
            LocalProtocolError: over the limit of either side. Nothing was sent.
            ConnectionLost: the connection broke before the answer came. Whether it was heard is unknown.
            ClosedByPeer: the peer has closed, and means it.
            ClosedByUs: after ``close``.

        """
        return self._ask(lambda peer, left: peer.request(body, timeout=left), timeout, "answer")

    def ping(self, *, timeout: float | None = None) -> float:
        """Ask the peer for a sign of life, as soon as there is a connection; return how many seconds it took.

        Raises as ``request``.
        """
        return self._ask(lambda peer, left: peer.ping(timeout=left), timeout, "sign of life")

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
    def tls(self) -> ssl.SSLSocket | None:
        """The TLS session of the last connection; ``None`` without TLS."""
        return self._peer.tls

    @property
    def ending(self) -> Ending | None:
        """What became of the messages of all connections; ``None`` before ``close``."""
        return self._ending

    def fileno(self) -> int:
        """Refuse: there is another socket for each connection."""
        raise LocalProtocolError(NO_FILE)

    def close(self, code: int = 0, reason: str = "") -> Ending | None:
        """Close the connection: send what is left to send, within ``Timeouts.close`` seconds, then say goodbye.

        What was not sent when a connection was lost waits here for the next, so long. Never raises, and may be called
        again. What is returned counts the messages of all connections; which of them were not delivered, if any,
        ``on_loss`` is told.
        """
        carrier = self._carrier
        deadline = time.monotonic() + self._close_timeout
        with self._changed:
            first, carrier.closed = not carrier.closed, True
            self._changed.notify_all()
            if first:
                self._changed.wait_for(lambda: self._settled() or not carrier.more(), _left(deadline))
            self._stopped = True
            self._changed.notify_all()
            there = carrier.session is not None
        peer = self._peer
        peer._close_timeout = _left(deadline)
        last = peer.close(code, reason) if there else None
        for source in {*self._sources, peer}:
            _cut(source)
        self._leave(last)
        if threading.current_thread() is not self._live:
            self._live.join(_left(deadline))  # which may be opening a connection, and then closes it
        return self._ending

    def abort(self) -> None:
        """Cut the connection: whoever sends or receives, in any thread, raises ``ClosedByUs``. Never raises."""
        with self._changed:
            self._carrier.closed = self._stopped = True
            session = self._carrier.session
            self._changed.notify_all()
        for source in {*self._sources, self._peer}:
            source.abort()
        self._leave(None if session is None else session.ending)

    def detach(self) -> tuple[socket.socket, bytes]:
        """Refuse: a connection that speaks the mezha protocol cannot be detached."""
        raise LocalProtocolError(NO_DETACH)

    def __repr__(self) -> str:
        there = "" if self.connected else ", not connected"
        addresses = f"{self.local_address} -> {self.remote_address}"
        return f"<mezha.blocking.ReconnectingPeer {addresses}, {self.state.value}{there}>"

    # What is inherited asks for the connection of the moment.

    @property
    def _driver(self) -> Driver:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._peer._talk()

    @property
    def _engine(self) -> Engine:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._peer._engine

    # -- one connection after the other -------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Attend to each connection to its end, and open the next."""
        carrier = self._carrier
        while carrier.more() and not self._stopped:
            with self._offering:
                self._offer(None)
            self._ring()
            self._driver.until(lambda: True if self._look() else None, None)
            with self._offering:
                loss = self._driver.do(self._lose)
            if loss is None:
                return
            self._tell(loss)
            peer = self._peer
            if carrier.more() and not (peer in self._sources and self._holds(peer)):
                self._retire(peer)
            self._ring()
            self._reopen()

    def _reopen(self) -> None:
        """Open a connection, as soon as there is one, or until there will be none."""
        carrier = self._carrier
        with self._changed:
            # What two connections have brought is all that is kept for a program that does not receive.
            self._changed.wait_for(lambda: self._stopped or sum(map(self._holds, self._sources)) <= 1)
        while carrier.more():
            with self._changed:
                if self._changed.wait_for(lambda: self._stopped, carrier.attempts.delay(time.monotonic())):
                    return
            try:
                peer = self._open()
            except (OSError, MezhaError) as error:
                log.info("%s: no connection: %s", self.remote_address, error, extra={"peer": self.remote_address})
                with self._changed:
                    loss = None if self._stopped else carrier.failed(error, time.monotonic())
                if loss:
                    self._tell(loss)
                    self._ring()
            else:
                self._take_on(peer)
                return

    def _take_on(self, peer: Peer) -> None:
        with self._changed:
            if not self._stopped:
                self._peer = peer
                self._sources.append(peer)
                self._carrier.carry(peer._talk().session)
                self._changed.notify_all()
                return
        _cut(peer)

    def _lose(self) -> Loss | None:
        """Have the messages of the connection accounted for, those included that the wire has sent."""
        self._driver.take_back()
        with self._changed:
            return None if self._stopped else self._carrier.lost(time.monotonic())

    def _try_send(self, message: bytes, deadline: float | None) -> bool:
        """Send a message, if there is room for it."""
        if not self._offering.acquire(timeout=-1 if deadline is None else _left(deadline)):
            return False
        try:
            with self._changed:
                if not self._has_room():
                    return False
                self._carrier.ledger.add(message)
            try:
                self._offer(deadline, own=True)
            except BaseException:
                with self._changed:
                    if self._carrier.ledger.waiting:
                        self._carrier.ledger.withdraw()
                raise
            return True
        finally:
            self._offering.release()
            if self._carrier.closed:
                self._ring()

    def _settled(self) -> bool:
        """Say whether nothing is on its way to the system."""
        return not (self._carrier.unsettled or self._offering.locked())

    def _offer(self, deadline: float | None, *, own: bool = False) -> None:
        """Hand the connection all that waits. What raises, for the last of them if that is one's ``own``, waits."""
        ledger = self._carrier.ledger
        while True:
            with self._changed:
                message = ledger.next() if self._carrier.connected else None
            if message is None:
                return
            try:
                self._peer.send(message, timeout=None if deadline is None else _left(deadline))
            except LocalProtocolError as error:
                with self._changed:
                    if own and not ledger.waiting:
                        ledger.take_back()
                        raise
                    loss = ledger.refuse(error)
                self._tell(loss)
            except SendTimeout as error:
                with self._changed:
                    if not error.sent:
                        ledger.take_back()
                    elif ledger.waiting:
                        error.sent = 0  # it was about another message
                raise
            except MezhaError:
                return  # it was lost meanwhile: the message will be told of
            self._probe()
            if not own:
                self._ring()  # there is room for those who wait

    def _look(self) -> bool:
        """See what has come of the connection; return whether it is over. Called under the lock of its driver."""
        with self._changed:
            if self._carrier.look():
                self._changed.notify_all()
            return not self._carrier.connected

    def _probe(self) -> None:
        """Ask the peer what it has taken, if that is due."""
        with self._changed:
            session = self._carrier.session
            if session is None or session.over or not (self._carrier.ledger.due or self._carrier.ledger.full):
                return
        driver = self._driver

        def probe() -> None:
            driver.take_back()  # what the wire has sent is known then, of which the answer says how much was taken
            self._carrier.probe()

        driver.do(probe)

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
        with self._changed:
            if self._ending is not None:
                return
            self._ending, loss = self._carrier.left(last)
            self._changed.notify_all()
        if loss:
            self._tell(loss)

    # -- receiving and asking -----------------------------------------------------------------------------------------

    def _receive_any(self, call: Callable[[Peer, float | None], T], timeout: float | None) -> T:
        """Receive from the oldest connection that has something left, then from the next."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            peer = self._await(self._source, deadline)
            if peer is None:
                raise TimeoutError(f"no whole message within {timeout:g} s; there was no connection")
            try:
                received = call(peer, None if deadline is None else _left(deadline))
                if peer is not self._peer and not self._holds(peer):
                    self._retire(peer)
                return received
            except MezhaError as error:
                if not self._carrier.goes_on(error):
                    raise
            with self._changed:
                self._leave_behind(peer)
                if self._carrier.session is peer._talk().session:
                    continue  # it is accounted for, before it is closed
            self._retire(peer)

    def _source(self) -> Peer | None:
        with self._changed:
            if self._sources:
                return self._sources[0]
            self._carrier.check()
            return None

    def _retire(self, peer: Peer) -> None:
        """Be done with a connection that is over: nothing more will be received of it."""
        with self._changed:
            self._leave_behind(peer)
        if peer.ending and peer.ending.how == "closed":
            peer.close()  # which answers the goodbye of the other side
        else:
            _cut(peer)

    @staticmethod
    def _holds(peer: Peer) -> bool:
        """Say whether something may still be received of it."""
        return peer._talk().session.stats.waiting > 0

    def _leave_behind(self, peer: Peer) -> None:
        if peer in self._sources:
            self._sources.remove(peer)
            self._changed.notify_all()

    def _ask(self, call: Callable[[Peer, float | None], T], timeout: float | None, what: str) -> T:
        deadline = None if timeout is None else time.monotonic() + timeout
        peer = self._await(self._there, deadline)
        if peer is None:
            raise TimeoutError(f"no {what} within {timeout:g} s; there was no connection")
        try:
            return call(peer, None if deadline is None else _left(deadline))
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

    def _await(self, attempt: Callable[[], T | None], deadline: float | None) -> T | None:
        """Attempt something until it succeeds; return ``None`` when it is too late."""
        with self._changed:
            while (result := attempt()) is None:
                if deadline is not None and time.monotonic() >= deadline:
                    return None
                self._changed.wait(_left(deadline))
            return result

    def _ring(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _left(deadline: float | None) -> float:
    """Return how many seconds are left, so far as a lock can wait."""
    return threading.TIMEOUT_MAX if deadline is None else max(deadline - time.monotonic(), 0)


def _cut(peer: Peer) -> None:
    peer.abort()
    peer.close()
