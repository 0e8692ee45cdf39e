"""One way of a connection: from a socket to a socket, as its course says, without holding more than so much."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress

from mezha.testing.chaos.arrival import taken
from mezha.testing.chaos.course import Course, Piece, Point
from mezha.testing.chaos.faults import Coalesce, Delay, Fault, HalfClose, Reset, Stall, Throttle

__all__ = ["carry_both"]

#: Bytes read at once; the bytes that may wait on one way, and what a read costs beside its bytes.
_READ, _MOST, _COST = 64 << 10, 1 << 20, 128
#: Seconds of a throttled stream that go out at once.
_TICK = 0.02


async def carry_both(
    client: socket.socket, server: socket.socket, up: _Planned, down: _Planned, *, patience: float
) -> None:
    """Carry both ways to their ends.

    Raises:
        ExceptionGroup: of ``OSError``: the connection was reset, by an end or as planned.

    """
    ways = _Way(client, server, *up, patience), _Way(server, client, *down, patience)
    async with asyncio.TaskGroup() as tasks:
        for way, back in (ways, ways[::-1]):
            tasks.create_task(way.read())
            tasks.create_task(way.write(back))


#: The faults of one way, and the course that carries them out.
_Planned = tuple[Sequence[Fault], Course]


class _Way:
    def __init__(
        self, source: socket.socket, sink: socket.socket, faults: Sequence[Fault], course: Course, patience: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._sink = sink
        self._course = course
        self._patience = patience
        self._delay = sum(fault.seconds for fault in faults if isinstance(fault, Delay))
        self._gather = max((fault.seconds for fault in faults if isinstance(fault, Coalesce)), default=0.0)
        self._rate = min((fault.rate for fault in faults if isinstance(fault, Throttle)), default=0.0)
        self._waiting = _Waiting()
        self._sent = 0
        self.ended = False
        #: How the source broke, once it has.
        self.broken: asyncio.Future[OSError] = self._loop.create_future()

    async def read(self) -> None:
        """Read to the end, or to a reset, which goes on in its turn as well."""
        data = b"?"
        while data:
            await self._waiting.room.wait()
            try:
                data = await self._loop.sock_recv(self._source, _READ)
            except OSError as error:
                self.break_off(error)
                data = b""
            self._waiting.put(self._loop.time(), data)

    def break_off(self, error: OSError) -> None:
        """Let this way end in a reset, behind what the source has said before."""
        if not self.broken.done():
            self.broken.set_result(error)

    async def write(self, back: _Way) -> None:
        """Write what was read, when and as the faults say.

        Raises:
            OSError: the connection was reset.

        """
        going = await self._happen(self._course.start())
        data = b"?"
        while data:
            came, data = await self._next()
            await asyncio.sleep(came + self._delay - self._loop.time())
            pieces = itertools.chain(self._course.feed(data), () if data else self._course.end())
            try:
                for piece in pieces if going else ():
                    await self._send(piece)
                    going = await self._happen(piece.then)
                    if not going:
                        break
            except _Lost as lost:
                going = False
                back.break_off(lost.error)
                if back.ended:
                    raise lost.error from None
        if self.broken.done():
            raise self.broken.result()
        self.ended = True
        if going:
            with suppress(OSError):  # gone already
                self._sink.shutdown(socket.SHUT_WR)

    async def _next(self) -> tuple[float, bytes]:
        """Return what goes on next, glued if it has to be, and when it was complete; nothing at the end."""
        came, data = await self._waiting.get()
        if not (self._gather and data):
            return came, data
        together, size, until = [data], len(data), came + self._gather
        while size < _MOST and (after := await self._waiting.first_until(until)):
            came, data = after
            if not data:
                break
            together.append(data)
            size += len(data)
            await self._waiting.get()
        else:
            came = min(until, self._loop.time())
        return came, b"".join(together)

    async def _send(self, piece: Piece) -> None:
        """Send a piece, and see it arrive by itself.

        Raises:
            _Lost: nobody is there any more.

        """
        size = max(int(self._rate * _TICK), 1) if self._rate else len(piece.data)
        for start in range(0, len(piece.data), size):
            part = piece.data[start : start + size]
            try:
                await self._loop.sock_sendall(self._sink, part)
            except OSError as error:
                raise _Lost(error) from error
            self._sent += len(part)
            if self._rate:
                await asyncio.sleep(len(part) / self._rate)
        if piece.cut:
            await taken(self._sink, self._sent, self._patience)

    async def _happen(self, points: Iterable[Point]) -> bool:
        """Let these faults happen; say whether more may follow."""
        for point in points:
            match point:
                case Reset():
                    raise ConnectionResetError("as planned")
                case HalfClose():
                    with suppress(OSError):
                        self._sink.shutdown(socket.SHUT_WR)
                    return False
                case Stall(seconds=seconds):
                    if seconds is None:
                        raise await self.broken
                    await asyncio.sleep(seconds)
        return True


class _Lost(Exception):
    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


class _Waiting:
    """What was read, and when, and has not gone on yet. Who reads waits for ``room``: that is its bound."""

    def __init__(self) -> None:
        self._items: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._some = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()

    def put(self, came: float, data: bytes) -> None:
        self._items.append((came, data))
        self._some.set()
        self._grow(len(data) + _COST)

    async def get(self) -> tuple[float, bytes]:
        await self._some.wait()
        came, data = self._items.popleft()
        if not self._items:
            self._some.clear()
        self._grow(-len(data) - _COST)
        return came, data

    async def first_until(self, until: float) -> tuple[float, bytes] | None:
        """Return the first, and leave it there; ``None`` if nothing has come until then."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._some.wait()
        return self._items[0] if self._items and self._items[0][0] <= until else None

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size < _MOST:
            self.room.set()
        else:
            self.room.clear()
