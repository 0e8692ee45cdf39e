"""A TCP proxy that does to each connection what a plan says: in a thread of its own, for clients of any kind."""

import asyncio
import itertools
import json
import os
import socket
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mezha.framing import Framing
from mezha.serving import PAUSE
from mezha.sockets import (
    RETRY,
    StrPath,
    address_name,
    bind_tcp,
    bind_unix,
    close_listening,
    connect_unix,
    require_place,
    reset_at_close,
    tune,
)
from mezha.testing.chaos.course import Course
from mezha.testing.chaos.faults import Fault, Plan
from mezha.testing.chaos.record import as_json, recorded
from mezha.testing.chaos.way import carry_both

__all__ = ["Chaos"]

#: Connections that wait in the system until they are accepted.
_BACKLOG = 1000
#: Seconds to wait until a receiver has taken a piece: it may be busy, and cannot be made to read.
_PATIENCE = 0.25


class Chaos:
    r"""A proxy in front of ``host`` and ``port`` in which every connection meets the faults that you name.

    ``up`` is what happens on the way from the client to the server, ``down`` what happens on the way back. Use it in a
    ``with`` block, and connect to ``address`` instead::

        with Chaos("localhost", port, up=[CutEvery(1)]) as proxy:
            client = socket.create_connection(proxy.address)

    ``unix`` is the path of a server that listens on a Unix socket; ``listen`` is where the proxy does, a host and a
    port, or a path.

    Everything random comes from ``seed``. What was done is in ``plans``, a :class:`Plan` for each connection, in which
    every cut stands at its place; given as ``plans=``, they are done again exactly, to the connections in their order.
    An exception that leaves the block gets them as a note.

    A cut is real where the receiver waits for bytes: the next piece is sent when the last one has been taken (on Linux,
    with both ends on this machine; elsewhere a few milliseconds later). A receiver that is busy for longer than
    ``patience`` seconds finds both together: nobody can make it read.

    ``framing`` is for faults that count messages. A message is held back until it is whole, then. Beside that, about
    2 MiB wait on each way at most: a receiver that stands still slows the sender down.

    Raises:
        TypeError: neither a port nor ``unix``, or both.
        ValueError: a fault counts messages, and there is no framing.

    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        unix: StrPath | None = None,
        up: Iterable[Fault] = (),
        down: Iterable[Fault] = (),
        framing: Framing | None = None,
        seed: int = 0,
        plans: Sequence[Plan] | None = None,
        listen: tuple[str | None, int] | StrPath = ("127.0.0.1", 0),
        patience: float = _PATIENCE,
    ) -> None:
        require_place(host, port, unix)
        self._place = (host or "localhost", port or 0)
        self._unix = unix
        self._plan = Plan(up, down)
        self._given = plans
        self._framing = framing
        self._patience = patience
        self.seed = seed
        self._listen = listen
        self._numbers = itertools.count()
        self._done: list[tuple[Plan, dict[str, Course]]] = []
        self._faults: list[BaseException] = []
        self._addresses: list[object] = []
        self._stopping: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread
        #: Connections that the target did not take, and why.
        self.refused: list[str] = []
        for plan in (self._plan, *(plans or ())):
            for _, faults in plan.sides():
                Course(faults, seed, framing)

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect: host and port.

        Raises:
            ValueError: it listens on a Unix socket, or was not started.

        """
        match self._addresses:
            case [(str(host), int(port), *_), *_]:
                return host, port
        raise ValueError("it listens on a Unix socket, or was not started")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, as people write it: a host may have several addresses."""
        return tuple(map(address_name, self._addresses))

    @property
    def plans(self) -> list[Plan]:
        """What has been done to each connection so far; to be repeated with ``plans=``."""
        return [recorded(plan, courses) for plan, courses in self._done]

    def record(self, path: str | Path) -> None:
        """Write ``plans`` to a file, one connection a line, as JSON; ``read_plans`` reads it."""
        lines = (json.dumps(as_json(plan)) for plan in self.plans)
        Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def __enter__(self) -> Self:
        if isinstance(self._listen, tuple):
            places = socket.getaddrinfo(*self._listen, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            listening = bind_tcp(places, backlog=_BACKLOG)
        else:
            listening = bind_unix(self._listen, backlog=_BACKLOG)
        self._addresses = [sock.getsockname() for sock in listening]
        self._stopping = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="mezha chaos", daemon=True)
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
        return f"<mezha.testing.Chaos to {self._target}, seed {self.seed}, {self._plan}>"

    @property
    def _target(self) -> str:
        return address_name(self._place if self._unix is None else os.fspath(self._unix))

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _run(self, listening: Sequence[socket.socket]) -> None:
        try:
            self._loop.run_until_complete(self._serve(listening))
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())  # which has looked up names
            self._loop.close()
            close_listening(listening)

    async def _serve(self, listening: Sequence[socket.socket]) -> None:
        tasks: set[asyncio.Task[None]] = set()
        for sock in listening:
            sock.setblocking(False)
            tasks.add(asyncio.ensure_future(self._accept(sock, tasks)))
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket, tasks: set[asyncio.Task[None]]) -> None:
        while True:
            try:
                client, _ = await self._loop.sock_accept(listener)
            except OSError:  # for want of file descriptors, say: whoever waits is taken when there are some again
                await asyncio.sleep(PAUSE)
                continue
            task = asyncio.ensure_future(self._connect(client))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
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
        up, down = ((faults, courses[name]) for name, faults in plan.sides())
        with client:
            client.setblocking(False)
            tune(client)
            try:
                server = await self._reach()
            except (OSError, UnicodeError) as error:  # a name may be none
                self.refused.append(f"{self._target}: {error}")
                _reset(client)
                return
            with server:
                tune(server)
                try:
                    await carry_both(client, server, up, down, patience=self._patience)
                except* OSError:  # both ends shall see it
                    _reset(client)
                    _reset(server)

    async def _reach(self) -> socket.socket:
        """Connect to the target.

        Raises:
            OSError: none of its addresses takes the connection.

        """
        if self._unix is not None:
            while (sock := connect_unix(self._unix)) is None:  # noqa: ASYNC110 - nobody says when there is room
                await asyncio.sleep(RETRY)
            return sock
        failure: OSError = OSError("no address")
        for family, kind, proto, _, address in await self._loop.getaddrinfo(*self._place, type=socket.SOCK_STREAM):
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
                return server
        raise failure


def _reset(sock: socket.socket) -> None:
    """Close a socket so that the other end sees a reset."""
    reset_at_close(sock)
    sock.close()
