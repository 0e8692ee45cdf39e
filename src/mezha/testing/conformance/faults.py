"""Laws of what goes wrong at the other end: good messages first, then the right error, again and again."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Any

import pytest

from mezha import (
    ClosedByPeer,
    ConnectionLost,
    FixedSize,
    Framing,
    FramingError,
    LengthPrefixed,
    Limits,
    Lines,
    MessageTooLarge,
    MessageTooSlow,
    MezhaError,
    Netstring,
    Observer,
    RemoteProtocolError,
    Skipping,
    Timeouts,
    TruncatedMessage,
    VarintPrefixed,
)
from mezha.engine import State
from mezha.testing.conformance.flavour import PATIENCE, Peer, until, until_stalled
from mezha.testing.conformance.net import U32, Net, law
from mezha.testing.cuts import byte_by_byte, pieces, whole

LIMIT = 100
LIMITS = Limits(max_message=LIMIT)
GOOD = [b"one", b"two", b"six"]


@dataclass(frozen=True)
class Fault:
    """Bytes that are wrong, and what is to be raised for them."""

    framing: Framing
    stream: bytes
    error: type[MezhaError]
    numbers: dict[str, Any]
    ends: bool = False  # the fault is that nothing follows


FAULTS = [
    Fault(U32, (101).to_bytes(4, "big"), MessageTooLarge, {"size": 101, "limit": LIMIT}),
    Fault(U32, b"\xff" * 4, MessageTooLarge, {"size": 0xFFFFFFFF, "limit": LIMIT}),
    Fault(VarintPrefixed(), b"\x65", MessageTooLarge, {"size": 101, "limit": LIMIT}),
    Fault(Netstring(), b"101:", MessageTooLarge, {"size": 101, "limit": LIMIT}),
    Fault(Lines(), b"x" * 103, MessageTooLarge, {"size": None, "limit": LIMIT}),
    Fault(Netstring(), b"3:onetwo", FramingError, {}),
    Fault(Netstring(), b"x", FramingError, {}),
    Fault(VarintPrefixed(), b"\xff" * 20, FramingError, {}),
    Fault(LengthPrefixed(2, adjust=-2), b"\0\1", FramingError, {}),
    Fault(U32, b"\0\0\0\6Hell", TruncatedMessage, {"received": 8, "needed": 10}, ends=True),
    Fault(U32, b"\0", TruncatedMessage, {"received": 1, "needed": 4}, ends=True),
    Fault(Lines(), b"half a line", TruncatedMessage, {"received": 11, "needed": 12}, ends=True),
    Fault(FixedSize(3), b"ab", TruncatedMessage, {"received": 2, "needed": 3}, ends=True),
]


async def _fails(peer: Peer, error: type[MezhaError], **numbers: object) -> None:
    """Receive a few times: the same error each time, and a fresh one."""
    errors: list[MezhaError] = []
    for receive in (peer.recv, peer.recv_many, peer.recv):
        with pytest.raises(error) as raised:
            await receive()
        errors.append(raised.value)
        assert type(raised.value) is error
        assert {name: getattr(raised.value, name) for name in numbers} == numbers
    assert len(set(map(id, errors))) == len(errors)
    if error is ClosedByPeer:
        assert [message async for message in peer] == []
    else:
        with pytest.raises(error):
            assert [message async for message in peer] == []


@law(only="bare")
async def good_messages_come_before_the_fault(net: Net) -> None:
    for fault in FAULTS:
        stream = net.frames(GOOD, fault.framing) + fault.stream
        for cut in (whole(stream), byte_by_byte(stream)):
            async with net.raw_pair(fault.framing, limits=LIMITS) as (raw, peer):
                receiving = asyncio.create_task(_receive(peer, len(GOOD)))
                for piece in cut:
                    raw.push(piece)
                    await asyncio.sleep(0)
                if fault.ends:
                    raw.end()
                assert await receiving == GOOD
                await _fails(peer, fault.error, **fault.numbers)
                assert peer.state is State.FAILED


@law(only="bare")
async def after_a_fault_one_can_still_say_goodbye(net: Net) -> None:
    async with net.raw_pair(limits=LIMITS) as (raw, peer):
        raw.push(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(2):
            with pytest.raises(MessageTooLarge, match="HTTP request"):
                await peer.recv()
        raw.push(b"more" * 10_000)  # which is thrown away
        await peer.send(b"goodbye")
        assert await raw.read_until(1) == net.frames([b"goodbye"])
        await _fails(peer, MessageTooLarge, size=0x47455420)


@law(only="bare")
async def strangers_are_named(net: Net) -> None:
    for words, name in ((b"GET / HTTP/1.1\r\n", "HTTP"), (b"SSH-2.0-OpenSSH\r\n", "SSH"), (b"\x16\x03\1\2\0\1", "TLS")):
        async with net.raw_pair() as (raw, peer):
            raw.push(words)
            with pytest.raises(MessageTooLarge, match=name):
                await peer.recv()


@law()
async def the_orderly_end_is_told(net: Net) -> None:
    async with net.raw_pair() as (raw, peer):
        raw.push(net.frames(GOOD))
        raw.end()
        assert await _receive(peer, len(GOOD)) == GOOD
        await _fails(peer, ClosedByPeer)


@law()
async def a_reset_between_messages_is_told(net: Net) -> None:
    async with net.raw_pair() as (raw, peer):
        raw.push(net.frames(GOOD))
        assert await peer.recv() == GOOD[0]
        await raw.reset(peer)
        assert await _receive(peer, 2) == GOOD[1:]
        await _fails(peer, ConnectionLost)
        assert peer.state is State.FAILED
        with pytest.raises(ConnectionLost):
            await _send_until_it_fails(peer)


@law(only="bare")
async def a_reset_inside_a_message_is_told(net: Net) -> None:
    async with net.raw_pair() as (raw, peer):
        raw.push(net.frames(GOOD) + b"\0\0\0\6Hell")
        assert await peer.recv() == GOOD[0]
        await raw.reset(peer)
        assert await _receive(peer, 2) == GOOD[1:]
        with pytest.raises(ConnectionLost, match="8 bytes of an unfinished message") as raised:
            await peer.recv()
        assert isinstance(raised.value.__cause__, OSError)
        await _fails(peer, ConnectionLost)


@law("tls")
async def an_end_without_goodbye_is_no_orderly_end(net: Net) -> None:
    """Anyone on the way could have cut the stream there."""
    for rest in (b"", net.frames([b"Hello!"])[:8]):
        async with net.raw_pair() as (raw, peer):
            raw.push(net.frames(GOOD) + rest)
            socket.socket.shutdown(raw.socket, socket.SHUT_WR)
            assert await _receive(peer, len(GOOD)) == GOOD
            await _fails(peer, ConnectionLost)


@law()
async def a_reset_wakes_whoever_waits(net: Net) -> None:
    async with net.raw_pair(buffers=8192) as (raw, peer):
        calls: list[asyncio.Task[Any]] = [asyncio.create_task(peer.recv()) for _ in range(3)]
        calls += [asyncio.create_task(peer.send_many([b"x" * 100_000] * 100)) for _ in range(3)]
        await until_stalled(peer)
        await until(lambda: peer.receiving)
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert type(outcome) is ConnectionLost
            assert isinstance(outcome.__cause__, OSError)


@law(only="bare")
async def a_dribbling_peer_is_given_up(net: Net) -> None:
    async with net.raw_pair(timeouts=Timeouts(message=0.05, min_rate=1e9)) as (raw, peer):
        raw.push(net.frames(GOOD) + b"\0\0\1\0")
        assert await _receive(peer, len(GOOD)) == GOOD
        receiving = asyncio.create_task(peer.recv())
        dribbled = 4
        while not receiving.done():
            raw.push(b".")
            dribbled += 1
            await asyncio.wait([receiving], timeout=0.01)
        with pytest.raises(MessageTooSlow) as raised:
            await receiving
        assert 4 <= raised.value.received <= dribbled
        assert raised.value.seconds >= 0.05
        await _fails(peer, MessageTooSlow, received=raised.value.received)


@law(only="bare")
async def a_silent_peer_is_not_slow(net: Net) -> None:
    """Between messages there is no hurry, and where it is switched off, never."""
    for timeouts, pause_inside in ((Timeouts(message=0.02, min_rate=1e9), False), (Timeouts(message=None), True)):
        async with net.raw_pair(timeouts=timeouts) as (raw, peer):
            receiving = asyncio.create_task(_receive(peer, 3))
            for message in GOOD:
                stream = net.frames([message])
                raw.push(stream[:5] if pause_inside else b"")
                done, _ = await asyncio.wait([receiving], timeout=0.03)
                assert not done
                raw.push(stream[5:] if pause_inside else stream)
            assert await receiving == GOOD


@law(only="bare")
async def a_message_that_keeps_coming_is_not_slow(net: Net) -> None:
    """What arrives earns time."""
    message = b"x" * 40
    async with net.raw_pair(timeouts=Timeouts(message=0.05, min_rate=100)) as (raw, peer):
        receiving = asyncio.create_task(peer.recv())
        for piece in pieces(net.frames([message]), 11):
            raw.push(piece)
            await asyncio.wait([receiving], timeout=0.05)
        assert await receiving == message


async def _receive(peer: Peer, count: int) -> list[bytes]:
    return [await peer.recv() for _ in range(count)]


async def _send_until_it_fails(peer: Peer) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            await peer.send(b"more")
            await asyncio.sleep(0)


@law(only="bare")
async def what_is_forgiven_ends_nothing(net: Net) -> None:
    told: list[RemoteProtocolError] = []

    class Hears(Observer):
        def fault_forgiven(self, error: RemoteProtocolError) -> None:
            told.append(error)

    good = net.frames(GOOD)
    large = net.frames([bytes(50_000)])
    for options in ({}, {"observer": Hears()}):
        some: dict[str, Any] = {"limits": Limits(max_message=LIMIT, inbox=1000), **options}
        async with net.raw_pair(Skipping(U32), **some) as (raw, peer):
            sending = asyncio.create_task(raw.send(good + large * 3 + good + large + good))
            assert [await peer.recv() for _ in GOOD * 3] == GOOD * 3
            await sending
            assert peer.engine.forgiven == 4
            await raw.send(large)
            raw.end()
            assert await peer.recv_all() == []
            assert peer.engine.forgiven == 5
    assert [error.size for error in told if isinstance(error, MessageTooLarge)] == [50_000] * 5
