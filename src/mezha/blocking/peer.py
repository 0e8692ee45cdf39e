"""A blocking connection: send a message, receive a message."""

import socket
import ssl
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from types import TracebackType
from typing import Self

from mezha.blocking.stream import Stream, TLSStream
from mezha.blocking.wire import Ends
from mezha.engine import Engine, State, as_view
from mezha.errors import ClosedByPeer, ClosedByUs, ConnectionLost, LocalProtocolError, MezhaError, SendTimeout
from mezha.framing import Data
from mezha.settings import Settings
from mezha.sockets import address_name, drop, own_and_peer_address

__all__ = ["Peer", "open_peer"]

#: Bytes encoded ahead of sending in send_many, so that an endless iterable needs no endless memory.
_RUN = 256 << 10


class Peer(Ends):
    """The other end of a connection, for blocking code.

    Any number of threads may send and receive: a message is always whole, and each is received by one thread only.
    ``timeout`` is in seconds everywhere, ``None`` waits for ever and 0 not at all; it covers the whole call.
    Use it in a ``with`` block, or call ``close``.
    """

    def __init__(
        self, stream: Stream, engine: Engine, addresses: tuple[object, object] = (None, None), *, close_timeout: float
    ) -> None:
        self._receiving = threading.Lock()
        super().__init__(stream.wire, engine, self._receiving)
        self._stream = stream
        self._engine = engine
        self._wire = stream.wire
        self._close_timeout = close_timeout
        self._sending = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False
        self._detached = False
        # Encoded and not yet taken by the system. Never the beginning of a message, unless a thread is in send().
        self._unsent: list[Data] = []
        self._local, self._remote = addresses

    # ``send`` and ``recv`` are those of Ends.

    # -- sending ------------------------------------------------------------------------------------------------------

    def send_many(self, messages: Iterable[Data], *, timeout: float | None = None) -> None:
        """Send many messages with few system calls. Each is received as one message, as if sent one by one.

        An iterable is consumed as the messages go out.

        Raises:
            LocalProtocolError: one message was refused. Those before it, its attribute ``sent`` of them, were sent.
            SendTimeout: out of time; ``sent`` messages were sent or still will be, the others are not.
            ConnectionLost: the connection broke. How many arrived is unknown.
            ClosedByUs: after ``send_eof``, ``close`` or ``detach``.

        """
        if not isinstance(messages, list | tuple):
            self._send(map(_own, messages), _deadline(timeout), 0)  # a generator may use one buffer for all of them
            return
        done = self._wire.send_many(messages)
        if done < len(messages):
            self._send(islice(messages, done, None), _deadline(timeout), done)
        elif self._wire.owing:
            self._finish(_deadline(timeout), done)

    def flush(self, *, timeout: float | None = None) -> None:
        """Send what a ``send`` that ran out of time has left. There is nothing to do otherwise.

        Raises:
            SendTimeout: the peer still reads too slowly; nothing is lost.
            ConnectionLost: the connection broke.

        """
        self._finish(_deadline(timeout), 0)

    def send_eof(self, *, timeout: float | None = None) -> None:
        """End this side's stream, as the last word: the peer sees the end, and can still be heard (half-close).

        Raises:
            LocalProtocolError: under TLS, which has no such thing here; ``close`` ends both directions.
            SendTimeout: something had been left to send, and could not be sent. The stream was not ended.
            ConnectionLost: the connection broke.
            ClosedByUs: after ``close`` or ``detach``.

        """
        if isinstance(self._stream, TLSStream):
            raise LocalProtocolError("a TLS connection cannot be ended in one direction here: close() ends both")
        self._begin_sending(_deadline(timeout))
        try:
            if self._closed:
                raise ClosedByUs("this connection was closed on this side")
            self._engine.end()
            self._wire.shut()
            try:
                self._stream.end()
            except OSError as error:
                raise self._lost(error) from error
        finally:
            self._end_sending()

    # -- receiving ----------------------------------------------------------------------------------------------------

    def recv_many(self, max_count: int | None = None, *, timeout: float | None = None) -> list[bytes]:
        """Receive all messages that are there, at least one and at most ``max_count``; wait only for the first.

        Raises:
            ValueError: ``max_count`` below 1.

        Otherwise as ``recv``.

        """
        if max_count is None:
            max_count = 1 << 62
        elif max_count < 1:
            raise ValueError(f"max_count must be 1 or more, not {max_count}")
        return self._receive(max_count, timeout)

    def __iter__(self) -> Iterator[bytes]:
        """Receive until the peer ends its stream; raise if the connection ends in any other way."""
        try:
            while True:
                yield self.recv()
        except ClosedByPeer:
            return

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
    def tls(self) -> ssl.SSLSocket | None:
        """The TLS session, to ask it for the peer's certificate or the cipher; ``None`` without TLS."""
        sock = self._stream.socket
        return sock if isinstance(sock, ssl.SSLSocket) else None

    def fileno(self) -> int:
        """Return the file descriptor, for ``select`` and the like; -1 after the end.

        Call ``recv(timeout=0)`` until it raises :exc:`TimeoutError` before waiting: messages may be here already.
        """
        return -1 if self._detached else self._stream.socket.fileno()

    def close(self) -> None:
        """Close the connection: send what is left to send, within ``Timeouts.close`` seconds, then say goodbye.

        Never raises, and may be called again, and from any thread: a ``recv`` under way raises ``ClosedByUs``.
        Messages received and not asked for are gone.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._engine.close()
        self._wire.shut()
        deadline = time.monotonic() + self._close_timeout
        orderly = False
        if _acquire(self._sending, deadline):
            try:
                self._take_back()
                self._transmit(deadline)
                orderly = True
            except MezhaError:
                pass  # close() never raises
            finally:
                self._sending.release()
        awaited = self._receiving.locked()
        if orderly and awaited:
            with suppress(OSError):  # broken already
                self._stream.end(deadline)  # the goodbye of TLS must go before abort()
        if not orderly:
            self._stream.abort(sending=self._sending.locked())
        elif awaited:
            self._stream.wake()
        # Others have been woken; the file descriptor may go once none of them can use its number any more.
        waited = _acquire(self._receiving, deadline)
        self._stream.close(deadline)
        if waited:
            self._receiving.release()

    def abort(self) -> None:
        """Cut the connection: whoever sends or receives, in any thread, raises ``ClosedByUs``. Never raises.

        The peer sees a reset (:exc:`ConnectionLost`, if it is mezha), at once if no other thread uses the connection.
        Call ``close`` in any case, to release the socket; the peer hears of it then at the latest.
        """
        self._engine.close()
        self._wire.shut()
        if self._detached:
            return
        self._stream.abort(sending=self._sending.locked())
        if self._receiving.acquire(blocking=False):
            try:
                if self._sending.acquire(blocking=False):
                    try:
                        self._stream.close()
                    finally:
                        self._sending.release()
            finally:
                self._receiving.release()

    def detach(self) -> tuple[socket.socket, bytes]:
        """Give the socket back, with the bytes that were received and are not part of a message handed out.

        The connection counts as closed from then on; the socket lives on, in the mode it came in. Waits for calls under
        way in other threads.

        Raises:
            ClosedByUs: it is closed already.
            ConnectionLost: something had been left to send, and could not be.

        """
        self._begin_sending(None)
        try:
            with self._receiving, self._closing:
                if self._closed:
                    raise ClosedByUs("this connection was closed on this side")
                self._closed = self._detached = True
                self._engine.close()
                self._wire.close()
                self._stream.socket.settimeout(self._stream.had_timeout)
                return self._stream.socket, self._engine.unused()
        finally:
            self._end_sending()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mezha.blocking.Peer {self.local_address} -> {self.remote_address}, {self.state.value}>"

    # -- below --------------------------------------------------------------------------------------------------------

    def _receive(self, max_count: int, timeout: float | None) -> list[bytes]:
        now = time.monotonic()
        deadline = None if timeout is None else now + timeout
        if not self._receiving.acquire(blocking=False):
            if not _acquire(self._receiving, deadline):
                raise TimeoutError(f"no message within {timeout:g} s: other threads were receiving all the time")
            now = time.monotonic()
        engine = self._engine
        try:
            self._stood_still += now - self._left
            idle = engine.idle()
            while idle or not (messages := engine.take(max_count)):
                until = deadline
                if not idle and (due := engine.deadline()) is not None:
                    due += self._stood_still
                    until = due if deadline is None else min(due, deadline)
                try:
                    data = self._stream.receive(None if idle else engine.space(), until)
                    now = time.monotonic()
                    if data is not None:
                        engine.receive(data, now - self._stood_still)
                        data = b""  # it may have been lent, and others want the memory
                except (OSError, MemoryError) as error:
                    self._broken(error)
                    data = b""
                    engine.receive(data, now - self._stood_still)
                if data is not None:
                    if max_count == 1 and (message := engine.pop()) is not None:
                        return [message]
                    idle = False
                else:
                    engine.expire(now - self._stood_still)
                    if deadline is not None and now >= deadline:
                        raise TimeoutError(f"no whole message within {timeout:g} s; nothing is lost")
                    idle = engine.idle()
            return messages
        finally:
            self._left = now
            self._receiving.release()

    def _broken(self, error: OSError | MemoryError) -> None:
        self._engine.lost(error)
        self._wire.shut()

    def _send_one(self, message: Data, timeout: float | None, begun: bool) -> None:
        """Send a message that the wire has left, or see it sent if it is begun."""
        if begun:
            self._finish(_deadline(timeout), 1)
        else:
            self._send(iter((message,)), _deadline(timeout), 0)

    def _send(self, messages: Iterator[Data], deadline: float | None, sent: int) -> None:
        """Send what the wire leaves to others; ``sent`` messages of the same call it did not."""
        push, send = self._engine.push, self._engine.send
        ends: list[int] = []
        self._begin_sending(deadline, sent)
        try:
            try:
                for message in messages:
                    if not push(message):
                        send(message)
                    ends.append(self._engine.outgoing_size)
                    if ends[-1] >= _RUN:
                        run, ends = ends, []
                        self._transmit(deadline, run, sent)
                        sent += len(run)
            except Exception as error:
                if isinstance(error, LocalProtocolError):
                    error.sent = sent + len(ends)
                if ends:  # whatever stopped us, those before it are promised
                    self._transmit(deadline, ends, sent)
                raise
            self._transmit(deadline, ends, sent)
        finally:
            self._end_sending()

    def _finish(self, deadline: float | None, sent: int) -> None:
        """See what was accepted sent; ``sent`` says how many messages of this call that are."""
        self._begin_sending(deadline, sent)
        self._end_sending()

    def _begin_sending(self, deadline: float | None, sent: int = 0) -> None:
        """Become the only one to send, with nothing left over from before."""
        if not self._sending.acquire(blocking=False) and not _acquire(self._sending, deadline):
            more = " more" if sent else ""
            raise SendTimeout(f"nothing{more} was sent: other threads were sending all the time", sent=sent)
        try:
            self._take_back()
            if self._unsent:
                self._transmit(deadline, sent=sent)
        except BaseException:
            self._end_sending()
            raise

    def _end_sending(self) -> None:
        """Leave sending to others."""
        if self._unsent and self._wire.give_back(self._unsent):
            self._unsent.clear()
        if not self._unsent:
            self._wire.reopen()
        self._sending.release()

    def _take_back(self) -> None:
        """Have the wire send nothing, and give back what it has not sent."""
        try:
            if pending := self._wire.take():
                self._unsent.append(pending)
        except OSError as error:
            raise self._lost(error) from error

    def _transmit(self, deadline: float | None, ends: Sequence[int] = (), sent: int = 0) -> None:
        """Send everything encoded: new messages, ending at the offsets ``ends``, or else what was left over.

        At a time-out the rest of a message begun stays in ``_unsent``, and the messages behind it are dropped.
        """
        self._unsent += self._engine.outgoing()
        self._stream.waits = False
        done = 0
        try:
            while self._unsent:
                taken = self._stream.send(self._unsent, deadline)
                if taken is None:
                    break
                done += taken
                drop(self._unsent, taken)
            else:
                return
        except OSError as error:
            self._unsent.clear()
            raise self._lost(error) from error
        except BaseException as error:
            if self._stream.waits:  # a KeyboardInterrupt: what is left must go out as it was when send() was called
                self._unsent = [b"".join(self._unsent)]
            else:  # nobody knows how much is on the wire already: nothing may follow it
                self._unsent.clear()
                self._lost(error)
            raise
        left = b"".join(self._unsent)
        begun = 0
        if ends:
            begun = bisect_left((0, *ends[:-1]), done + self._stream.committed)
            left = left[: ends[begun - 1] - done] if begun else b""
        self._unsent = [left] if left else []
        raise SendTimeout(
            f"the peer reads too slowly: {sent + begun} of the messages were sent, or will be: "
            f"{len(left)} bytes are queued, and go out before anything else",
            sent=sent + begun,
            queued=len(left),
        )

    def _lost(self, error: BaseException) -> ConnectionLost | ClosedByUs:
        if self._engine.state is State.CLOSED:
            return ClosedByUs("this connection was closed on this side, with a message under way")
        self._wire.shut()
        self._engine.lost(error)  # recv goes on with what is still there
        return ConnectionLost(f"the connection was lost: {error}")


def open_peer(stream: Stream, settings: Settings, *, batching: bool) -> Peer:
    """Make a peer of a stream, and let its wire send what needs no engine."""
    if settings.observer is None:
        stream.wire.start(settings.framing.run(), settings.sizes.max_message, batching)
    # Asked here, and not deeper down: it takes a kilobyte of stack, a page more for each connection that has a thread.
    addresses = own_and_peer_address(stream.socket)
    return Peer(stream, settings.engine(), addresses, close_timeout=settings.times.close)


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _acquire(lock: threading.Lock, deadline: float | None) -> bool:
    return lock.acquire(timeout=-1 if deadline is None else max(deadline - time.monotonic(), 0))


def _own(message: Data) -> bytes:
    return message if isinstance(message, bytes) else bytes(as_view(message))
