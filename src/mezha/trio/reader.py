"""The receiving half of a trio connection: waits for bytes for all who receive, and hands them to the engine."""

import trio
from trio.lowlevel import ParkingLot, enable_ki_protection, spawn_system_task

from mezha.engine import Engine
from mezha.framing import Data
from mezha.trio.stream import SocketStream, system_error

__all__ = ["Reader"]


class Reader:
    """Brings bytes from the stream to the engine, when somebody asks for them.

    Messages stay in the engine until somebody takes them; waiting is for bytes, never for a message. For our own socket
    one of those who receive waits, and then reads without waiting. Somebody else's stream might lose what it has when
    it is cancelled: a task of the connection reads from it. So a cancelled ``recv`` loses nothing.
    """

    __slots__ = (
        "_arrived",
        "_engine",
        "_left",
        "_news",
        "_scope",
        "_shut",
        "_socket",
        "_still",
        "_stream",
        "_waiting",
        "_wanted",
        "reading",
    )

    def __init__(self, engine: Engine, stream: trio.abc.Stream) -> None:
        self._engine = engine
        self._stream = stream
        self._socket = stream if isinstance(stream, SocketStream) else None
        self._shut = False
        #: Somebody who receives, or the task, waits for the stream; the others wait for them.
        self.reading = False
        self._arrived = ParkingLot()
        self._scope: trio.CancelScope | None = None  # of the task, while there is one
        self._wanted = ParkingLot()
        #: What the task has read, for one of those who receive to hand it to the engine.
        self._news: Data | Exception | None = None
        # The time in which nobody receives is not the peer's: the engine's clock stands still.
        self._waiting = 0
        self._left = trio.current_time()
        self._still = 0.0

    async def arrival(self) -> None:
        """Wait until the engine may have been given something: bytes, an end, or a deadline that has passed."""
        if not self._waiting:
            self._still += trio.current_time() - self._left
        self._waiting += 1
        try:
            due = self._engine.deadline()
            if due is None:
                await self._arrival()
                return
            with trio.move_on_at(due + self._still) as scope:
                await self._arrival()
            if scope.cancelled_caught:
                self._engine.expire(max(self._now(), due))  # sums of times need not be exact
        finally:
            self._waiting -= 1
            self._left = trio.current_time()

    def shut(self) -> None:
        """Let those who wait find out that the engine is closed; read no more."""
        self._shut = True
        if self._scope is not None:
            self._scope.cancel()
        if self._socket is not None:
            self._socket.wake()
        self._arrived.unpark_all()

    async def unread(self) -> bytes:
        """Wait, after ``shut``, until nobody reads any more; return what was read and not handed to the engine."""
        while self.reading:
            await self._arrived.park()
        return b"" if self._news is None or isinstance(self._news, Exception) else bytes(self._news)

    # -- below --------------------------------------------------------------------------------------------------------

    async def _arrival(self) -> None:
        if self._socket is not None and not self.reading:
            self.reading = True
            try:
                await self._socket.readable()
                self._take(self._socket)
            finally:
                self._rest()
            return
        if self._news is None:
            if not self.reading:
                self._start()
            await self._arrived.park()
        if self._news is not None and not self._shut:
            self._tell(self._news)

    @enable_ki_protection
    def _take(self, stream: SocketStream) -> None:
        """Read from our own socket."""
        if self._shut:
            return
        try:
            data = stream.read(self._engine.space())
        except BlockingIOError:
            pass
        except (OSError, MemoryError) as error:
            self._tell(error)
        else:
            self._engine.receive(data, self._now())

    def _start(self) -> None:
        if self._scope is None:
            spawn_system_task(self._fetch)
        else:
            self._wanted.unpark()
        self.reading = True

    async def _fetch(self) -> None:
        """Read from somebody else's stream, each time that somebody asks."""
        try:
            with trio.CancelScope() as self._scope:
                while True:
                    self._news = await self._stream.receive_some()
                    self._rest()
                    await self._wanted.park()
        except Exception as error:  # noqa: BLE001 - the stream may be anybody's
            self._news = error
        finally:
            self._scope = None
            self._rest()

    def _rest(self) -> None:
        self.reading = False
        self._arrived.unpark_all()

    @enable_ki_protection
    def _tell(self, news: Data | Exception) -> None:
        """Tell the engine what was read, or why nothing can be any more."""
        self._news = None
        if isinstance(news, Exception):
            try:
                self._engine.lost(system_error(news))
            finally:
                self._engine.receive(b"", self._now())
        else:
            self._engine.receive(news, self._now())

    def _now(self) -> float:
        return trio.current_time() - self._still
