"""The receiving half of a trio connection: waits for bytes for all who receive, and hands them to the engine."""

import math

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
        "_engine",
        "_left",
        "_news",
        "_readers",
        "_scope",
        "_shut",
        "_socket",
        "_still",
        "_stream",
        "_wanted",
        "reading",
    )

    def __init__(self, engine: Engine, stream: trio.abc.Stream) -> None:
        self._engine = engine
        self._stream = stream
        self._socket = stream if isinstance(stream, SocketStream) else None
        #: Somebody, or the task, waits for the stream.
        self.reading = False
        self._readers = ParkingLot()
        self._shut = False
        self._scope: trio.CancelScope | None = None  # of the task, while there is one
        self._wanted = ParkingLot()
        #: What the task has read, for one of those who receive to hand it to the engine.
        self._news: Data | Exception | None = None
        # The time in which nobody reads is not the peer's: the engine's clock stands still.
        self._left = trio.current_time()
        self._still = 0.0

    async def arrival(self) -> None:
        """Wait until the engine may have been given something: bytes, an end, or a deadline that has passed."""
        if self._news is None:
            if self.reading:
                await self._readers.park()
            elif self._socket is None:
                self._start()
                await self._readers.park()
            else:
                self.reading = True
                try:
                    await self._read(self._socket)
                finally:
                    self._rest()
        if self._news is not None:
            self._tell(self._news)

    def shut(self) -> None:
        """Let those who wait find out that the engine is closed; read no more."""
        self._shut = True
        if self._scope is not None:
            self._scope.cancel()
        if self._socket is not None:
            self._socket.wake()
        self._readers.unpark_all()

    async def unread(self) -> bytes:
        """Wait, after ``shut``, until nobody reads any more; return what was read and not handed to the engine."""
        while self.reading:
            await self._readers.park()
        return b"" if self._news is None or isinstance(self._news, Exception) else bytes(self._news)

    # -- below --------------------------------------------------------------------------------------------------------

    async def _read(self, stream: SocketStream) -> None:
        """Read from our own socket, once there is something, or the deadline has passed."""
        due = self._begin()
        if due == math.inf:
            await stream.readable()
        else:
            with trio.move_on_at(due) as scope:
                await stream.readable()
            if scope.cancelled_caught:
                self._news = trio.TooSlowError()
                return
        self._take(stream)

    @enable_ki_protection
    def _take(self, stream: SocketStream) -> None:
        if self._shut:
            return
        try:
            data = stream.read(self._engine.space())
        except BlockingIOError:
            pass
        except OSError as error:
            self._news = error
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
        waiting = False
        try:
            with trio.CancelScope() as self._scope:
                while True:
                    self._scope.deadline = self._begin()
                    waiting = True
                    self._news = await self._stream.receive_some()
                    waiting = False
                    self._scope.deadline = math.inf
                    self._rest()
                    await self._wanted.park()
            if waiting and not self._shut:
                self._news = trio.TooSlowError()
        except Exception as error:  # noqa: BLE001 - the stream may be anybody's
            self._news = error
        finally:
            self._scope = None
            self._rest()

    def _begin(self) -> float:
        """Begin to read; return when to give up."""
        self._still += trio.current_time() - self._left
        due = self._engine.deadline()
        return math.inf if due is None else due + self._still

    def _rest(self) -> None:
        self._left = trio.current_time()
        self.reading = False
        self._readers.unpark_all()

    @enable_ki_protection
    def _tell(self, news: Data | Exception) -> None:
        """Tell the engine what happened."""
        self._news = None
        now = self._now()
        if isinstance(news, trio.TooSlowError):
            # Sums of times need not be exact, and this one is due.
            self._engine.expire(max(now, self._engine.deadline() or now))
        elif isinstance(news, Exception):
            try:
                self._engine.lost(system_error(news))
            finally:
                self._engine.receive(b"", now)
        else:
            self._engine.receive(news, now)

    def _now(self) -> float:
        return trio.current_time() - self._still
