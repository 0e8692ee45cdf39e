"""Tests of sessions in trio, but for what the conformance suite tests on every flavour."""

import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import pytest
import trio
import trio.testing
from trio_pairs import Calls, Rude, tls_streams

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    HandshakeError,
    Limits,
    LocalProtocolError,
    MessageDropped,
    RequestFailed,
    Timeouts,
)
from mezha.framing import Lines
from mezha.session import Code
from mezha.testing.trio_pairs import trio_pair
from mezha.trio import Opening, Peer, Server, Serving, connect, listen, serve, wrap


def _serve(handler: Any, **options: Any) -> Serving:
    return serve(handler, "127.0.0.1", 0, **options)


def _connect(server: Server, **options: Any) -> Opening[Peer]:
    return connect("127.0.0.1", server.port, **options)


async def _echo(peer: Peer) -> None:
    async for message in peer:
        await peer.send(message)


async def _shout(_: Peer, body: bytes) -> bytes:
    return body.upper()


async def _ended(peer: Peer) -> tuple[int, str]:
    """Wait for the goodbye of the peer; return its code and reason."""
    try:
        while True:
            await peer.recv()
    except ClosedByPeer as closed:
        return closed.code, closed.reason


@asynccontextmanager
async def _meanwhile(call: Callable[[], Awaitable[object]]) -> AsyncGenerator[Calls]:
    """Make a call beside the block, and see it end without an error."""
    async with trio.open_nursery() as nursery:
        calls = Calls(nursery)
        calls.start(call)
        yield calls
        await calls.finished()
    assert not calls.results(Exception)


# -- a bare connection ------------------------------------------------------------------------------------------------


async def test_a_bare_connection_has_none_of_this() -> None:
    async with trio_pair(Lines()) as (peer, _):
        for call in (peer.request(b""), peer.ping(), peer.send_stream([b""])):
            with pytest.raises(LocalProtocolError, match="leave framing= out on both sides"):
                await call
        for verb in (peer.recv_stream, peer.retire, peer.dismiss):
            with pytest.raises(LocalProtocolError, match="bare framing"):
                verb()
        assert peer.ending is None
        assert await peer.close(300, "nobody hears of it") is None


async def test_nobody_answers_on_a_bare_connection() -> None:
    for opening in (connect, listen):
        with pytest.raises(TypeError, match="leave framing= out"):
            opening("localhost", 1, framing=Lines(), answer=_shout)
    with pytest.raises(TypeError, match=r"give a handler for its messages, or answer="):
        _serve(None)
    with pytest.raises(TypeError, match="leave framing= out"):
        _serve(_echo, framing=Lines(), answer=_shout)


# -- any stream -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "rude", "tls"])
async def test_it_speaks_over_streams_of_others(kind: str) -> None:
    one: trio.abc.Stream
    other: trio.abc.Stream
    if kind == "memory":
        one, other = trio.testing.lockstep_stream_pair()
    elif kind == "rude":
        one, other = map(Rude, map(trio.SocketStream, trio.socket.socketpair()))
    else:
        one, other = await tls_streams(*trio.testing.memory_stream_pair())
    async with wrap(one, answer=_shout) as peer, wrap(other) as far:
        large = b"x" * 300_000
        async with _meanwhile(lambda: peer.send_many([b"small", large])):
            assert [await far.recv(), await far.recv()] == [b"small", large]
        assert await far.request(b"Hello!") == b"HELLO!"
        assert await peer.ping() >= 0
        async with _meanwhile(far.close):
            assert await _ended(peer) == (0, "")


async def test_a_stream_of_others_that_breaks_ends_every_wait() -> None:
    one, other = trio.testing.lockstep_stream_pair()
    async with wrap(one) as peer, trio.open_nursery() as nursery:
        calls = Calls(nursery)
        calls.start(lambda: peer.request(b"anybody?"))
        calls.start(peer.recv)
        await trio.testing.wait_all_tasks_blocked()
        await trio.aclose_forcefully(other)
        await calls.finished()
        assert [type(outcome) for outcome in calls.outcomes] == [ConnectionLost] * 2


# -- in virtual time --------------------------------------------------------------------------------------------------


async def test_a_peer_that_answers_no_ping_is_given_up(clock: trio.testing.MockClock) -> None:
    one, other = trio.testing.memory_stream_pair()
    async with wrap(one) as peer, wrap(other) as far:
        assert await peer.ping() == 0
        await trio.sleep(1000)  # both answer
        far._driver.cut()  # pyright: ignore[reportPrivateUsage]
        await far.close()

    one, silent = trio.testing.memory_stream_pair()
    async with wrap(one, timeouts=Timeouts(heartbeat=30.0, close=1.0)) as peer, wrap(silent) as far:
        assert await peer.ping() == 0
        silent.receive_stream.receive_some_hook = trio.sleep_forever  # it hears nothing any more
        far._driver.reader._scope.cancel()  # type: ignore[union-attr]  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
        began = trio.current_time()
        with pytest.raises(ConnectionLost, match=r"silent for 60 s"):
            await peer.recv()
        assert trio.current_time() - began == pytest.approx(60, abs=1)


async def test_a_peer_that_says_no_hello_is_given_up(clock: trio.testing.MockClock) -> None:
    one, _ = trio.testing.memory_stream_pair()
    async with wrap(one) as peer:
        began = trio.current_time()
        with pytest.raises(HandshakeError, match="has sent nothing"):
            await peer.recv()
        assert trio.current_time() - began == pytest.approx(10)


async def test_a_goodbye_that_is_not_answered_is_waited_for_as_long_as_said(clock: trio.testing.MockClock) -> None:
    one, _ = trio.testing.memory_stream_pair()
    async with wrap(one, timeouts=Timeouts(handshake=None, close=7.0)) as peer:
        began = trio.current_time()
        ending = await peer.close()
        assert ending is not None
        assert ending.how == "unanswered"
        assert trio.current_time() - began == pytest.approx(7)
        assert await peer.close() == ending


# -- sending and receiving --------------------------------------------------------------------------------------------


async def test_try_send_never_waits() -> None:
    for framing in (None, Lines()):
        async with trio_pair(framing, limits=Limits(outbox=10_000)) as (peer, other):
            sent = 0
            while peer.try_send(b"x" * 5000):
                sent += 1
            assert sent > 1
            assert not peer.try_send(bytearray(b"y"))
            assert [await other.recv() for _ in range(sent)] == [b"x" * 5000] * sent
            while not peer.try_send(b"y"):  # noqa: ASYNC110 - there is room when the other side has taken some
                await trio.sleep(0.001)
            assert await other.recv() == b"y"
            with pytest.raises(LocalProtocolError):
                peer.try_send(bytes(2 << 20))
            peer.abort()
            with pytest.raises(ClosedByUs):
                peer.try_send(b"z")


class _Reader:
    """What can be read with ``await``, as files of trio can."""

    def __init__(self, data: bytes) -> None:
        self._file = BytesIO(data)

    async def read(self, size: int) -> bytes:
        return self._file.read(size)


async def test_a_stream_may_come_from_anywhere() -> None:
    whole = bytes(range(256)) * 700

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 9999):
            yield whole[start : start + 9999]

    sources: list[Any] = [BytesIO(whole), _Reader(whole), pieces(), [whole, b""], whole, bytearray(whole)]
    async with trio_pair() as (peer, other):
        for source in sources:
            async with _meanwhile(lambda: peer.send_stream(source)):  # noqa: B023 - called at once
                assert await other.recv() == whole
        with pytest.raises(TypeError, match="encode it first"):
            await peer.send_stream(["text"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        await peer.send(b"unharmed")
        assert await other.recv() == b"unharmed"


async def test_a_stream_is_read_like_a_file() -> None:
    async with trio_pair() as (peer, other):
        await peer.send_stream([b"0123456789" * 10])
        await peer.send(b"next")
        async with other.recv_stream() as stream:
            assert await stream.read(0) == b""
            assert await stream.read(7) == b"0123456"
            assert stream.received == 100
            assert await stream.read() == (b"0123456789" * 10)[7:]
            assert [piece async for piece in stream] == []
        assert await other.recv() == b"next"


async def test_a_stream_that_is_cancelled_is_no_message() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 50_000

    async with trio_pair(limits=Limits(max_message=1 << 40)) as (peer, other), trio.open_nursery() as nursery:
        nursery.start_soon(peer.send_stream, endless())
        async with other.recv_stream() as stream:
            assert await anext(aiter(stream))
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True), pytest.raises(MessageDropped, match="cancelled") as dropped:
                await stream.read()
            assert dropped.value.code == Code.CANCELLED


async def test_detach_would_leave_the_other_side_alone() -> None:
    async with trio_pair() as (peer, other):
        with pytest.raises(LocalProtocolError, match="cannot be detached"):
            await peer.detach()
        await peer.send(b"unharmed")
        assert await other.recv() == b"unharmed"


# -- requests ---------------------------------------------------------------------------------------------------------


async def test_whoever_answers_may_close(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(peer: Peer, _: bytes) -> bytes:
        await peer.close(300, "not with you")
        return b"too late"

    async with _serve(None, answer=answer) as server, _connect(server) as client:
        with pytest.raises(ClosedByPeer, match="not with you"):
            await client.request(b"please")
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_a_handler_that_fails_is_logged_with_its_peer(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(_: Peer, __: bytes) -> bytes:
        raise RuntimeError("secret")

    async with _serve(None, answer=answer) as server, _connect(server) as client:
        with pytest.raises(RequestFailed, match=r"^the handler failed$"):
            await client.request(b"please")
        (record,) = (record for record in caplog.records if record.name == "mezha.trio")
        assert record.getMessage() == f"{client.local_address}: a handler failed"
        assert vars(record)["peer"] == client.local_address


async def test_a_request_is_a_place_to_be_cancelled() -> None:
    async with _serve(None, answer=_shout) as server, _connect(server) as client:
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.request(b"never asked")
        assert scope.cancelled_caught
        assert client.stats.requests_sent == 0
        assert await client.request(b"last") == b"LAST"


# -- a server that stops ----------------------------------------------------------------------------------------------


async def test_a_server_that_stops_says_so(clock: trio.testing.MockClock) -> None:
    async with _serve(_echo) as server, _connect(server) as client:
        await client.send(b"Hello!")
        assert await client.recv() == b"Hello!"
        began = trio.current_time()
        async with _meanwhile(server.stop):
            assert await _ended(client) == (Code.GOING_AWAY, "the server stops")
        assert trio.current_time() - began < 1  # its notice period is longer, and nobody uses it
    assert client.ending is not None
    assert (client.ending.how, client.ending.code, client.ending.by_peer) == ("closed", Code.GOING_AWAY, True)


async def test_a_server_that_stops_lets_its_handlers_finish() -> None:
    here, go_on = trio.Event(), trio.Event()

    async def handler(peer: Peer) -> None:
        async for message in peer:
            here.set()
            await go_on.wait()
            await peer.send(message.upper())

    async with _serve(handler) as server, _connect(server) as client:
        await client.send_many([b"one", b"two"])
        await here.wait()
        async with _meanwhile(server.stop):
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
            assert [await client.recv(), await client.recv()] == [b"ONE", b"TWO"]
            assert await _ended(client) == (Code.GOING_AWAY, "the server stops")


async def test_a_handler_that_returns_in_a_server_that_stops_says_why() -> None:
    here, go_on = trio.Event(), trio.Event()

    async def handler(_: Peer) -> None:
        here.set()
        await go_on.wait()

    async with _serve(handler) as server, _connect(server) as client:
        await here.wait()
        async with _meanwhile(server.stop):
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
            assert await _ended(client) == (Code.GOING_AWAY, "the server stops")


async def test_a_server_that_stops_answers_what_it_was_asked() -> None:
    here, go_on = trio.Event(), trio.Event()

    async def answer(_: Peer, body: bytes) -> bytes:
        here.set()
        await go_on.wait()
        return body.upper()

    async with _serve(None, answer=answer) as server, _connect(server) as client:
        async with _meanwhile(lambda: client.request(b"before")) as asking:
            await here.wait()
            async with _meanwhile(server.stop):
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(RequestFailed, match="the server stops") as refused:
                    await client.request(b"after")
                assert refused.value.code == Code.GOING_AWAY
                go_on.set()
                assert await _ended(client) == (Code.GOING_AWAY, "the server stops")
        assert asking.outcomes == [b"BEFORE"]


async def test_at_the_end_of_the_notice_period_all_are_told(clock: trio.testing.MockClock) -> None:
    here = trio.Event()

    async def handler(_: Peer) -> None:
        here.set()
        await trio.sleep_forever()

    async with _serve(handler) as server, _connect(server) as client:
        await here.wait()
        async with _meanwhile(server.stop):
            assert await _ended(client) == (Code.GOING_AWAY, "the server stops")


async def test_a_server_for_requests_refuses_messages() -> None:
    async with _serve(None, answer=_shout) as server, _connect(server) as client:
        assert await client.request(b"Hello!") == b"HELLO!"
        await client.send(b"Hello!")
        assert await _ended(client) == (Code.REFUSED, "messages are not taken here, only requests")


# -- the end ----------------------------------------------------------------------------------------------------------


async def test_a_close_that_is_cancelled_cuts() -> None:
    one, other = socket.socketpair()
    with other:
        async with wrap(one) as peer:
            with trio.move_on_after(0.01) as scope:
                await peer.close()
            assert scope.cancelled_caught
            assert peer._driver.gone.is_set()  # pyright: ignore[reportPrivateUsage]
