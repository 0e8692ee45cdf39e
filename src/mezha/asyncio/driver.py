"""The asyncio driver: moves bytes between a transport and an engine, and wakes the tasks that wait for them."""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import cast
from weakref import WeakKeyDictionary

from mezha.asyncio.line import Line, Turn
from mezha.asyncio.tls import said_goodbye, unwrap
from mezha.engine import Engine
from mezha.limits import Limits
from mezha.sockets import reset_at_close

__all__ = ["Driver"]

#: One receive buffer a loop: what was received has left it before the next read, and idle connections need none.
#: With more at once than stays in a cache, and than malloc() keeps at hand, a message costs twice as much.
_READ = 64 << 10
_buffers: "WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview]" = WeakKeyDictionary()
#: Buffers for the system that together are below this are joined: a copy costs less than a system call.
_JOIN_BELOW = 64 << 10


def _buffer_of(loop: asyncio.AbstractEventLoop) -> memoryview:
    try:
        return _buffers[loop]
    except KeyError:
        return _buffers.setdefault(loop, memoryview(bytearray(_READ)))


class Driver(asyncio.BufferedProtocol):
    """One connection.

    Sending: the first message after one has arrived, or after a tick of the loop without any, is written at once; those
    that follow it are written together, at the end of their tick. Whoever sends when ``limits.outbox`` bytes wait is
    queued, in order, *before* the message is accepted: a cancelled ``send`` has sent nothing.

    Receiving: messages stay in the engine until somebody takes them; waiting is for bytes, never for a message, so a
    cancelled ``recv`` loses nothing. When the engine is full, the transport stops reading.
    """

    __slots__ = (
        "_buffer",
        "_leavers",
        "_loop",
        "_outbox",
        "_readers",
        "_socket",
        "_space",
        "_timer",
        "_unfinished",
        "_writable",
        "detached",
        "engine",
        "free",
        "gone",
        "idle",
        "line",
        "paused",
        "tick",
        "tls",
        "transport",
    )

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = self._space = _buffer_of(self._loop)
        self._outbox = limits.outbox
        # Who waits to receive, and for the end: few, mostly none, and an empty tuple takes no memory.
        self._readers: tuple[asyncio.Future[None], ...] = ()
        self._leavers: tuple[asyncio.Future[None], ...] = ()
        #: Those who wait for room before they send, while there are any.
        self.line: Line | None = None
        self._writable = True
        self._timer: asyncio.TimerHandle | None = None
        self._unfinished = True  # the peer's stream, as far as the transport has told
        self.engine = engine
        #: Nobody has to wait for room before sending, as far as the transport is concerned.
        self.free = True
        #: Nothing has been sent lately: what is sent next need not wait for more.
        self.idle = True
        #: The end of this tick of the loop, at which all that was sent in it will be written.
        self.tick: asyncio.Handle | None = None
        #: The transport has been told to stop reading; see ``read_on``.
        self.paused = False
        self.transport: asyncio.Transport
        self.tls: ssl.SSLObject | None
        self._socket: socket.socket | None
        #: The transport is done.
        self.gone = False
        #: The socket has been given away: what it still has to read belongs to somebody else.
        self.detached = False

    # -- what the transport calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none, by name
        # Asked now: the transport of TLS forgets it at its end.
        self.tls = transport.get_extra_info("ssl_object")
        self._socket = transport.get_extra_info("socket")
        if self.tls is not None:
            self.tls.unwrap = partial(unwrap, self.tls)  # type: ignore[method-assign]
        self.transport.set_write_buffer_limits(high=self._outbox)
        self.engine.begin(self._loop.time())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer of the loop, unless the engine has a better one."""
        space = self.engine.space()
        self._space = self._buffer if space is None else space
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        """Hand over what was read."""
        engine = self.engine
        self.idle = True
        data, self._space = self._space[:nbytes], self._buffer  # what the engine lends it wants back
        engine.receive(data, self._loop.time())
        if self._readers and not engine.idle():  # a piece of a large message is of no use to them
            self._wake_readers()
        if not self.paused and engine.full():
            self.paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Note the end of the peer's stream; ours goes on, but for TLS, which cannot."""
        self._unfinished = False
        self._receive_end()
        self._wake_readers()
        return self.tls is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection, after what had arrived before it."""
        engine = self.engine
        now = self._loop.time()
        if exc is not None:
            engine.lost(exc)
        if self._unfinished and not self.detached:
            # A transport that fails in writing drops what it has not read. And a socket closed with bytes unread
            # resets the connection, so that what was sent last might never arrive.
            with suppress(MemoryError):
                for data in self._unread():
                    if exc is not None:
                        engine.receive(data, now)
        self._receive_end()
        engine.lost(ConnectionAbortedError("the peer ended the connection in both directions, as TLS does"))
        if self.tick is not None:
            self.tick.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._writable = True
        self.gone = True
        for leaver in self._leavers:
            if not leaver.done():
                leaver.set_result(None)
        self.wake()

    def pause_writing(self) -> None:
        """Let senders wait."""
        self._writable = self.free = False

    def resume_writing(self) -> None:
        """Let the first sender go on, who will wake the next."""
        self._writable = True
        self._note_free()
        self.wake_line()

    # -- what a peer calls --------------------------------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """Whether a sender has to wait in line."""
        return self.line is not None or not self.has_room()

    def has_room(self, size: int | None = None) -> bool:
        """Say whether there is room; for a message of so many bytes, also whether the peer lets it go out."""
        if self.gone:
            return True
        engine = self.engine
        return self._writable and engine.outgoing_size < self._outbox and (size is None or engine.clear(size))

    def turn(self) -> Turn:
        """Wait in line: nobody else sends from the turn to the end of the block."""
        self.free = False
        if self.line is None:
            self.line = Line(self._note_free)
        return self.line.turn()

    def wake_line(self) -> None:
        """Let the first of those who wait in line go on, if there is room."""
        if self.line is not None:
            self.line.wake()

    def flush_soon(self) -> None:
        """Write what the engine has: at once on an idle connection, or else at the end of this tick of the loop."""
        if self.idle:
            self.idle = False
            self.flush()
        elif self.tick is None:
            self.tick = self._loop.call_soon(self._end_tick)

    def flush(self) -> None:
        """Write what the engine has."""
        small = self.engine.outgoing_size < _JOIN_BELOW
        try:
            buffers = self.engine.outgoing()
            if self.transport.is_closing():
                return
            if small and len(buffers) > 1:
                buffers = [b"".join(buffers)]
            for buffer in buffers:
                self.transport.write(buffer)
        except MemoryError as error:  # the transport copies what it keeps: who knows how much of it was sent
            self.engine.lost(error)
            self.cut()

    def take(self, count: int) -> list[bytes]:
        """Take up to so many messages from the engine."""
        return self.engine.take(count)

    def readable(self) -> asyncio.Future[None]:
        """Return what to wait for until the engine has been given something, bytes or an end."""
        reader = self._loop.create_future()
        if self.paused:
            self.read_on()
            reader.set_result(None)  # there may be something already
            return reader
        self._keep_time()
        if self._readers:  # those that were cancelled are still there
            self._readers = tuple(other for other in self._readers if not other.done())
        self._readers += (reader,)
        return reader

    def read_on(self) -> None:
        """Let the transport read again, if the engine has room."""
        if self.gone:
            return
        # Of what its TLS has, a loop may throw away the last at the end of the stream. So it is fetched from here.
        undecrypted = self._undecrypted()
        while not self.engine.full():
            if data := next(undecrypted, None):
                self.engine.receive(data, self._loop.time())
                continue
            self.paused = False
            self.transport.resume_reading()
            if self.tls is not None and said_goodbye(self.tls) and not self.transport.is_closing():
                self._receive_end()
                self._wake_readers()
                self.transport.close()
            break

    async def leave(self, within: float) -> None:
        """End the connection, once what was sent is written; cut it after so many seconds, or when cancelled."""
        if not self.transport.is_closing():  # a second close() would make abort() of the stock TLS transport a no-op
            self.transport.close()
        await self.ending(within)

    async def ending(self, within: float | None = None) -> None:
        """Wait until the transport is done; cut it after ``within`` seconds, or when cancelled."""
        if self.gone:
            return
        leaver = self._loop.create_future()
        self._leavers += (leaver,)
        timer = None
        if within is not None and (self.tls is not None or self.transport.get_write_buffer_size()):
            timer = self._loop.call_later(within, self.cut)  # the peer has to read something first
        try:
            await leaver
        finally:
            self.cut()
            if timer is not None:
                timer.cancel()

    def cut(self) -> None:
        """Cut the connection at once."""
        if not self.gone:  # or the stock transport would fail
            if not self.detached:
                reset_at_close(self._socket)
            self.transport.abort()

    def wake(self) -> None:
        """Let all who wait find out how things are."""
        self._wake_readers()
        self.wake_line()

    # -- below --------------------------------------------------------------------------------------------------------

    def _note_free(self) -> None:
        if self.line is not None and not self.line.turns:
            self.line = None
        self.free = self._writable and self.line is None

    def _wake_readers(self) -> None:
        readers, self._readers = self._readers, ()
        for reader in readers:
            if not reader.done():
                reader.set_result(None)

    def _end_tick(self) -> None:
        if self._writable and self.engine.outgoing_size:
            self.flush()
            self.wake_line()
            self.tick = self._loop.call_soon(self._end_tick)  # busy: the next tick gathers, too, after the writer
        else:
            self.tick = None
            self.idle = True

    def _keep_time(self) -> None:
        if self._timer is None and (due := self.engine.deadline()) is not None:
            self._timer = self._loop.call_at(due, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.engine.expire(self._loop.time())
        self._wake_readers()  # who sees the error, or waits again, until the next deadline

    def _receive_end(self) -> None:
        """Note the end of the peer's stream, after what TLS still has. The loops do not tell if the stream was cut."""
        now = self._loop.time()
        if self.tls is not None:
            for data in self._undecrypted():
                self.engine.receive(data, now)
            if not said_goodbye(self.tls):
                self.engine.lost(ConnectionAbortedError("the stream was cut: it ended without the goodbye of TLS"))
        self.engine.receive(b"", now)

    def _undecrypted(self) -> Iterator[memoryview]:
        """Read what TLS has received and not decrypted yet, a piece at a time."""
        with suppress(ssl.SSLError):  # nothing more; or a fault, which the transport will report
            while self.tls is not None and (count := cast("int", self.tls.read(_READ, self._buffer))):
                yield self._buffer[:count]

    def _unread(self) -> Iterator[memoryview]:
        """Read what the system still has at the end. Not under TLS: it would have to be decrypted."""
        if os.name != "posix" or self._socket is None or self.tls is not None:
            return
        with suppress(OSError):  # there is nothing more; or a reset, which the transport has reported; or no socket
            while count := os.readv(self._socket.fileno(), [self._buffer]):
                yield self._buffer[:count]
