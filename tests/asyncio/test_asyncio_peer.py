"""Tests of mezha.asyncio.peer, but for what the conformance suite tests on every flavour."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, LocalProtocolError, Timeouts, TruncatedMessage
from mezha.asyncio import Peer, connect, listen, wrap
from mezha.engine import State
from mezha.framing import LengthPrefixed, Lines, Skipping
from mezha.testing.conformance import certificates

RESET = b"\1\0\0\0\0\0\0\0"
#: More than the system takes from a sender nobody listens to.
LARGE = bytes(range(256)) * (16 << 12)
MUCH = Limits(max_message=len(LARGE))


def _tcp() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        return one, listening.accept()[0]


@asynccontextmanager
async def _pair(**options: Any) -> AsyncGenerator[tuple[Peer, Peer]]:
    one, other = _tcp()
    async with wrap(one, LengthPrefixed(), **options) as peer, wrap(other, LengthPrefixed(), **options) as far:
        yield peer, far


@asynccontextmanager
async def _tls_pair() -> AsyncGenerator[tuple[Peer, Peer]]:
    async with listen("localhost", 0, framing=Lines(), tls=certificates.server()) as listener:
        async with asyncio.TaskGroup() as group:
            accepting = group.create_task(listener.accept())
            client = await connect("localhost", listener.port, framing=Lines(), tls=certificates.client())
        async with client, accepting.result() as peer:
            yield client, peer


async def _read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await asyncio.get_running_loop().sock_recv(sock, size - len(data))
    return data


# -- what it is -------------------------------------------------------------------------------------------------------


async def test_addresses_and_repr_stay() -> None:
    one, other = _tcp()
    here, there = (f"{host}:{port}" for host, port in (one.getsockname(), one.getpeername()))
    async with wrap(one, Lines()) as peer:
        assert repr(peer) == f"<mezha.asyncio.Peer {here} -> {there}, open>"
        assert (peer.local_address, peer.remote_address) == (here, there)
    assert repr(peer) == f"<mezha.asyncio.Peer {here} -> {there}, closed>"
    assert (peer.local_address, peer.remote_address) == (here, there)
    other.close()


async def test_what_was_forgiven_is_counted() -> None:
    one, other = _tcp()
    async with wrap(one, Lines()) as peer, wrap(other, Skipping(Lines()), limits=Limits(max_message=3)) as far:
        await peer.send_many([b"three", b"one", b"seven", b"two"])
        assert (await far.recv(), await far.recv()) == (b"one", b"two")
        assert (far.forgiven, peer.forgiven) == (2, 0)


async def test_states_of_an_orderly_life() -> None:
    states: list[State] = []
    async with _pair() as (peer, far):
        states += (peer.state, far.state)
        await peer.send_eof()
        states += (peer.state, far.state)
        assert [message async for message in far] == []
        states += (peer.state, far.state)
        await far.send(b"last words")
        await far.send_eof()
        states += (peer.state, far.state)
        assert [message async for message in peer] == [b"last words"]
        states += (peer.state, far.state)
    assert states == [
        *(State.OPEN, State.OPEN),
        *(State.WE_ENDED, State.OPEN),
        *(State.WE_ENDED, State.PEER_ENDED),
        *(State.WE_ENDED, State.CLOSED),
        *(State.CLOSED, State.CLOSED),
    ]


async def test_states_of_a_life_cut_short() -> None:
    one, other = _tcp()
    async with wrap(one, Lines()) as peer:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        other.close()
        with pytest.raises(ConnectionLost):
            await peer.recv()
        assert peer.state.value == "failed"
    assert peer.state.value == "closed"


async def test_tls() -> None:
    async with _pair() as (peer, _):
        assert peer.tls is None
    async with _tls_pair() as (client, peer):
        assert client.tls
        assert peer.tls
        assert ("DNS", "localhost") in client.tls.getpeercert()["subjectAltName"]  # type: ignore[index]
        await client.send(b"Hello!")
        assert await peer.recv() == b"Hello!"
        for call in (client.send_eof(), client.detach()):
            with pytest.raises(LocalProtocolError, match="a TLS connection cannot be"):
                await call
        await client.send(b"World!")  # it is unharmed
        assert await peer.recv() == b"World!"
    assert client.tls.version() is not None  # it can still be asked


async def test_what_is_closed_stays_closed() -> None:
    async with _pair() as (peer, _):
        await peer.close()
        await peer.close()
        for call in (peer.recv(), peer.recv_many(), peer.send(b""), peer.send_many([b""]), peer.send_eof()):
            with pytest.raises(ClosedByUs, match="this connection was closed on this side"):
                await call
        with pytest.raises(ClosedByUs, match="this connection has ended already"):
            await peer.detach()


# -- receiving and sending --------------------------------------------------------------------------------------------


async def test_recv_many() -> None:
    one, other = _tcp()
    with other:
        async with wrap(one, Lines()) as peer:
            other.sendall(b"1\n2\n3\n4\n5\n6\n7")
            assert await peer.recv() == b"1"
            assert await peer.recv_many(1) == [b"2"]
            assert await peer.recv_many(2) == [b"3", b"4"]
            assert await peer.recv_many() == [b"5", b"6"]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await peer.recv_many()
            other.sendall(b"\n")
            assert await peer.recv_many(100) == [b"7"]


@pytest.mark.parametrize("count", [0, -1])
async def test_recv_many_of_none(count: int) -> None:
    async with _pair() as (peer, _):
        with pytest.raises(ValueError, match=f"max_count must be 1 or more, not {count}"):
            await peer.recv_many(count)


async def test_recv_many_from_a_connection_that_had_stopped_reading() -> None:
    """As nobody had asked for what arrived."""
    async with _pair(limits=Limits(inbox=1000)) as (peer, far):
        sending = asyncio.create_task(far.send_many([b"x" * 500] * 2000))
        received = 0
        while received < 2000:
            received += len(await peer.recv_many(50))
        await sending


async def test_send_of_other_bytes_keeps_what_they_were() -> None:
    async with _pair() as (peer, far):
        message = bytearray(b"Hello!")
        await peer.send(b"first")
        await peer.send(message)
        await peer.send(memoryview(message))
        message[:] = b"World!"
        assert [await far.recv() for _ in range(3)] == [b"first", b"Hello!", b"Hello!"]
        with pytest.raises(TypeError, match="encode it first"):
            await peer.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_send_many_of_tiny_messages() -> None:
    async with _pair() as (peer, far):
        sending = asyncio.create_task(peer.send_many(b"%d" % n for n in range(20_000)))
        received: list[bytes] = []
        while len(received) < 20_000:
            received += await far.recv_many()
        assert received == [b"%d" % n for n in range(20_000)]
        await sending


async def test_send_many_of_large_messages() -> None:
    async with _pair() as (peer, far):
        messages = [n.to_bytes(2, "big") * 4500 for n in range(1000)]
        sending = asyncio.create_task(peer.send_many(messages))
        for message in messages:
            assert await far.recv() == message
        await sending


async def test_send_many_takes_no_more_than_it_sends() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    one, other = _tcp()
    for sock in (one, other):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    with other:
        async with wrap(one, Lines(), timeouts=Timeouts(close=0)) as peer:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await peer.send_many(endless())
    assert 0 < taken < 2000


async def test_send_many_of_what_cannot_be_sent() -> None:
    one, other = socket.socketpair()
    async with wrap(one, Lines()) as peer, wrap(other, Lines()) as far:
        with pytest.raises(LocalProtocolError) as caught:
            await peer.send_many([b"one", b"two", b"no\nline", b"three"])
        assert caught.value.sent == 2
        with pytest.raises(ZeroDivisionError):
            await peer.send_many(b"%d" % (12 // n) for n in (4, 3, 0, 2))
        await peer.send_many([])
        assert [await far.recv() for _ in range(4)] == [b"one", b"two", b"3", b"4"]


async def test_send_eof_waits_for_room() -> None:
    async with _pair(limits=MUCH) as (peer, far):
        await peer.send(LARGE)
        ending = asyncio.create_task(peer.send_eof())
        await asyncio.sleep(0)
        assert not ending.done()
        assert await far.recv() == LARGE
        await ending
        with pytest.raises(ClosedByPeer):
            await far.recv()
        with pytest.raises(ClosedByUs, match="this side has ended its stream"):
            await peer.send(b"more")


async def test_send_eof_on_a_connection_that_is_gone() -> None:
    one, other = _tcp()
    async with wrap(one, Lines()) as peer:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        other.close()
        with pytest.raises(ConnectionLost):
            await peer.recv()
        with suppress(ConnectionLost):
            await peer.send_eof()


async def test_send_eof_on_a_connection_that_is_gone_and_nobody_has_noticed() -> None:
    one, other = _tcp()
    async with wrap(one, Lines(), limits=Limits(inbox=1)) as peer:
        other.sendall(b"one\n")
        while not peer._driver.paused:  # noqa: ASYNC110  # pyright: ignore[reportPrivateUsage]
            await asyncio.sleep(0)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        other.close()
        with suppress(ConnectionLost):  # uvloop does not notice at once
            await peer.send_eof()
        assert await peer.recv() == b"one"
        with pytest.raises(ConnectionLost):
            await peer.recv()


# -- detach -----------------------------------------------------------------------------------------------------------


async def test_detach() -> None:
    one, other = _tcp()
    with other:
        peer = await wrap(one, Lines())
        other.sendall(b"one\ntwo\nthree\nfo")
        assert await peer.recv() == b"one"
        sock, unread = await peer.detach()
        with sock:
            assert unread == b"two\nthree\nfo"
            assert sock.gettimeout() == 0
            other.sendall(b"ur\n")
            assert await _read(sock, 3) == b"ur\n"

            # The peer is closed, and the socket none of its business any more.
            assert peer.state is State.CLOSED
            assert one.fileno() == -1
            for call in (peer.recv(), peer.send_eof(), peer.detach(), peer.send(b"")):
                with pytest.raises(ClosedByUs):
                    await call
            await peer.close()
            peer.abort()
            sock.sendall(b"still here")
            assert other.recv(100) == b"still here"


async def test_detach_leaves_what_was_not_read() -> None:
    """What arrives while it is being done is in the socket, or in the bytes, and nowhere else."""
    one, other = _tcp()
    other.setblocking(False)
    loop = asyncio.get_running_loop()
    with other:
        peer = await wrap(one, LengthPrefixed(), limits=Limits(inbox=1000))
        message = b"\0\0\1\0" + bytes(range(256))
        sending = asyncio.create_task(loop.sock_sendall(other, message * 8000))
        for _ in range(10):
            assert await peer.recv() == message[4:]
        sock, unread = await peer.detach()
        with sock:
            rest = unread + await _read(sock, len(message) * 7990 - len(unread))
            assert rest == message * 7990
        await sending


async def test_detach_sends_what_was_left() -> None:
    async with _pair(limits=MUCH) as (peer, far):
        await peer.send(LARGE)
        sending = asyncio.create_task(peer.send(b"two"))
        await asyncio.sleep(0)
        detaching = asyncio.create_task(peer.detach())
        assert await far.recv() == LARGE
        assert await far.recv() == b"two"
        await sending
        sock, unread = await detaching
        with sock:
            assert unread == b""
            sock.sendall(b"\0\0\0\5three")
            assert await far.recv() == b"three"


async def test_detach_sends_what_the_loop_holds() -> None:
    """Though there was room for more, so that nobody had to wait until now."""
    async with _pair(limits=Limits(max_message=len(LARGE), outbox=2 * len(LARGE))) as (peer, far):
        await peer.send(LARGE)
        detaching = asyncio.create_task(peer.detach())
        assert await far.recv() == LARGE
        sock, _ = await detaching
        sock.close()


async def test_detach_of_a_connection_that_breaks() -> None:
    one, other = _tcp()
    async with wrap(one, LengthPrefixed(), limits=MUCH) as peer:
        await peer.send(LARGE)
        detaching = asyncio.create_task(peer.detach())
        await asyncio.sleep(0)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        other.close()
        with pytest.raises((ClosedByUs, ConnectionLost)):
            await detaching


async def test_detach_that_the_system_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _pair() as (peer, far):
        with monkeypatch.context() as patch:
            patch.setattr(os, "dup", _no_more)
            with pytest.raises(OSError, match="Too many open files"):
                await peer.detach()
        await far.send(b"Hello!")  # it is unharmed
        assert await peer.recv() == b"Hello!"


def _no_more(number: int) -> int:
    raise OSError(24, "Too many open files")


# -- the end ----------------------------------------------------------------------------------------------------------


async def test_abort_wakes_everybody() -> None:
    async with _pair(limits=MUCH) as (peer, far):
        await peer.send(LARGE)
        calls = [asyncio.create_task(call) for call in (peer.recv(), peer.send(b"two"), peer.send(b"three"))]
        await asyncio.sleep(0)
        peer.abort()
        for call in calls:
            with pytest.raises(ClosedByUs):
                await call
        assert peer.state is State.CLOSED
        with pytest.raises((TruncatedMessage, ConnectionLost)):
            await far.recv()


async def test_close_wakes_everybody() -> None:
    async with _pair(limits=MUCH) as (peer, far):
        await peer.send(LARGE)
        calls = [asyncio.create_task(call) for call in (peer.recv(), peer.send(b"two"))]
        await asyncio.sleep(0)
        closing = asyncio.create_task(peer.close())
        for call in calls:
            with pytest.raises(ClosedByUs):
                await call
        assert await far.recv() == LARGE
        await closing
        with pytest.raises(ClosedByPeer):
            await far.recv()


async def test_close_gives_up_what_cannot_be_sent() -> None:
    async with _pair(limits=MUCH, timeouts=Timeouts(close=0.01)) as (peer, _):
        await peer.send(LARGE)
        await peer.close()
        assert peer.state is State.CLOSED


async def test_close_cancelled_cuts_at_once() -> None:
    async with _pair(limits=MUCH) as (peer, far):
        await peer.send(LARGE)
        closing = asyncio.create_task(peer.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises((TruncatedMessage, ConnectionLost)):
            await far.recv()


async def test_close_by_two_at_once() -> None:
    async with _pair(limits=MUCH) as (peer, far):
        await peer.send(LARGE)
        async with asyncio.TaskGroup() as group:
            group.create_task(peer.close())
            group.create_task(peer.close())
            assert await far.recv() == LARGE


async def test_close_with_messages_unread_takes_back_nothing() -> None:
    """What was sent before arrives, though the peer was saying something, too."""
    for pair in (_pair(limits=MUCH), _tls_pair()):
        async with pair as (peer, far):
            await far.send_many([b"x" * 1000] * 200)
            message = LARGE[: 1 << 18].replace(b"\n", b" ")
            await peer.send(message)
            closing = asyncio.create_task(peer.close())
            assert await far.recv() == message
            with pytest.raises(ClosedByPeer):
                await far.recv()
            await far.close()
            await closing
