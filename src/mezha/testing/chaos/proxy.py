"""A TCP proxy that does to each connection what a plan says: in a thread of its own, for clients of any kind."""

import asyncio
import itertools
import json
import socket
import struct
import threading
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mezha.framing import Framing
from mezha.sockets import address_name, tune
from mezha.testing.chaos.arrival import taken
from mezha.testing.chaos.course import Course, Piece
from mezha.testing.chaos.faults import Coalesce, Delay, Fault, HalfClose, Plan, Reset, Stall, Throttle
from mezha.testing.chaos.record import as_json, recorded

__all__ = ["Chaos"]

#: Bytes read at once, and reads that may wait in each direction: all the memory that a direction takes.
_READ, _WAITING = 64 << 10, 16
#: Seconds to wait until a receiver has taken a piece: it may be busy, and cannot be made to read.
_PATIENCE = 0.25
#: Seconds of a throttled stream that go out at once.
_TICK = 0.02


class Chaos:
    r"""A proxy in front of ``host`` and ``port`` in which every connection meets the faults that you name.

    ``up`` is what happens on the way from the client to the server, ``down`` what happens on the way back. Use it in a
    ``with`` block, and connect to ``address`` instead::

        with Chaos("localhost", port, up=[CutEvery(1)]) as proxy:
            client = socket.create_connection(proxy.address)

    Everything random comes from ``seed``. What was done is in ``plans``, a :class:`Plan` for each connection, in which
    every cut stands at its place; given as ``plans=``, they are done again exactly, to the connections in their order.
    An exception that leaves the block gets them as a note.

    A cut is real where the receiver waits for bytes: the next piece is sent when the last one has been taken (on Linux,
    with both ends on this machine; elsewhere a few milliseconds later). A receiver that is busy for longer than
    ``patience`` seconds finds both together: nobody can make it read.

    ``framing`` is for faults that count messages. A message is held back until it is whole, then.

    Raises:
        ValueError: a fault counts messages, and there is no framing.

    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        up: Iterable[Fault] = (),
        down: Iterable[Fault] = (),
        framing: Framing | None = None,
        seed: int = 0,
        plans: Sequence[Plan] | None = None,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        patience: float = _PATIENCE,
    ) -> None:
        self._target = (host, port)
        self._plan = Plan(up, down)
        self._given = plans
        self._framing = framing
        self._patience = patience
        self.seed = seed
        self._listen = listen
        self._numbers = itertools.count()
        self._done: list[tuple[Plan, dict[str, Course]]] = []
        self._faults: list[BaseException] = []
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread
        #: Connections that the target did not take, and why.
        self.refused: list[str] = []
        #: Where to connect: host and port.
        self.address: tuple[str, int]
        for plan in (self._plan, *(plans or ())):
            for _, faults in plan.sides():
                Course(faults, seed, framing)

    @property
    def plans(self) -> list[Plan]:
        """What has been done to each connection so far; to be repeated with ``plans=``."""
        return [recorded(plan, courses) for plan, courses in self._done]

    def record(self, path: str | Path) -> None:
        """Write ``plans`` to a file, one connection a line, as JSON; ``read_plans`` reads it."""
        lines = (json.dumps(as_json(plan)) for plan in self.plans)
        Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def __enter__(self) -> Self:
        listener = socket.create_server(self._listen, backlog=1000)
        listener.setblocking(False)
        self.address = listener.getsockname()[:2]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="mezha chaos", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        if error is not None:
            plans = [plan for plan in self.plans if plan.up or plan.down]
            error.add_note(f"chaos (seed {self.seed}) did this; to do it again: Chaos(..., plans={plans})")
        elif self._faults:
            raise self._faults[0]

    def __repr__(self) -> str:
        target = address_name(self._target)
        return f"<mezha.testing.Chaos to {target}, seed {self.seed}, {self._plan}>"

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _run(self, listener: socket.socket) -> None:
        try:
            self._loop.run_until_complete(self._serve(listener))
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())  # which has looked up names
            self._loop.close()
            listener.close()

    async def _serve(self, listener: socket.socket) -> None:
        connections: set[asyncio.Task[None]] = set()
        accepting = asyncio.ensure_future(self._accept(listener, connections))
        await self._stopping.wait()
        for task in (accepting, *connections):
            task.cancel()
        await asyncio.gather(accepting, *connections, return_exceptions=True)

    async def _accept(self, listener: socket.socket, connections: set[asyncio.Task[None]]) -> None:
        while True:
            client, _ = await self._loop.sock_accept(listener)
            task = asyncio.ensure_future(self._connect(client))
            connections.add(task)
            task.add_done_callback(connections.discard)
            task.add_done_callback(self._note_fault)

    def _note_fault(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._faults.append(error)

    async def _connect(self, client: socket.socket) -> None:
        number = next(self._numbers)
        plan = self._plan
        if self._given is not None:
            plan = self._given[number] if number < len(self._given) else Plan()
        courses = {name: Course(faults, (self.seed, number, name), self._framing) for name, faults in plan.sides()}
        self._done.append((plan, courses))
        with client:
            client.setblocking(False)
            tune(client)
            try:
                server = await self._reach()
            except OSError as error:
                self.refused.append(f"{address_name(self._target)}: {error}")
                _reset(client)
                return
            with server:
                await self._carry_both(client, server, plan, courses)

    async def _reach(self) -> socket.socket:
        """Connect to the target.

        Raises:
            OSError: none of its addresses takes the connection.

        """
        failure: OSError = OSError("no address")
        for family, kind, proto, _, address in await self._loop.getaddrinfo(*self._target, type=socket.SOCK_STREAM):
            server = socket.socket(family, kind, proto)
            server.setblocking(False)
            try:
                await self._loop.sock_connect(server, address)
            except OSError as error:
                server.close()
                failure = error
            except BaseException:
                server.close()
                raise
            else:
                tune(server)
                return server
        raise failure

    async def _carry_both(
        self, client: socket.socket, server: socket.socket, plan: Plan, courses: dict[str, Course]
    ) -> None:
        ways = [(client, server, plan.up, courses["up"]), (server, client, plan.down, courses["down"])]
        tasks = [asyncio.ensure_future(self._carry(*way)) for way in ways]
        try:
            await asyncio.gather(*tasks)
        except OSError:  # a reset, planned or met: both ends shall see it
            _reset(client)
            _reset(server)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, source: socket.socket, sink: socket.socket, faults: Sequence[Fault], course: Course) -> None:
        """Carry one direction to its end.

        Raises:
            OSError: the connection was reset.

        """
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)
        await _both(self._read(source, waiting), self._write(source, sink, waiting, faults, course))

    async def _read(self, source: socket.socket, waiting: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            data = await self._loop.sock_recv(source, _READ)
            await waiting.put((self._loop.time(), data))
            if not data:
                return

    async def _write(
        self,
        source: socket.socket,
        sink: socket.socket,
        waiting: asyncio.Queue[tuple[float, bytes]],
        faults: Sequence[Fault],
        course: Course,
    ) -> None:
        delay = sum(fault.seconds for fault in faults if isinstance(fault, Delay))
        gather = max((fault.seconds for fault in faults if isinstance(fault, Coalesce)), default=0.0)
        rate = min((fault.rate for fault in faults if isinstance(fault, Throttle)), default=0.0)
        going = await self._happen(course.start(), sink)
        while True:
            came, data = await waiting.get()
            ended = not data
            if delay:
                await asyncio.sleep(came + delay - self._loop.time())
            if gather and not ended:
                until = self._loop.time() + gather
                while (left := until - self._loop.time()) > 0 and not ended:
                    try:
                        async with asyncio.timeout(left):
                            _, more = await waiting.get()
                    except TimeoutError:
                        break
                    data += more
                    ended = not more
            pieces = itertools.chain(course.feed(data), course.end() if ended else ())
            for piece in pieces if going else ():
                going = await self._send(sink, piece, rate)
                if not going:
                    break
            if ended:
                if going:
                    with suppress(OSError):  # gone already
                        sink.shutdown(socket.SHUT_WR)
                return

    async def _send(self, sink: socket.socket, piece: Piece, rate: float) -> bool:
        """Send a piece, and see it arrive by itself; say whether more may follow."""
        if rate:
            size = max(int(rate * _TICK), 1)
            for start in range(0, len(piece.data), size):
                part = piece.data[start : start + size]
                await self._loop.sock_sendall(sink, part)
                await asyncio.sleep(len(part) / rate)
        else:
            await self._loop.sock_sendall(sink, piece.data)
        if piece.cut or piece.then:
            await taken(sink, self._patience)
        return await self._happen(piece.then, sink)

    async def _happen(self, fault: Stall | HalfClose | Reset | None, sink: socket.socket) -> bool:
        match fault:
            case Reset():
                raise ConnectionResetError("as planned")
            case HalfClose():
                with suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return False
            case Stall(seconds=None):
                await asyncio.Event().wait()
            case Stall(seconds=float() | int() as seconds):
                await asyncio.sleep(seconds)
            case _:
                pass
        return True


async def _both(reading: Coroutine[Any, Any, None], writing: Coroutine[Any, Any, None]) -> None:
    """Run both until the writer is done, or one fails."""
    reader, writer = asyncio.ensure_future(reading), asyncio.ensure_future(writing)
    try:
        await asyncio.wait((reader, writer), return_when=asyncio.FIRST_EXCEPTION)
        for task in (reader, writer):
            if task.done():
                task.result()
        await writer
    finally:
        reader.cancel()
        writer.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)


def _reset(sock: socket.socket) -> None:
    """Close a socket so that the other end sees a reset."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
