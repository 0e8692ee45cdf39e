"""The sending half of a trio connection: the line of those who wait for room, and the task that writes."""

from collections.abc import Callable
from contextlib import suppress

import trio
from trio.lowlevel import ParkingLot, cancel_shielded_checkpoint, enable_ki_protection, spawn_system_task

from mezha.engine import Engine
from mezha.framing import Data
from mezha.trio.stream import SocketStream, system_error

__all__ = ["Writer"]

#: Buffers for the system that together are below this are joined: a copy costs less than a system call.
_JOIN_BELOW = 64 << 10
#: The most to give a stream of somebody else's at once: one of TLS encrypts all of it before it sends any.
_PIECE = 64 << 10


class Writer:
    """Takes messages from the engine to the stream.

    A ``send_all`` that is cancelled has sent nobody knows what. So those who send never wait for the stream: a task of
    the connection does. It begins with the first message that cannot be written at once, and ends with the connection.

    The first message after one has arrived, or after a tick of the loop without any, is written at once (to a socket of
    our own); those that follow it are written together, in the next tick. Whoever sends when ``outbox`` bytes wait is
    queued, in order, *before* the message is accepted: a cancelled ``send`` has sent nothing.
    """

    __slots__ = (
        "_ending",
        "_engine",
        "_line",
        "_outbox",
        "_over",
        "_room",
        "_scope",
        "_socket",
        "_stream",
        "_waiting",
        "_work",
        "_written",
        "free",
        "idle",
        "lost",
        "unsent",
        "writing",
    )

    def __init__(self, engine: Engine, stream: trio.abc.Stream, outbox: int) -> None:
        self._engine = engine
        self._stream = stream
        self._socket = stream if isinstance(stream, SocketStream) else None
        self._outbox = outbox
        #: What the engine has handed over and the stream does not have; the beginning of a message, perhaps.
        self.unsent: list[Data] = []
        #: Nobody has to wait before sending a little.
        self.free = True
        self._waiting = 0
        self._line = trio.StrictFIFOLock()
        self._room = ParkingLot()
        self._over = False  # there is no use in waiting for room
        #: Nothing has been sent lately: what is sent next need not wait for more.
        self.idle = True
        #: The task is at work, and will write what the engine is given.
        self.writing = False
        self._scope: trio.CancelScope | None = None  # of the task, while there is one
        self._work = ParkingLot()
        self._written = ParkingLot()
        self._ending = False  # the stream, after what is unsent
        #: Called when the connection has broken.
        self.lost: Callable[[], None] | None = None

    # -- those who send -----------------------------------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """Whether a sender has to wait for its ``turn``."""
        return bool(self._waiting) or not self._has_room()

    def turn(self) -> "_Turn":
        """Wait in line, and for room: ``async with``. Nobody else sends before the end of the block."""
        return _Turn(self)

    async def line_up(self) -> None:
        """Wait in line, and for room. Whoever returns from here must call ``step_aside``; ``turn`` does both."""
        self._waiting += 1
        self.free = False
        try:
            await self._line.acquire()
            try:
                await self.until(self._has_room)
            except BaseException:
                self._line.release()
                raise
        except BaseException:
            self._leave()
            raise

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, in one's turn, for a condition, or the end of the connection; ``look`` has it asked again."""
        while not (condition() or self._over):
            await self._room.park()

    def look(self) -> None:
        """Have whoever's turn it is look again whether there is room."""
        self._room.unpark()

    @enable_ki_protection
    def step_aside(self) -> None:
        """Let the next in line have its turn."""
        self._line.release()
        self._leave()

    @enable_ki_protection
    def _leave(self) -> None:
        self._waiting -= 1
        self._note_unsent()

    @enable_ki_protection
    def flush_soon(self) -> None:
        """Write what the engine has: at once to an idle socket, or else in the next tick of the loop."""
        if self.writing:
            return
        if self._socket is not None and self.idle:
            self.idle = False
            try:
                self._collect()
                self._socket.write(self.unsent)
            except (OSError, MemoryError) as error:
                self._broken(error)
            if not (self.unsent or self._engine.outgoing_size):
                return
            self._note_unsent()
        self._start()

    def end_soon(self) -> None:
        """End this side's stream after what the engine has."""
        self._ending = True
        if not self.writing:
            self._start()

    async def written(self) -> None:
        """Wait until all that was sent is written, or cannot be any more."""
        while self.writing:
            await self._written.park()

    # -- the connection -----------------------------------------------------------------------------------------------

    def shut(self) -> None:
        """Let those who wait for room find out that the engine is closed. What was sent before is still written."""
        self._over = True
        self._room.unpark()

    def stop(self) -> None:
        """Write nothing more."""
        if self._scope is not None:
            self._scope.cancel()

    # -- below --------------------------------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        return self._over or (self._engine.outgoing_size < self._outbox and self._little_unsent())

    def _little_unsent(self) -> bool:
        return sum(map(len, self.unsent)) <= self._outbox

    def _note_unsent(self) -> None:
        """Look anew whether those who send have to wait; if not, the first who does need not any more."""
        enough = self._little_unsent()
        self.free = enough and not self._waiting
        if enough:
            self._room.unpark()

    def _collect(self) -> bool:
        """Take over what the engine has; say whether it had anything."""
        size = self._engine.outgoing_size
        if not size:
            return False
        buffers = self._engine.outgoing()
        self.unsent += [b"".join(buffers)] if size < _JOIN_BELOW and len(buffers) > 1 else buffers
        self._note_unsent()
        return True

    def _start(self) -> None:
        if self._scope is None:
            spawn_system_task(self._write)
        else:
            self._work.unpark()
        self.writing = True

    async def _write(self) -> None:
        """Write what there is, until a tick has passed in which nobody has sent; then wait for more."""
        try:
            with trio.CancelScope() as self._scope:
                while True:
                    if self.unsent or self._collect():
                        await self._transmit()
                        self._note_unsent()
                    elif self._ending:
                        self._ending = False
                        assert isinstance(self._stream, trio.abc.HalfCloseableStream)
                        await self._stream.send_eof()
                    else:
                        self._rest()
                        await self._work.park()
            if self.unsent:
                raise ConnectionAbortedError("the connection was cut in the middle of what was sent")
        except Exception as error:  # noqa: BLE001 - the stream may be anybody's, and an observer makes mistakes, too
            with suppress(Exception):
                self._broken(error)
        finally:
            self._scope = None
            self._rest()

    async def _transmit(self) -> None:
        """Send what is unsent, and let a tick pass."""
        if self._socket is not None:
            self._socket.write(self.unsent)
            while self.unsent:
                await self._socket.writable()
                self._socket.write(self.unsent)
            await cancel_shielded_checkpoint()
            return
        for buffer in self.unsent:
            view = memoryview(buffer)
            for start in range(0, len(view), _PIECE):
                await self._stream.send_all(view[start : start + _PIECE])
        self.unsent.clear()

    def _rest(self) -> None:
        self.idle = True
        self.writing = False
        self._written.unpark_all()

    def _broken(self, error: Exception) -> None:
        """Note that nothing can be sent any more; what was received already can be read."""
        self.unsent.clear()
        if self._socket is not None:
            self._socket.end()
        try:
            self._engine.lost(system_error(error))
            self._engine.outgoing()
        finally:
            self.shut()
            if self.lost is not None:
                self.lost()


class _Turn:
    """The turn of one who sends. No generator: a Ctrl-C would be lost where trio forgets one that has ended."""

    __slots__ = ("_writer",)

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def __aenter__(self) -> Writer:
        await self._writer.line_up()
        return self._writer

    async def __aexit__(self, *_: object) -> None:
        self._writer.step_aside()
