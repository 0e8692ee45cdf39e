"""Laws of the end: what arrived before it comes first, and ``close`` never raises, never hangs, destroys nothing."""

import asyncio
import itertools
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, Timeouts
from mezha.engine import State
from mezha.testing.conformance.flavour import PATIENCE, Peer, until, until_stalled
from mezha.testing.conformance.net import PLAIN, Net, Raw, law

MANY = [b"%d" % number * (number % 100) for number in range(3000)]
TIGHT = Limits(inbox=2000)


@law()
async def everything_sent_before_the_close_arrives(net: Net) -> None:
    async with net.pair() as (ours, theirs):

        async def send() -> None:
            await ours.send_many(MANY)
            await ours.close()

        _, got = await asyncio.gather(send(), theirs.recv_all())
        assert got == MANY
        assert theirs.state in (State.PEER_ENDED, State.CLOSED)


@law()
async def everything_sent_before_the_close_arrives_at_a_late_reader(net: Net) -> None:
    """The system holds it, or the inbox does, and the sender is long gone."""
    some = MANY[:1000] if net.bare else MANY[:500]  # for which there is credit
    for limits in (Limits(), TIGHT):
        async with net.pair(limits=limits) as (ours, theirs):
            await ours.send_many(some)
            closing = asyncio.create_task(ours.close())
            await _steps()
            assert await theirs.recv_all() == some
            async with asyncio.timeout(5):  # and not Timeouts.close: the other side has heard and answered
                await closing


@law(only="bare")
async def a_reader_that_had_paused_gets_everything(net: Net) -> None:
    for sent in (MANY[:500], MANY * 8):
        for gone in (False, True):
            async with net.raw_pair(limits=TIGHT) as (raw, peer):
                await _greet(net, raw, peer)

                sending = asyncio.create_task(_send_and_leave(raw, net.frames(sent), gone=gone))
                await _steps()
                got: list[bytes] = []
                while len(got) < 100:
                    got.append(await peer.recv())
                    await asyncio.sleep(0)
                got += await peer.recv_all()
                assert got == sent
                await sending


@law(*PLAIN)
async def a_failed_send_loses_nothing_received(net: Net) -> None:
    """The peer is gone, which a send finds out first; what it had sent is still there to be read."""
    some = MANY[:400]
    for unread in (False, True):
        for limits in (TIGHT, Limits()):
            async with net.raw_pair(limits=limits) as (raw, peer):
                if unread:
                    await peer.send(b"never read")
                    await raw.readable()
                await raw.send(net.frames(some))
                raw.close()
                with pytest.raises(ConnectionLost):
                    await _send_until_it_fails(peer)
                assert [await peer.recv() for _ in some] == some
                with pytest.raises((ClosedByPeer, ConnectionLost)) as end:
                    await peer.recv()
                with pytest.raises(type(end.value)):
                    await peer.recv()
                with pytest.raises(ConnectionLost):
                    await peer.send(b"more")


@law()
async def close_ends_what_is_under_way(net: Net) -> None:
    async with net.raw_pair(buffers=8192, timeouts=Timeouts(close=0.1)) as (_, peer):
        calls: list[asyncio.Task[Any]] = [asyncio.create_task(peer.recv()), asyncio.create_task(peer.recv_many())]
        calls += [asyncio.create_task(peer.send_many([b"x" * 100_000] * 200)) for _ in range(2)]
        calls.append(asyncio.create_task(peer.send(b"x")))
        await until_stalled(peer)
        await until(lambda: peer.receiving)
        closing = [asyncio.create_task(peer.close()) for _ in range(2)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ClosedByUs] * 5
        for ending in await asyncio.gather(*closing):
            assert ending is None or (not net.bare and ending.how in ("unanswered", "lost"))
        await _closed(peer)


@law()
async def close_ends_a_quiet_recv(net: Net) -> None:
    async with net.pair() as (ours, theirs):
        receiving = asyncio.create_task(ours.recv())
        await until(lambda: ours.receiving)
        await ours.send(b"last")
        await asyncio.gather(ours.close(), _answer(theirs))
        with pytest.raises(ClosedByUs):
            await receiving
        await _closed(ours)


@law()
async def close_keeps_nothing_from_a_peer_that_we_did_not_hear(net: Net) -> None:
    """Bytes nobody read make the system reset the connection, and what was sent last might be lost."""
    for limits in (TIGHT, Limits(outbox=1 << 20)):
        async with net.raw_pair(limits=limits, buffers=65536) as (raw, peer):
            raw.push(net.frames([b"unheard" * 10] * 400))
            assert await peer.recv() == b"unheard" * 10
            raw.push(net.frames([b"unheard" * 10] * 100))
            sent = [b"x" * 20_000] * (5 if limits is TIGHT else 30)
            reading = asyncio.create_task(raw.read_all())
            await peer.send_many(sent)
            await peer.close()
            assert net.messages_in(await reading) == sent


@law()
async def close_waits_no_longer_than_said(net: Net) -> None:
    async with net.raw_pair(buffers=8192, timeouts=Timeouts(close=0.2), limits=Limits(max_message=1 << 23)) as (
        _,
        peer,
    ):
        await peer.send_for([b"x" * 5_000_000], 10)
        began = time.monotonic()
        await peer.close()
        assert time.monotonic() - began < 1.5
        await _closed(peer)


@law()
async def close_cuts_no_message_that_can_still_be_read(net: Net) -> None:
    """What the system had not taken is sent in close()."""
    sent = [b"%d" % number * 100_000 for number in range(10)]
    async with net.raw_pair(buffers=8192, limits=Limits(outbox=1 << 20)) as (raw, peer):
        counts = [await peer.send_for([message], 5) for message in sent]
        _, stream = await asyncio.gather(peer.close(), raw.read_all())
        assert net.messages_in(stream) == [message for message, count in zip(sent, counts, strict=True) if count.start]


@law()
async def the_goodbye_waits_for_room(net: Net) -> None:
    async with net.raw_pair(buffers=8192, limits=Limits(outbox=1000)) as (raw, peer):
        sent = 0
        while (await peer.send_for([b"x" * 100], 1)).start:
            sent += 1
        closing = asyncio.create_task(peer.close())
        await _steps()
        assert net.messages_in(await raw.read_all()) == [b"x" * 100] * sent
        await closing


@law()
async def close_of_what_is_over_is_quiet(net: Net) -> None:
    async with net.raw_pair() as (raw, peer):
        await raw.reset(peer)
        with pytest.raises(ConnectionLost):
            await peer.recv()
        peer.abort()
        await peer.close()
        await peer.close()
        peer.abort()
        await _closed(peer)
    async with net.raw_pair() as (raw, peer):
        raw.close()
        await peer.close()
        await _closed(peer)


@law()
async def abort_wakes_everybody(net: Net) -> None:
    async with net.raw_pair(buffers=8192) as (_, peer):
        calls: list[asyncio.Task[Any]] = [asyncio.create_task(peer.recv()) for _ in range(2)]
        calls += [asyncio.create_task(peer.send_many([b"x" * 100_000] * 200)) for _ in range(2)]
        await until_stalled(peer)
        await until(lambda: peer.receiving)
        peer.abort()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ClosedByUs] * 4


@law("tcp", "tls")
async def an_abort_is_no_orderly_end(net: Net) -> None:
    """Whether the other side receives or sends, it hears that the connection was cut; what had arrived comes first."""
    for sending in (False, True):
        async with net.pair(limits=Limits(outbox=1000)) as (ours, theirs):
            await ours.send(b"before")
            assert await theirs.recv() == b"before"
            call: asyncio.Task[Any] = asyncio.create_task(
                theirs.send_many(itertools.repeat(b"x" * 10_000)) if sending else theirs.recv()
            )
            await until_stalled(theirs) if sending else await until(lambda: theirs.receiving)
            ours.abort()
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(ConnectionLost):
                    await call


@law()
async def a_hundred_connections_leave_nothing(net: Net) -> None:
    def descriptors() -> int:
        return len(os.listdir(_DESCRIPTORS))  # noqa: PTH208 - a count

    listener = await net.listen()

    async def talk() -> None:
        ours, theirs = await asyncio.gather(net.connect(listener), net.accept(listener))
        await ours.send(b"Hello!")
        await theirs.send(await theirs.recv())
        assert await ours.recv() == b"Hello!"
        await asyncio.gather(ours.close(), theirs.close())

    await talk()
    before = descriptors()
    for _ in range(20):
        await asyncio.gather(*(talk() for _ in range(5)))
    assert descriptors() == before
    await listener.close()


_DESCRIPTORS = next((path for path in ("/proc/self/fd", "/dev/fd") if Path(path).exists()), "")


async def _send_and_leave(raw: Raw, stream: bytes, *, gone: bool) -> None:
    """End the stream, at least."""
    await raw.send(stream)
    raw.end()
    if gone:
        raw.close()


async def _greet(net: Net, raw: Raw, peer: Peer) -> None:
    """Let the scripted peer hear something: under TLS, that takes the session tickets out of its way."""
    await peer.send(b"greeting")
    assert net.messages_in(await raw.read_until(1)) == [b"greeting"]


async def _steps() -> None:
    """Let the loop and the threads do what they can do now."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def _closed(peer: Peer) -> None:
    """Ask for anything: the connection was closed on this side."""
    assert peer.state is State.CLOSED
    for call in (peer.recv(), peer.recv_many(), peer.send(b"more"), peer.send_many([b"more"])):
        with pytest.raises(ClosedByUs):
            await call
    await peer.close()


async def _answer(peer: Peer) -> None:
    """Hear the peer out, and close."""
    assert await peer.recv_all() == [b"last"]
    await peer.close()


async def _send_until_it_fails(peer: Peer) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            await peer.send(b"more")
            await asyncio.sleep(0.0001)
