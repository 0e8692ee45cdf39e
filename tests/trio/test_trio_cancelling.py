"""Every call of the trio flavour, cancelled at each of its steps: it did all or nothing, and nothing is left of it."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import trio
from trio_pairs import FRAMING, PAIRS, rude_pair, socket_pair, tls_pair

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, MezhaError
from mezha.engine import State
from mezha.testing.conformance import certificates
from mezha.trio import Peer, connect, listen, serve, wrap

SMALL = Limits(outbox=2000)

every_pair = pytest.mark.parametrize("pair", PAIRS)


class Attempt(trio.abc.Instrument):
    """A block that is cancelled at a certain step of its task: when it begins to wait, or when it is woken already."""

    def __init__(self, moment: int, *, woken: bool) -> None:
        self._moment = moment
        self._woken = woken
        self._steps = 0
        self._task: trio.lowlevel.Task | None = None
        self._scope = trio.CancelScope()
        #: The block has come to its end.
        self.completed = False

    def __enter__(self) -> Self:
        self._task = trio.lowlevel.current_task()
        self._scope.__enter__()
        if self._moment == 0:
            self._scope.cancel()
        trio.lowlevel.add_instrument(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        trio.lowlevel.remove_instrument(self)
        self.completed = error is None
        return bool(self._scope.__exit__(kind, error, traceback))

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task and self._woken and self._steps == self._moment:
            self._scope.cancel()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._steps += 1
            if not self._woken and self._steps == self._moment:
                self._scope.cancel()


def attempts() -> Iterator[Attempt]:
    """Cancel at each step in turn, until the block comes to its end before."""
    for woken in (False, True):
        for moment in range(1000):
            attempt = Attempt(moment, woken=woken)
            yield attempt
            if attempt.completed:
                assert moment, "it cannot be cancelled"
                break
        else:
            raise AssertionError("it has no end")


async def _read_all(peer: Peer, got: list[bytes]) -> None:
    """Begin after a while, and read to the end."""
    await _steps(10)
    got += [message async for message in peer]


async def _steps(count: int) -> None:
    for _ in range(count):
        await trio.lowlevel.checkpoint()


# -- receiving --------------------------------------------------------------------------------------------------------


async def _recv(peer: Peer, got: list[bytes]) -> None:
    got.append(await peer.recv())


async def _recv_many(peer: Peer, got: list[bytes]) -> None:
    got += await peer.recv_many()


async def _next(peer: Peer, got: list[bytes]) -> None:
    got.append(await anext(aiter(peer)))


@every_pair
@pytest.mark.parametrize("receive", [_recv, _recv_many, _next])
async def test_recv_loses_nothing(pair: Any, receive: Callable[[Peer, list[bytes]], Awaitable[None]]) -> None:
    sent = [b"1", b"2" * 30_000, b"3"]
    for attempt in attempts():
        async with pair(timeouts=None) as (peer, far), trio.open_nursery() as nursery:
            got: list[bytes] = []
            nursery.start_soon(far.send_many, sent)
            with attempt:
                while len(got) < len(sent):
                    await receive(peer, got)
            while len(got) < len(sent):
                await receive(peer, got)
            assert got == sent


# -- sending ----------------------------------------------------------------------------------------------------------


@every_pair
@pytest.mark.parametrize("size", [10, 3000, 200_000])
@pytest.mark.parametrize("before", [0, 1000, 1_000_000])
async def test_send_is_all_or_nothing(pair: Any, size: int, before: int) -> None:
    """Also behind much else, while the other side begins to read at some moment."""
    filling = [b"x" * before] if before else []
    for attempt in attempts():
        got: list[bytes] = []
        sent: list[bytes] = []
        async with pair(limits=SMALL) as (peer, far), trio.open_nursery() as nursery:
            nursery.start_soon(_read_all, far, got)
            await peer.send_many(filling)
            with attempt:
                for number in range(3):
                    await peer.send(b"%d" % number * size)
                    sent.append(b"%d" % number * size)
            await peer.send(b"last")
            await peer.close()
        assert got == [*filling, *sent, b"last"]


@every_pair
async def test_send_many_sends_the_first_few(pair: Any) -> None:
    messages = [b"%d" % number * 500 for number in range(30)]
    for attempt in attempts():
        got: list[bytes] = []
        async with pair(limits=SMALL) as (peer, far), trio.open_nursery() as nursery:
            nursery.start_soon(_read_all, far, got)
            with attempt:
                await peer.send_many(messages)
            await peer.send(b"last")
            await peer.close()
        assert got.pop() == b"last"
        assert got == messages[: len(got)]
        assert len(got) == len(messages) or not attempt.completed


@pytest.mark.parametrize("pair", [socket_pair])
async def test_send_eof_is_all_or_nothing(pair: Any) -> None:
    filling = b"x" * 1_000_000
    for attempt in attempts():
        async with pair(limits=SMALL) as (peer, far), trio.open_nursery() as nursery:
            got: list[bytes] = []
            await peer.send(filling)
            nursery.start_soon(_read_all, far, got)
            with attempt:
                await peer.send_eof()
            if not attempt.completed:
                assert peer.state is State.OPEN
                await peer.send(b"more")
                await peer.send_eof()
        assert got == [filling] + [b"more"] * (not attempt.completed)


# -- the end ----------------------------------------------------------------------------------------------------------


@every_pair
async def test_close_cuts_what_it_cannot_finish(pair: Any) -> None:
    large = b"x" * 1_000_000
    for attempt in attempts():
        async with pair() as (peer, far), trio.open_nursery() as nursery:
            ends: list[object] = []

            async def read() -> None:
                await _steps(10)
                try:
                    while True:
                        ends.append(await far.recv())  # noqa: B023 - called at once
                except MezhaError as error:
                    ends.append(type(error))  # noqa: B023

            nursery.start_soon(read)
            await peer.send(large)
            with attempt:
                await peer.close()
            assert peer.state is State.CLOSED
            with pytest.raises(ClosedByUs):
                await peer.recv()
            await peer.close()
        if attempt.completed:
            assert ends == [large, ClosedByPeer]
        else:
            assert ends in ([large, ends[-1]], ends[-1:])


@pytest.mark.parametrize("pair", [socket_pair, tls_pair, rude_pair])
@pytest.mark.parametrize("unread", [True, False])
async def test_detach_is_all_or_nothing(pair: Any, unread: bool) -> None:
    """Also while the connection still reads for somebody who has given up."""
    for attempt in attempts():
        async with pair(limits=SMALL) as (peer, far):
            stream: trio.abc.Stream | None = None
            await far.send(b"one")
            assert await peer.recv() == b"one"
            if unread:
                await far.send(b"two")
            else:
                with trio.move_on_after(0.001):
                    await peer.recv()
            await peer.send(b"three" * 1000)
            await peer.send(b"four")
            with attempt:
                stream, received = await peer.detach()
                assert b"\0\0\0\3two".startswith(received)
            assert await far.recv() == b"three" * 1000
            assert await far.recv() == b"four"
            if stream is None:
                if unread:
                    assert await peer.recv() == b"two"
                await peer.send(b"five")
            else:
                await stream.send_all(b"\0\0\0\4five")
                with pytest.raises(ClosedByUs):
                    await peer.recv()
            assert await far.recv() == b"five"
            if stream is not None:
                await trio.aclose_forcefully(stream)


# -- opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
async def test_connect_leaves_nothing(tls: bool) -> None:
    """Whoever was connected sees that the other side has gone."""
    context = certificates.server() if tls else None
    client = certificates.client() if tls else None

    async def echo(peer: Peer) -> None:
        async for message in peer:
            await peer.send(message)

    for attempt in attempts():
        async with serve(echo, "127.0.0.1", 0, framing=FRAMING, tls=context) as server:
            with attempt:
                async with connect("127.0.0.1", server.port, framing=FRAMING, tls=client) as peer:
                    await peer.send(b"Hello!")
                    assert await peer.recv() == b"Hello!"
            while server.connections:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.001)


async def test_listen_leaves_nothing(tmp_path: Path) -> None:
    for attempt in attempts():
        path = tmp_path / "x.sock"
        with attempt:
            async with listen(unix=path, framing=FRAMING):
                await trio.lowlevel.checkpoint()
        assert not path.exists()


async def test_wrap_leaves_what_it_did_not_take() -> None:
    for attempt in attempts():
        one, other = trio.socket.socketpair()
        with one, other:
            peer: Peer | None = None
            with attempt:
                peer = await wrap(one, FRAMING)
            assert (peer is None) == (one.fileno() >= 0)
            if peer is not None:
                await peer.close()


@pytest.mark.parametrize("tls", [False, True])
async def test_accept_loses_nobody_but_in_the_handshake(tls: bool) -> None:
    context = certificates.server() if tls else None
    client = certificates.client() if tls else None
    outcomes: list[object] = []

    async def come(port: int) -> None:
        try:
            async with connect("127.0.0.1", port, framing=FRAMING, tls=client) as peer:
                outcomes.append(await peer.recv())
        except (OSError, ConnectionLost) as error:
            outcomes.append(type(error))

    for attempt in attempts():
        outcomes.clear()
        async with listen("127.0.0.1", 0, framing=FRAMING, tls=context) as listener, trio.open_nursery() as nursery:
            nursery.start_soon(come, listener.port)
            peer: Peer | None = None
            with attempt:
                peer = await listener.accept()
            if peer is None and not tls:
                peer = await listener.accept()
            if peer is not None:
                async with peer:
                    await peer.send(b"welcome")
            else:
                listener.close()
        assert outcomes == [b"welcome"] or (tls and not attempt.completed)


# -- servers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
async def test_a_server_leaves_nothing(tls: bool) -> None:
    """However far its handlers are, and however it is stopping."""
    context = certificates.server() if tls else None
    client = certificates.client() if tls else None
    ended = 0

    async def echo(peer: Peer) -> None:
        nonlocal ended
        try:
            async for message in peer:
                await peer.send(message)
        finally:
            ended += 1

    for attempt in attempts():
        begun, ended = 0, 0
        with attempt:
            async with serve(echo, "127.0.0.1", 0, framing=FRAMING, tls=context) as server:
                async with connect("127.0.0.1", server.port, framing=FRAMING, tls=client) as peer:
                    await peer.send(b"Hello!")
                    assert await peer.recv() == b"Hello!"
                    begun = 1
                    await server.stop(timeout=0)
                await server.wait_closed()
        assert ended >= begun
