"""Laws of a session's life: how it begins, that the peer is there, what credit is for, and how it ends for both."""

import asyncio
import time

import pytest

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, HandshakeError, Limits, LocalProtocolError, Timeouts
from mezha.engine import State
from mezha.session.frames import Ping, Pong, encode_frame
from mezha.testing.conformance.flavour import until, until_stalled
from mezha.testing.conformance.net import Net, law

# -- the beginning ----------------------------------------------------------------------------------------------------


@law(only="session")
async def a_stranger_is_named(net: Net) -> None:
    for words, name in (
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
        (b"SSH-2.0-OpenSSH\r\n", "SSH"),
        (b"\0\0\0\6Hello!", "LengthPrefixed"),
        (b"\x8dMZH\n\x1a\n\0\0", "CR LF"),
    ):
        async with net.raw_pair(greet=False) as (raw, peer):
            raw.push(words)
            for _ in range(2):
                with pytest.raises(HandshakeError, match=name):
                    await peer.recv()
            assert peer.state is State.FAILED
            with pytest.raises(HandshakeError):
                await peer.send(b"nobody there")


@law(only="session")
async def a_stranger_that_says_nothing_is_given_up(net: Net) -> None:
    for first in (b"", net.speech().opening[:13]):
        async with net.raw_pair(greet=False, timeouts=Timeouts(handshake=0.1)) as (raw, peer):
            raw.push(first)
            with pytest.raises(HandshakeError):
                await peer.recv()


@law(only="session")
async def what_is_sent_before_the_hello_arrives(net: Net) -> None:
    """Nobody waits for a round trip; but what is large waits for the peer to say what it takes."""
    async with net.raw_pair(greet=False) as (raw, peer):
        small = [b"%d" % number * 100 for number in range(100)]
        await peer.send_many(small)
        assert net.messages_in(await raw.read_until(len(small))) == small
        waiting = asyncio.create_task(peer.send(b"x" * 100_000))
        done, _ = await asyncio.wait([waiting], timeout=0.02)
        assert not done
        raw.push(net.speech().opening)
        await waiting
        await raw.read_until(len(small) + 1)


@law(only="session")
async def the_limit_of_the_peer_holds_here(net: Net) -> None:
    listener = await net.listen(limits=Limits(max_message=1000))
    ours, theirs = await asyncio.gather(net.connect(listener), net.accept(listener))
    await theirs.send(b"hello")
    assert await ours.recv() == b"hello"
    for size in (1001, 9000, 100_000):
        with pytest.raises(LocalProtocolError, match=rf"{size} bytes, and the peer takes at most 1000") as refused:
            await ours.send(bytes(size))
        assert (refused.value.size, refused.value.limit) == (size, 1000)
    await ours.send(bytes(1000))
    assert await theirs.recv() == bytes(1000)
    await asyncio.gather(ours.close(), theirs.close(), listener.close())


# -- the peer is there ------------------------------------------------------------------------------------------------


@law(only="session")
async def a_sign_of_life_needs_nobody(net: Net) -> None:
    """The program of the other side does nothing at all."""
    async with net.pair() as (ours, theirs):
        for peer in (ours, theirs, ours):
            assert 0 < await peer.ping() < 5


@law("tcp", only="session")
async def silence_is_found_whoever_waits(net: Net) -> None:
    """Also where nobody receives, or sends."""
    async with (
        net.raw_pair(timeouts=Timeouts(heartbeat=1.0)) as (_, receives),
        net.raw_pair(timeouts=Timeouts(heartbeat=1.0)) as (_, rests),
    ):
        began = time.monotonic()
        with pytest.raises(ConnectionLost, match="silent") as lost:
            await receives.recv()
        assert 1.5 < time.monotonic() - began < 5
        assert lost.value.silence is not None
        assert lost.value.silence >= 2
        await until(lambda: rests.state is State.FAILED)
        with pytest.raises(ConnectionLost, match="silent"):
            await rests.send(b"anybody?")


@law("tcp", only="session")
async def who_answers_is_not_given_up(net: Net) -> None:
    """Its program does nothing, and it has nothing to say of its own."""
    async with net.pair(timeouts=Timeouts(heartbeat=1.0)) as (ours, theirs):
        receiving = asyncio.create_task(ours.recv())
        done, _ = await asyncio.wait([receiving], timeout=3.0)
        assert not done
        await theirs.send(b"still here")
        assert await receiving == b"still here"


@law(only="session")
async def a_ping_is_answered_while_nobody_receives(net: Net) -> None:
    async with net.raw_pair() as (raw, _):
        raw.push(b"".join(encode_frame(Ping(b"whatever"))))
        pong = b"".join(encode_frame(Pong(b"whatever", 0)))
        stream = bytearray()
        while pong not in stream:
            await raw.readable()
            stream += raw.sip(4096)


# -- credit -----------------------------------------------------------------------------------------------------------


@law(only="session")
async def a_receiver_that_does_not_take_is_sent_no_more(net: Net) -> None:
    """It keeps reading all the same, and so hears all that is no message."""
    limits = Limits(inbox=200_000, outbox=50_000)
    async with net.pair(limits=limits) as (ours, theirs):
        messages = [b"%05d" % number * 1000 for number in range(200)]
        sending = asyncio.create_task(ours.send_many(messages))
        await until_stalled(ours)
        assert theirs.inbox <= 200_000
        assert await theirs.ping() < 5
        assert await ours.ping() < 5
        assert [await theirs.recv() for _ in messages] == messages
        await sending


# -- the end ----------------------------------------------------------------------------------------------------------


@law(only="session")
async def both_know_how_it_ended(net: Net) -> None:
    async with net.pair() as (ours, theirs):
        await ours.send_many([b"one", b"two", b"three"])
        await theirs.send(b"unheard")
        assert [await theirs.recv() for _ in range(3)] == [b"one", b"two", b"three"]
        closing = asyncio.create_task(ours.close(300, "enough for today"))
        with pytest.raises(ClosedByPeer, match="enough for today") as closed:
            await theirs.recv()
        assert (closed.value.code, closed.value.reason) == (300, "enough for today")
        with pytest.raises(ClosedByPeer):
            await theirs.send(b"more")
        ending = await closing
        assert ending is not None
        assert (ending.how, ending.code, ending.reason, ending.by_peer) == ("closed", 300, "enough for today", False)
        assert (ending.sent, ending.delivered, ending.never_sent) == (3, 3, 0)
        await theirs.close()
        theirs_ending = theirs.ending
        assert theirs_ending is not None
        assert (theirs_ending.how, theirs_ending.code, theirs_ending.reason) == ("closed", 300, "enough for today")
        assert (theirs_ending.by_peer, theirs_ending.sent, theirs_ending.delivered) == (True, 1, 0)
        with pytest.raises(ClosedByUs):
            await ours.send(b"more")


@law(only="session")
async def goodbyes_that_cross_are_each_others_answers(net: Net) -> None:
    for _ in range(10):
        async with net.pair() as (ours, theirs):
            await asyncio.gather(ours.send(b"one"), theirs.send(b"two"))
            endings = await asyncio.gather(ours.close(1, "going"), theirs.close(300, "enough"))
            for ending in endings:
                assert ending is not None
                assert ending.how == "closed"
                assert ending.sent == 1
            assert len({(ending.code, ending.reason) for ending in endings if ending}) == 1


@law(only="session")
async def a_close_is_a_receipt(net: Net) -> None:
    """It says how many messages the other program was handed, exactly."""
    for taken in (0, 1, 50):
        async with net.pair() as (ours, theirs):
            await ours.send_many([b"%d" % number for number in range(50)])
            for number in range(taken):
                assert await theirs.recv() == b"%d" % number
            closing = asyncio.create_task(ours.close())
            if taken == 50:
                async with asyncio.timeout(5):  # and not Timeouts.close
                    await asyncio.shield(closing)
            else:
                await asyncio.sleep(0.01)
                assert not closing.done()
            await theirs.close()
            ending = await closing
            assert ending is not None
            assert (ending.sent, ending.delivered, ending.never_sent) == (50, taken, 0)


@law(only="session")
async def what_never_went_is_told(net: Net) -> None:
    async with net.raw_pair(buffers=8192, limits=Limits(outbox=1 << 20), timeouts=Timeouts(close=0.1)) as (_, peer):
        sent = 0
        while (await peer.send_for([b"x" * 50_000], 3)).start:
            sent += 1
        ending = await peer.close()
        assert ending is not None
        assert ending.how in ("unanswered", "lost")
        assert ending.unknown == ending.sent
        assert ending.sent + ending.never_sent == sent


@law(only="session")
async def the_end_of_messages_leaves_the_rest(net: Net) -> None:
    async def answer(body: bytes) -> bytes:
        return body

    async with net.pair(answer=answer) as (ours, theirs):
        await ours.send(b"last")
        await ours.send_eof()
        assert [message async for message in theirs] == [b"last"]
        assert ours.state is State.WE_ENDED
        assert theirs.state is State.PEER_ENDED
        for _ in range(2):
            with pytest.raises(ClosedByUs):
                await ours.send(b"more")
        await theirs.send(b"answer")
        assert await ours.recv() == b"answer"
        assert await ours.request(b"still?") == b"still?"
        assert await theirs.request(b"still!") == b"still!"
