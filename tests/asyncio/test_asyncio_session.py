"""Tests of sessions in asyncio, but for what the conformance suite tests on every flavour."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest

from mezha import ClosedByPeer, ClosedByUs, Limits, LocalProtocolError, MessageDropped, RequestFailed, Timeouts
from mezha.asyncio import Opening, Peer, Server, connect, listen, serve, wrap
from mezha.engine import State
from mezha.framing import Lines
from mezha.session import Code
from mezha.testing.pairs import asyncio_pair


def _serve(handler: Any, **options: Any) -> Opening[Server]:
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


# -- a bare connection ------------------------------------------------------------------------------------------------


async def test_a_bare_connection_has_none_of_this() -> None:
    async with asyncio_pair(Lines()) as (peer, _):
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


# -- sending and receiving --------------------------------------------------------------------------------------------


async def test_try_send_never_waits() -> None:
    for framing in (None, Lines()):
        async with asyncio_pair(framing, limits=Limits(outbox=10_000)) as (peer, other):
            sent = 0
            while peer.try_send(b"x" * 5000):
                sent += 1
            assert sent > 1
            assert not peer.try_send(bytearray(b"y"))
            got = [await other.recv() for _ in range(sent)]
            assert got == [b"x" * 5000] * sent
            while not peer.try_send(b"y"):  # noqa: ASYNC110 - there is room when the other side has taken some
                await asyncio.sleep(0.001)
            assert await other.recv() == b"y"
            with pytest.raises(LocalProtocolError):
                peer.try_send(bytes(2 << 20))
            await asyncio.gather(peer.close(), other.close())
            with pytest.raises(ClosedByUs):
                peer.try_send(b"z")


class _Reader:
    """What can be read with ``await``, as files of other libraries can."""

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
    async with asyncio_pair(None) as (peer, other):
        for source in sources:
            sending = asyncio.create_task(peer.send_stream(source))
            assert await other.recv() == whole
            await sending
        with pytest.raises(TypeError, match="encode it first"):
            await peer.send_stream(["text"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        await peer.send(b"unharmed")
        assert await other.recv() == b"unharmed"


async def test_a_stream_is_read_like_a_file() -> None:
    async with asyncio_pair(None) as (peer, other):
        await peer.send_stream([b"0123456789" * 10])
        await peer.send(b"next")
        async with other.recv_stream() as stream:
            assert await stream.read(0) == b""
            assert await stream.read(7) == b"0123456"
            assert await stream.read(1) == b"7"
            assert stream.received == 100
            assert await stream.read() == (b"0123456789" * 10)[8:]
            assert await stream.read() == b""
            assert [piece async for piece in stream] == []
        assert await other.recv() == b"next"


async def test_a_stream_that_is_cancelled_is_no_message() -> None:
    began = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 50_000
            began.set()

    async with asyncio_pair(None, limits=Limits(max_message=1 << 40)) as (peer, other):
        sending = asyncio.create_task(peer.send_stream(endless()))
        await began.wait()
        async with other.recv_stream() as stream:
            assert await anext(aiter(stream))
            sending.cancel()
            with pytest.raises(MessageDropped, match="cancelled") as dropped:
                await stream.read()
            assert dropped.value.code == Code.CANCELLED
        await peer.send(b"unharmed")
        assert await other.recv() == b"unharmed"


async def test_while_a_stream_is_open_nothing_else_is_received() -> None:
    async with asyncio_pair(None) as (peer, other):
        await peer.send_many([b"one", b"two"])
        async with other.recv_stream():
            with pytest.raises(LocalProtocolError, match="stream"):
                await other.recv()
            with pytest.raises(LocalProtocolError, match="stream"):
                await other.recv_stream().__aenter__()
        assert await other.recv() == b"two"


async def test_detach_would_leave_the_other_side_alone() -> None:
    async with asyncio_pair(None) as (peer, other):
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
        (record,) = (record for record in caplog.records if record.name == "mezha.asyncio")
        assert record.getMessage() == f"{client.local_address}: a handler failed"
        assert vars(record)["peer"] == client.local_address
        assert record.exc_info
        assert "secret" in str(record.exc_info[1])


async def test_a_request_that_nobody_waits_for_leaves_no_trace() -> None:
    async def answer(_: Peer, body: bytes) -> bytes:
        await asyncio.sleep(0)
        return body

    async with _serve(None, answer=answer) as server, _connect(server) as client:
        for steps in range(20):
            asking = asyncio.create_task(client.request(b"%d" % steps))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                assert await asking == b"%d" % steps
        assert await client.request(b"last") == b"last"


# -- a server that stops ----------------------------------------------------------------------------------------------


async def test_a_server_that_stops_says_so() -> None:
    async with _serve(_echo) as server, _connect(server) as client:
        await client.send(b"Hello!")
        assert await client.recv() == b"Hello!"
        stopping = asyncio.create_task(server.stop())
        assert await _ended(client) == (Code.GOING_AWAY, "the server stops")
        async with asyncio.timeout(5):  # its notice period is longer, and nobody uses it
            await stopping
    assert client.ending is not None
    assert (client.ending.how, client.ending.code, client.ending.by_peer) == ("closed", Code.GOING_AWAY, True)


async def test_a_server_that_stops_lets_its_handlers_finish() -> None:
    here, go_on = asyncio.Event(), asyncio.Event()

    async def handler(peer: Peer) -> None:
        async for message in peer:
            here.set()
            await go_on.wait()
            await peer.send(message.upper())

    async with _serve(handler) as server, _connect(server) as client:
        await client.send_many([b"one", b"two"])
        await here.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.01)
        assert not stopping.done()
        go_on.set()
        assert [await client.recv(), await client.recv()] == [b"ONE", b"TWO"]
        assert await _ended(client) == (Code.GOING_AWAY, "the server stops")
        await stopping


async def test_a_handler_that_returns_in_a_server_that_stops_says_why() -> None:
    here, go_on = asyncio.Event(), asyncio.Event()

    async def handler(_: Peer) -> None:
        here.set()
        await go_on.wait()

    async with _serve(handler) as server, _connect(server) as client:
        await here.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        go_on.set()
        assert await _ended(client) == (Code.GOING_AWAY, "the server stops")
        await stopping


async def test_a_server_that_stops_answers_what_it_was_asked() -> None:
    here, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_: Peer, body: bytes) -> bytes:
        here.set()
        await go_on.wait()
        return body.upper()

    async with _serve(None, answer=answer) as server, _connect(server) as client:
        asking = asyncio.create_task(client.request(b"before"))
        await here.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        with pytest.raises(RequestFailed, match="the server stops") as refused:
            await client.request(b"after")
        assert refused.value.code == Code.GOING_AWAY
        go_on.set()
        assert await asking == b"BEFORE"
        assert await _ended(client) == (Code.GOING_AWAY, "the server stops")
        await stopping


async def test_at_the_end_of_the_notice_period_all_are_told() -> None:
    here = asyncio.Event()

    async def handler(peer: Peer) -> None:
        here.set()
        while peer.state is State.OPEN:  # noqa: ASYNC110 - it does not receive
            await asyncio.sleep(0.001)

    async with _serve(handler) as server, _connect(server) as client:
        await here.wait()
        stopping = asyncio.create_task(server.stop(timeout=0.01))
        assert await _ended(client) == (Code.GOING_AWAY, "the server stops")
        await stopping


async def test_a_server_for_requests_refuses_messages() -> None:
    async with _serve(None, answer=_shout) as server, _connect(server) as client:
        assert await client.request(b"Hello!") == b"HELLO!"
        await client.send(b"Hello!")
        code, reason = await _ended(client)
        assert (code, reason) == (Code.REFUSED, "messages are not taken here, only requests")


# -- the end ----------------------------------------------------------------------------------------------------------


async def test_a_peer_that_says_no_goodbye_is_waited_for_no_longer_than_said() -> None:
    one, other = socket.socketpair()
    with other:
        async with wrap(one, timeouts=Timeouts(close=0.05)) as peer:
            began = time.monotonic()
            ending = await peer.close()
            assert ending is not None
            assert ending.how == "unanswered"
            assert 0.04 < time.monotonic() - began < 2
            assert await peer.close() == ending


async def test_a_close_that_is_cancelled_cuts() -> None:
    async with asyncio_pair(None) as (peer, other):
        await peer.send(b"never taken")
        closing = asyncio.create_task(peer.close())
        for _ in range(3):
            await asyncio.sleep(0)
        assert not closing.done()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert await other.recv() == b"never taken"
