"""Tests of mezha.trio.peer, but for what the conformance suite tests on every flavour."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
import trio
import trio.testing
from trio_pairs import PAIRS, Calls, memory_pair, reset, rude_pair, socket_pair, tcp, tls_pair

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, LocalProtocolError, Timeouts, TruncatedMessage
from mezha.engine import State
from mezha.framing import LengthPrefixed, Lines, Skipping
from mezha.trio import Peer, wrap
from mezha.trio.stream import as_tls

#: More than the system takes from a sender nobody listens to.
LARGE = bytes(range(256)) * (16 << 12)
MUCH = Limits(max_message=len(LARGE))

every_pair = pytest.mark.parametrize("pair", PAIRS)


# -- what it is -------------------------------------------------------------------------------------------------------


async def test_addresses_and_repr_stay() -> None:
    one, other = tcp()
    here, there = (f"{host}:{port}" for host, port in (one.getsockname(), one.getpeername()))
    async with wrap(one, Lines()) as peer:
        assert repr(peer) == f"<mezha.trio.Peer {here} -> {there}, open>"
        assert (peer.local_address, peer.remote_address) == (here, there)
    assert repr(peer) == f"<mezha.trio.Peer {here} -> {there}, closed>"
    assert (peer.local_address, peer.remote_address) == (here, there)
    other.close()


async def test_addresses_of_what_has_none() -> None:
    async with memory_pair() as (peer, _):
        assert peer.local_address == peer.remote_address == "unnamed"


async def test_what_was_forgiven_is_counted() -> None:
    one, other = tcp()
    async with wrap(one, Lines()) as peer, wrap(other, Skipping(Lines()), limits=Limits(max_message=3)) as far:
        await peer.send_many([b"three", b"one", b"seven", b"two"])
        assert (await far.recv(), await far.recv()) == (b"one", b"two")
        assert (far.forgiven, peer.forgiven) == (2, 0)


async def test_states_of_an_orderly_life() -> None:
    states: list[State] = []
    async with socket_pair() as (peer, far):
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
    one, other = tcp()
    async with wrap(one, Lines()) as peer:
        reset(other)
        with pytest.raises(ConnectionLost):
            await peer.recv()
        assert peer.state.value == "failed"
    assert peer.state.value == "closed"


async def test_tls() -> None:
    async with socket_pair() as (peer, _):
        assert peer.tls is None
    async with tls_pair() as (client, peer):
        assert client.tls
        assert peer.tls
        assert client.tls.getpeercert()["subjectAltName"]
        with pytest.raises(LocalProtocolError, match="a TLS connection cannot be ended in one direction"):
            await client.send_eof()
        await client.send(b"World!")  # it is unharmed
        assert await peer.recv() == b"World!"
    assert client.tls.version() is not None  # it can still be asked


async def test_half_close_of_what_has_no_halves() -> None:
    async with rude_pair() as (peer, far):
        with pytest.raises(LocalProtocolError, match="a Rude cannot be ended in one direction here"):
            await peer.send_eof()
        await peer.send(b"unharmed")
        assert await far.recv() == b"unharmed"


async def test_half_close_of_somebody_elses_stream() -> None:
    async with memory_pair() as (peer, far):
        await peer.send(b"last")
        await peer.send_eof()
        assert [message async for message in far] == [b"last"]
        await far.send(b"both ways")
        assert await peer.recv() == b"both ways"


@every_pair
async def test_what_is_closed_stays_closed(pair: Any) -> None:
    async with pair() as (peer, _):
        await peer.close()
        await peer.close()
        for call in (peer.recv(), peer.recv_many(), peer.send(b""), peer.send_many([b""])):
            with pytest.raises(ClosedByUs, match="this connection was closed on this side"):
                await call
        with pytest.raises(ClosedByUs, match="this connection has ended already"):
            await peer.detach()


async def test_send_eof_of_what_is_closed() -> None:
    async with socket_pair() as (peer, _):
        await peer.close()
        with pytest.raises(ClosedByUs, match="this connection was closed on this side"):
            await peer.send_eof()


# -- receiving and sending --------------------------------------------------------------------------------------------


async def test_recv_many() -> None:
    one, other = tcp()
    with other:
        async with wrap(one, Lines()) as peer:
            other.sendall(b"1\n2\n3\n4\n5\n6\n7")
            assert await peer.recv() == b"1"
            assert await peer.recv_many(1) == [b"2"]
            assert await peer.recv_many(2) == [b"3", b"4"]
            assert await peer.recv_many() == [b"5", b"6"]
            with trio.move_on_after(0.01) as scope:
                await peer.recv_many()
            assert scope.cancelled_caught
            other.sendall(b"\n")
            assert await peer.recv_many(100) == [b"7"]


@pytest.mark.parametrize("count", [0, -1])
async def test_recv_many_of_none(count: int) -> None:
    async with socket_pair() as (peer, _):
        with pytest.raises(ValueError, match=f"max_count must be 1 or more, not {count}"):
            await peer.recv_many(count)


@every_pair
async def test_every_receiver_gets_its_own_message(pair: Any) -> None:
    async with pair() as (peer, far), trio.open_nursery() as nursery:
        calls = Calls(nursery)
        for _ in range(3):
            calls.start(peer.recv)
        await trio.testing.wait_all_tasks_blocked()
        await far.send_many([b"1", b"2", b"3"])
        await calls.finished()
        assert sorted(calls.results(bytes)) == [b"1", b"2", b"3"]


@every_pair
async def test_a_receiver_that_gives_up_leaves_its_place_to_another(pair: Any) -> None:
    async with pair() as (peer, far), trio.open_nursery() as nursery:
        calls, scope = Calls(nursery), trio.CancelScope()
        calls.start(lambda: _within(scope, peer.recv))
        await trio.testing.wait_all_tasks_blocked()
        calls.start(peer.recv)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        await far.send(b"Hello!")
        await calls.finished()
        assert calls.outcomes == [None, b"Hello!"]


@every_pair
async def test_a_message_larger_than_every_buffer(pair: Any) -> None:
    async with pair(limits=MUCH) as (peer, far), trio.open_nursery() as nursery:
        nursery.start_soon(peer.send, LARGE)
        assert await far.recv() == LARGE


async def test_send_of_other_bytes_keeps_what_they_were() -> None:
    async with socket_pair() as (peer, far):
        message = bytearray(b"Hello!")
        await peer.send(b"first")
        await peer.send(message)
        await peer.send(memoryview(message))
        message[:] = b"World!"
        assert [await far.recv() for _ in range(3)] == [b"first", b"Hello!", b"Hello!"]
        with pytest.raises(TypeError, match="encode it first"):
            await peer.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@every_pair
async def test_send_many_of_tiny_messages(pair: Any) -> None:
    async with pair() as (peer, far), trio.open_nursery() as nursery:
        nursery.start_soon(peer.send_many, (b"%d" % n for n in range(5000)))
        received: list[bytes] = []
        while len(received) < 5000:
            received += await far.recv_many()
        assert received == [b"%d" % n for n in range(5000)]


async def test_send_many_takes_no_more_than_it_sends() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    one, other = tcp()
    for sock in (one, other):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    with other:
        async with wrap(one, Lines(), timeouts=Timeouts(close=0)) as peer:
            with trio.move_on_after(0.05):
                await peer.send_many(endless())
    assert 0 < taken < 2000


async def test_send_eof_waits_for_room() -> None:
    async with socket_pair(limits=MUCH) as (peer, far), trio.open_nursery() as nursery:
        calls = Calls(nursery)
        await peer.send(LARGE)
        calls.start(peer.send_eof)
        await trio.testing.wait_all_tasks_blocked()
        assert peer.state is State.OPEN
        assert await far.recv() == LARGE
        await calls.finished()
        assert peer.state.value == "we ended"
        with pytest.raises(ClosedByPeer):
            await far.recv()
        with pytest.raises(ClosedByUs, match="this side has ended its stream"):
            await peer.send(b"more")


async def test_send_eof_on_a_connection_that_is_gone() -> None:
    one, other = tcp()
    async with wrap(one, Lines()) as peer:
        reset(other)
        with pytest.raises(ConnectionLost):
            await peer.recv()
        with suppress(ConnectionLost):
            await peer.send_eof()
        with pytest.raises((ClosedByUs, ConnectionLost)):
            await peer.send(b"more")


# -- other tasks ------------------------------------------------------------------------------------------------------


@every_pair
async def test_quick_calls_let_others_have_their_turn(pair: Any) -> None:
    """Though they have nothing to wait for."""
    async with pair(limits=Limits(outbox=1 << 20)) as (peer, far):
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            for _ in range(1000):
                await peer.send(b"x")
            sent, turns = turns, 0
            for _ in range(1000):
                await far.recv()
            received, turns = turns, 0
            await peer.send_many([b"x"] * 1000)
            nursery.cancel_scope.cancel()
        assert min(sent, received, turns) >= 5


@every_pair
async def test_every_call_can_be_cancelled_where_it_begins(pair: Any) -> None:
    async with pair() as (peer, far):
        await far.send_many([b"1", b"2", b"3"])
        assert await peer.recv() == b"1"
        calls = (peer.recv, peer.recv_many, peer.__anext__, peer.send_eof, peer.detach)
        for call in (
            *calls,
            lambda: peer.send(b"never"),
            lambda: peer.send_many([b"never"]),
            lambda: peer.send_many([]),
        ):
            with trio.CancelScope() as scope:
                scope.cancel()
                await call()
            assert scope.cancelled_caught
        await peer.send(b"unharmed")
        assert await far.recv() == b"unharmed"
        assert [await peer.recv(), await peer.recv()] == [b"2", b"3"]


# -- detach -----------------------------------------------------------------------------------------------------------


async def test_detach() -> None:
    one, other = tcp()
    with other:
        peer = await wrap(one, Lines())
        other.sendall(b"one\ntwo\nthree\nfo")
        assert await peer.recv() == b"one"
        stream, unread = await peer.detach()
        assert isinstance(stream, trio.SocketStream)
        async with stream:
            assert unread == b"two\nthree\nfo"
            other.sendall(b"ur\n")
            assert await stream.receive_some() == b"ur\n"

            # The peer is closed, and the stream none of its business any more.
            assert peer.state is State.CLOSED
            for call in (peer.recv(), peer.send_eof(), peer.detach(), peer.send(b"")):
                with pytest.raises(ClosedByUs):
                    await call
            async with trio.open_nursery() as nursery:
                calls = Calls(nursery)
                calls.start(stream.receive_some)
                await trio.testing.wait_all_tasks_blocked()
                await peer.close()
                peer.abort()
                await trio.testing.wait_all_tasks_blocked()
                other.sendall(b"still here")
                await calls.finished()
            assert calls.outcomes == [b"still here"]


async def test_detach_gives_back_the_stream_that_was_given() -> None:
    one, other = trio.testing.memory_stream_pair()
    peer = await wrap(one, Lines())
    await other.send_all(b"one\ntwo\nthr")
    assert await peer.recv() == b"one"
    assert await peer.detach() == (one, b"two\nthr")
    await other.send_all(b"ee\n")
    assert await one.receive_some() == b"ee\n"
    await one.aclose()


async def test_detach_of_tls() -> None:
    """What comes back is trio's own, and speaks on."""
    async with tls_pair(Lines()) as (client, peer):
        await peer.send_many([b"one", b"two"])
        assert await client.recv() == b"one"
        stream, unread = await client.detach()
        tls = as_tls(stream)
        assert tls
        assert tls is client.tls
        assert isinstance(tls.transport_stream, trio.SocketStream)
        unread += b"" if unread else await stream.receive_some()
        assert unread == b"two\n"
        await stream.send_all(b"three\n")
        assert await peer.recv() == b"three"
        async with wrap(stream, Lines()) as again:
            await again.send(b"four")
            assert await peer.recv() == b"four"


async def test_detach_leaves_what_was_not_read() -> None:
    """What arrives while it is being done is in the stream, or in the bytes, and nowhere else."""
    async with socket_pair(LengthPrefixed(2)) as (peer, far), trio.open_nursery() as nursery:
        message = bytes(range(256))
        nursery.start_soon(far.send_many, [message] * 4000)
        for _ in range(10):
            assert await peer.recv() == message
        stream, rest = await peer.detach()
        async with stream:
            while len(rest) < 258 * 3990:
                rest += await stream.receive_some()
            assert rest == (b"\1\0" + message) * 3990


@pytest.mark.parametrize("pair", [socket_pair, tls_pair, rude_pair])
async def test_detach_wakes_whoever_receives(pair: Any) -> None:
    async with pair() as (peer, far), trio.open_nursery() as nursery:
        calls = Calls(nursery)
        calls.start(peer.recv)
        calls.start(peer.recv)
        await trio.testing.wait_all_tasks_blocked()
        stream, unread = await peer.detach()
        await calls.finished()
        assert list(map(type, calls.outcomes)) == [ClosedByUs] * 2
        assert unread == b""
        await stream.send_all(b"\0\0\0\5three")
        assert await far.recv() == b"three"
        await stream.aclose()


async def test_detach_sends_what_was_left() -> None:
    async with socket_pair(limits=MUCH) as (peer, far), trio.open_nursery() as nursery:
        calls = Calls(nursery)
        await peer.send(LARGE)
        calls.start(lambda: peer.send(b"two"))
        await trio.testing.wait_all_tasks_blocked()
        calls.start(peer.detach)
        assert await far.recv() == LARGE
        assert await far.recv() == b"two"
        await calls.finished()
        stream, unread = cast("tuple[trio.abc.Stream, bytes]", calls.outcomes[1])
        assert unread == b""
        await stream.send_all(b"\0\0\0\5three")
        assert await far.recv() == b"three"
        await stream.aclose()


async def test_detach_of_a_connection_that_breaks() -> None:
    one, other = tcp()
    async with wrap(one, LengthPrefixed(), limits=MUCH) as peer, trio.open_nursery() as nursery:
        calls = Calls(nursery)
        await peer.send(LARGE)
        calls.start(peer.detach)
        await trio.testing.wait_all_tasks_blocked()
        reset(other)
        await calls.finished()
        (outcome,) = calls.outcomes
        if isinstance(outcome, tuple):  # it may well come back broken
            await cast("trio.abc.Stream", outcome[0]).aclose()
        else:
            assert isinstance(outcome, ClosedByUs | ConnectionLost)


# -- the end ----------------------------------------------------------------------------------------------------------


@every_pair
async def test_abort_wakes_everybody(pair: Any) -> None:
    async with pair(limits=MUCH) as (peer, far), trio.open_nursery() as nursery:
        calls = Calls(nursery)
        await peer.send(LARGE)
        for call in (peer.recv, lambda: peer.send(b"two"), lambda: peer.send(b"three")):
            calls.start(call)
        await trio.testing.wait_all_tasks_blocked()
        peer.abort()
        await calls.finished()
        assert list(map(type, calls.outcomes)) == [ClosedByUs] * 3
        assert peer.state is State.CLOSED
        with pytest.raises((TruncatedMessage, ConnectionLost, ClosedByPeer)):
            await far.recv()


@every_pair
async def test_close_wakes_everybody(pair: Any) -> None:
    async with pair(limits=MUCH) as (peer, far), trio.open_nursery() as nursery:
        calls = Calls(nursery)
        await peer.send(LARGE)
        calls.start(peer.recv)
        calls.start(lambda: peer.send(b"two"))
        await trio.testing.wait_all_tasks_blocked()
        closing = Calls(nursery)
        closing.start(peer.close)
        closing.start(peer.close)
        await calls.finished()
        assert list(map(type, calls.outcomes)) == [ClosedByUs] * 2
        assert await far.recv() == LARGE
        await closing.finished()
        assert closing.outcomes == [None, None]
        with pytest.raises(ClosedByPeer):
            await far.recv()


@every_pair
async def test_close_gives_up_what_cannot_be_sent(pair: Any) -> None:
    async with pair(limits=MUCH, timeouts=Timeouts(close=0.01)) as (peer, far):
        await peer.send(LARGE)
        await peer.close()
        assert peer.state is State.CLOSED
        with pytest.raises((TruncatedMessage, ConnectionLost, ClosedByPeer)):
            await far.recv()


async def test_close_takes_no_longer_than_it_was_given(clock: trio.testing.MockClock) -> None:
    """By any stream, and by whoever waits for another to close."""
    async with memory_pair(limits=MUCH, timeouts=Timeouts(close=7)) as (peer, _), trio.open_nursery() as nursery:
        await peer.send(LARGE)
        began = clock.current_time()
        calls = Calls(nursery)
        calls.start(peer.close)
        calls.start(peer.close)
        await calls.finished()
        assert clock.current_time() - began == pytest.approx(7)


@pytest.mark.parametrize("pair", [socket_pair, tls_pair, memory_pair])
async def test_close_with_messages_unread_takes_back_nothing(pair: Any) -> None:
    """What was sent before arrives, though the peer was saying something, too."""
    async with pair() as (peer, far), trio.open_nursery() as nursery:
        nursery.start_soon(far.send_many, [b"x" * 1000] * 20)
        assert await peer.recv() == b"x" * 1000
        message = bytes(range(256)) * 100
        await peer.send(message)
        nursery.start_soon(peer.close)
        assert await far.recv() == message
        with pytest.raises(ClosedByPeer):
            await far.recv()
        await far.close()


def test_abort_when_trio_runs_no_more() -> None:
    async def leave() -> list[Peer]:
        one, other = trio.testing.memory_stream_pair()
        first, second = tcp()
        second.close()
        await other.aclose()
        return [await wrap(one, Lines()), await wrap(first, Lines())]

    for peer in trio.run(leave):
        peer.abort()
        assert peer.state is State.CLOSED


async def _within(scope: trio.CancelScope, call: Any) -> Any:
    with scope:
        return await call()
