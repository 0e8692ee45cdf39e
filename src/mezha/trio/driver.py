"""The trio driver: moves bytes between a stream and an engine, and wakes the tasks that wait for them."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import trio
from trio.lowlevel import ParkingLot, cancel_shielded_checkpoint, enable_ki_protection, spawn_system_task

from mezha.engine import Engine
from mezha.framing import Data
from mezha.limits import Limits
from mezha.sockets import own_and_peer_address
from mezha.trio.stream import SocketStream

__all__ = ["Driver", "system_error"]

#: Buffers for the system that together are below this are joined: a copy costs less than a system call.
_JOIN_BELOW = 64 << 10
#: The most to give a stream of somebody else's at once: one of TLS would encrypt all of it before it sends.
_PIECE = 64 << 10
#: Calls that had nothing to wait for, after which other tasks have their turn.
_CALLS = 100


class Driver:
    """One connection.

    Whoever calls may be cancelled at any time, and a ``send_all`` that was cancelled has sent nobody knows what. So a
    connection has two tasks of its own, a writer and a reader, and no caller ever waits for a stream. Each begins when
    there is something for it to do, and ends with the connection. A socket needs no reader: whoever receives waits for
    it himself, and then reads without waiting.

    Sending: the first message after one has arrived, or after a tick of the loop without any, is written at once (to a
    socket); those that follow it are written together, in the next tick. Whoever sends when ``limits.outbox`` bytes
    wait is queued, in order, *before* the message is accepted: a cancelled ``send`` has sent nothing.

    Receiving: messages stay in the engine until somebody takes them, and nothing is read before somebody asks.
    """

    __slots__ = (
        "_closing",
        "_ending",
        "_left",
        "_line",
        "_news",
        "_outbox",
        "_over",
        "_read_scope",
        "_reader",
        "_readers",
        "_reading",
        "_room",
        "_shut",
        "_socket",
        "_still",
        "_transport",
        "_unsent",
        "_waiting",
        "_write_scope",
        "_writer",
        "_written",
        "addresses",
        "calls",
        "engine",
        "free",
        "gone",
        "idle",
        "stream",
        "writing",
    )

    def __init__(self, engine: Engine, limits: Limits, stream: trio.abc.Stream) -> None:
        self.engine = engine
        self.stream = stream
        below = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
        #: The addresses of this side and of the peer.
        self.addresses = own_and_peer_address(getattr(below, "socket", None))
        #: Our own socket, under TLS or not.
        self._transport = below if isinstance(below, SocketStream) else None
        self._socket = self._transport if below is stream else None
        self._outbox = limits.outbox
        #: How many calls more before other tasks have their turn: see ``rest``.
        self.calls = _CALLS

        #: Nobody has to wait in line before sending.
        self.free = True
        self._waiting = 0
        self._line = trio.StrictFIFOLock()
        self._room = ParkingLot()
        #: Nothing has been sent lately: what is sent next need not wait for more.
        self.idle = True
        #: A task is writing, and will write what the engine is given.
        self.writing = False
        self._unsent: list[Data] = []
        self._ending = False  # this side's stream, after what is unsent
        self._written = ParkingLot()
        self._writer = ParkingLot()
        self._write_scope: trio.CancelScope | None = None

        self._reading = False
        self._readers = ParkingLot()
        self._reader = ParkingLot()
        self._read_scope: trio.CancelScope | None = None
        #: What the task that reads has brought, for a receiver to give to the engine.
        self._news: Data | Exception | None = None
        # The time in which nobody read is not the peer's: the engine's clock stands still.
        self._left = trio.current_time()
        self._still = 0.0

        self._over = False  # for those who send
        self._shut = False  # for those who receive
        self._closing = False
        #: The stream is closed, or somebody else's.
        self.gone = trio.Event()

    # -- sending ------------------------------------------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """Whether a sender has to wait for its ``turn``."""
        return bool(self._waiting) or not self._has_room()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait in line, and for room; nobody else sends before the end of the block."""
        self._waiting += 1
        self.free = False
        try:
            async with self._line:
                while not self._has_room():
                    await self._room.park()
                yield
        finally:
            self._waiting -= 1
            self.free = not self._waiting

    def flush_soon(self) -> None:
        """Write what the engine has: at once to an idle socket, or else in the next tick of the loop."""
        if self.writing:
            return
        if self._socket is not None and self.idle:
            self.idle = False
            self._collect()
            try:
                self._socket.write(self._unsent)
            except OSError as error:
                self._broken(error)
            if not self._unsent:
                return
        self._begin_writing()

    def end_soon(self) -> None:
        """End this side's stream after what the engine has."""
        self._ending = True
        if not self.writing:
            self._begin_writing()

    async def written(self) -> None:
        """Wait until everything sent has been written, or cannot be any more."""
        while self.writing:
            await self._written.park()

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def arrival(self) -> None:
        """Wait until the engine may have been given something: bytes, an end, or a deadline that has passed."""
        if self._news is None:
            if self._reading:
                await self._readers.park()
            elif self._socket is None:
                self._begin_fetching()
                await self._readers.park()
            else:
                self._reading = True
                try:
                    await self._read(self._socket)
                finally:
                    self._end_reading()
                return
        if self._news is not None:
            self._tell()
        else:
            self.engine.expire(self._now())

    # -- both ---------------------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """Let other tasks have their turn, after calls that had nothing to wait for. Cannot be cancelled."""
        self.calls = _CALLS
        await cancel_shielded_checkpoint()

    def shut(self) -> None:
        """Let all who wait find out that the engine is closed; what was sent before is still written."""
        self._over = self._shut = True
        self._room.unpark()
        if self._read_scope is not None:
            self._read_scope.cancel()
        if self._socket is not None:
            self._socket.wake()
        self._readers.unpark_all()

    async def close(self, within: float) -> None:
        """Write what is left, and close the stream; cut it after ``within`` seconds, or when cancelled."""
        if self.gone.is_set():
            await trio.lowlevel.checkpoint()
            return
        try:
            with trio.move_on_after(within):
                if self._closing:  # somebody else is at it
                    await self.gone.wait()
                else:
                    self._closing = True
                    await self.written()
                    await self._unread()
                    if self._transport is not None and self._socket is None:
                        await self._finish_decrypting(self._transport)
                    await self.stream.aclose()
                    self._leave()
        except Exception:  # noqa: BLE001 - it is broken already, or closed
            pass
        finally:
            if not self.gone.is_set() and self._transport is None:
                await self._close_forcefully()
            self.cut()

    def cut(self) -> None:
        """Cut the connection at once."""
        if self.gone.is_set():
            return
        self._leave()
        if self._transport is not None:
            self._transport.cut()
        else:
            with suppress(RuntimeError):  # trio does not run any more
                spawn_system_task(self._close_forcefully)

    async def release(self) -> tuple[trio.abc.Stream, bytes]:
        """Part with the stream, and with what was read and not handed out. The engine has to be closed then."""
        stream = self.stream
        unread = self.engine.unused()
        self.engine.close()
        self.shut()
        with trio.CancelScope(shield=True):
            await self._unread()
        if self._socket is not None:
            sock = self._socket.socket
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        if self._news is not None and not isinstance(self._news, Exception):
            unread += self._news
        self._leave()
        return stream, unread

    # -- below --------------------------------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        return self._over or self.engine.outgoing_size < self._outbox

    def _collect(self) -> bool:
        """Take over what the engine has; say whether it had anything."""
        size = self.engine.outgoing_size
        if not size:
            return False
        buffers = self.engine.outgoing()
        self._unsent += [b"".join(buffers)] if size < _JOIN_BELOW and len(buffers) > 1 else buffers
        self._room.unpark()
        return True

    def _begin_writing(self) -> None:
        if self._write_scope is None:
            spawn_system_task(self._write)
        else:
            self._writer.unpark()
        self.writing = True

    async def _write(self) -> None:
        """Write what there is, until a tick has passed in which nobody has sent; then wait for more."""
        try:
            with trio.CancelScope() as self._write_scope:
                while True:
                    if self._unsent or self._collect():
                        await self._transmit()
                    elif self._ending:
                        self._ending = False
                        assert isinstance(self.stream, trio.abc.HalfCloseableStream)
                        await self.stream.send_eof()
                    else:
                        self._end_writing()
                        await self._writer.park()
        except Exception as error:  # noqa: BLE001 - the stream may be anybody's, and an observer's mistake is no better
            with suppress(Exception):
                self._broken(error)
        finally:
            if self._unsent:  # cancelled: nobody knows what of it was sent
                self._broken(ConnectionAbortedError("the connection was cut in the middle of a message"))
            self._write_scope = None
            self._end_writing()

    def _end_writing(self) -> None:
        self.idle = True
        self.writing = False
        self._written.unpark_all()

    async def _transmit(self) -> None:
        """Send what is unsent, and let a tick pass."""
        if self._socket is not None:
            self._socket.write(self._unsent)
            while self._unsent:
                await self._socket.writable()
                self._socket.write(self._unsent)
            await cancel_shielded_checkpoint()
            return
        for buffer in self._unsent:
            view = memoryview(buffer)
            for start in range(0, len(view), _PIECE):
                await self.stream.send_all(view[start : start + _PIECE])
        self._unsent.clear()

    def _broken(self, error: Exception) -> None:
        """Note that nothing can be sent any more."""
        self._over = True
        self._unsent.clear()
        try:
            self.engine.lost(system_error(error))
            self.engine.outgoing()
        finally:
            self._room.unpark()

    async def _read(self, stream: SocketStream) -> None:
        """Read from our own socket, when there is something, or until the deadline."""
        due = self._due()
        if due == math.inf:
            await stream.readable()
        else:
            with trio.move_on_at(due) as scope:
                await stream.readable()
            if scope.cancelled_caught:
                self.engine.expire(self._now())
                return
        self._take(stream)

    @enable_ki_protection
    def _take(self, stream: SocketStream) -> None:
        if self._shut:
            return
        try:
            data = stream.read(self.engine.space())
        except BlockingIOError:
            return
        except OSError as error:
            self._news = error
            self._tell()
        else:
            self.idle = True
            self.engine.receive(data, self._now())

    def _begin_fetching(self) -> None:
        if self._read_scope is None:
            spawn_system_task(self._fetch)
        else:
            self._reader.unpark()
        self._reading = True

    async def _fetch(self) -> None:
        """Read from somebody else's stream, each time that somebody asks."""
        try:
            with trio.CancelScope() as self._read_scope:
                while True:
                    self._read_scope.deadline = self._due()
                    self._news = await self.stream.receive_some()
                    self._read_scope.deadline = math.inf
                    self._end_reading()
                    await self._reader.park()
        except Exception as error:  # noqa: BLE001 - the stream may be anybody's
            self._news = error
        finally:
            self._read_scope = None
            self._end_reading()

    async def _finish_decrypting(self, transport: SocketStream) -> None:
        """Read what TLS has: over bytes unread, trio's would close without its goodbye."""
        transport.deaf = True
        with suppress(trio.WouldBlock):
            while await self.stream.receive_some():
                pass

    async def _unread(self) -> None:
        """Wait, after ``shut``, until nobody reads any more."""
        while self._reading:
            await self._readers.park()

    @enable_ki_protection
    def _tell(self) -> None:
        """Give the engine the news."""
        news, self._news = self._news, None
        assert news is not None
        self.idle = True
        if isinstance(news, Exception):
            try:
                self.engine.lost(system_error(news))
            finally:
                news = b""
        self.engine.receive(news, self._now())

    def _due(self) -> float:
        """Begin to read; return when to give up."""
        self._still += trio.current_time() - self._left
        due = self.engine.deadline()
        return math.inf if due is None else due + self._still

    def _end_reading(self) -> None:
        self._left = trio.current_time()
        self._reading = False
        self._readers.unpark_all()

    def _now(self) -> float:
        return trio.current_time() - self._still

    def _leave(self) -> None:
        """Have done with the stream."""
        self._over = True
        for scope in (self._write_scope, self._read_scope):
            if scope is not None:
                scope.cancel()
        self.gone.set()

    async def _close_forcefully(self) -> None:
        try:
            with suppress(Exception):  # the stream may be anybody's
                await trio.aclose_forcefully(self.stream)
        finally:
            self._leave()


def system_error(error: BaseException) -> BaseException:
    """Return the system's error behind one of trio's, if there is one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__
    return error if cause is None else cause
