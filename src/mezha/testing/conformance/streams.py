"""Laws of large messages and streams: they are messages like others, and let others through."""

import asyncio
from collections.abc import Iterator

import pytest

from mezha import Limits, LocalProtocolError, MessageDropped
from mezha.testing.conformance.flavour import until_stalled
from mezha.testing.conformance.net import Net, law

LARGE = Limits(max_message=8 << 20)
PIECES = [bytes([number]) * (number * 300 + 1) for number in range(1, 100)] + [b"z" * 200_000]


@law(only="session")
async def a_stream_is_one_message(net: Net) -> None:
    whole = b"".join(PIECES)
    async with net.pair(limits=Limits(max_message=len(whole))) as (ours, theirs):
        for sent in (PIECES, [whole], [], [b""], [b"a", b"", b"b"]):
            sending = asyncio.create_task(ours.send_stream(sent))
            assert await theirs.recv() == b"".join(sent)
            await sending
            sending = asyncio.create_task(ours.send_stream(sent))
            assert b"".join(await theirs.recv_stream()) == b"".join(sent)
            await sending
        await ours.send(b"small")
        assert await theirs.recv_stream() == [b"small"]


@law(only="session")
async def messages_keep_their_order_around_a_stream(net: Net) -> None:
    async with net.pair(limits=LARGE) as (ours, theirs):
        sending = [asyncio.create_task(ours.send(b"before"))]
        await asyncio.gather(*sending)
        sending = [asyncio.create_task(ours.send_stream(PIECES))]
        await asyncio.sleep(0.005)
        sending += [asyncio.create_task(ours.send(b"behind"))]
        got = [await theirs.recv() for _ in range(3)]
        await asyncio.gather(*sending)
        assert got == [b"before", b"".join(PIECES), b"behind"]


@law(only="session")
async def a_stream_that_is_left_is_gone(net: Net) -> None:
    async with net.pair(limits=LARGE) as (ours, theirs):

        async def send() -> None:
            await ours.send_stream(PIECES)
            await ours.send(b"next")

        for most in (0, 1, 3):
            sending = asyncio.create_task(send())
            got = await theirs.recv_stream(most)
            assert b"".join(PIECES).startswith(b"".join(got))
            assert await theirs.recv() == b"next"
            await sending


@law(only="session")
async def a_source_that_fails_is_no_message(net: Net) -> None:
    def failing(count: int) -> Iterator[bytes]:
        yield from [b"x" * 100_000] * count
        raise RuntimeError("the disk is gone")

    async with net.pair(limits=Limits(inbox=256 << 10)) as (ours, theirs):
        streaming = asyncio.create_task(theirs.recv_stream())
        with pytest.raises(RuntimeError, match="disk"):
            await ours.send_stream(failing(9))  # more than there is credit for, before the other side has begun to read
        with pytest.raises(MessageDropped, match="its source failed"):
            await streaming
        with pytest.raises(RuntimeError, match="disk"):
            await ours.send_stream(failing(1))
        await ours.send(b"unharmed")
        assert await theirs.recv() == b"unharmed"


@law(only="session")
async def a_stream_over_the_limit_is_given_up(net: Net) -> None:
    async with net.pair(limits=Limits(max_message=150_000)) as (ours, theirs):
        with pytest.raises(LocalProtocolError, match="150000"):
            await ours.send_stream([b"x" * 60_000] * 3)
        await ours.send(b"unharmed")
        assert await theirs.recv() == b"unharmed"


@law(only="session")
async def a_large_message_starves_nobody(net: Net) -> None:
    """Nobody receives; what is not a message passes all the same, in both directions."""

    async def answer(body: bytes) -> bytes:
        return body

    async with net.pair(limits=LARGE, answer=answer) as (ours, theirs):
        sending = asyncio.create_task(ours.send(b"x" * (8 << 20)))
        await until_stalled(ours) if net.flavour.name == "blocking" else await asyncio.sleep(0.05)
        assert await ours.request(b"may I?") == b"may I?"
        assert await theirs.request(b"me, too?") == b"me, too?"
        assert await ours.ping() < 5
        assert await theirs.ping() < 5
        assert await theirs.recv() == b"x" * (8 << 20)
        await sending


@law(only="session")
async def who_receives_while_a_stream_is_open_is_told(net: Net) -> None:
    async with net.pair() as (ours, theirs):

        async def stream() -> list[bytes]:
            return await theirs.recv_stream()

        streaming = asyncio.create_task(stream())
        opened = asyncio.Event()

        def pieces() -> Iterator[bytes]:
            yield b"x" * 70_000
            opened.set()
            yield b"y" * 70_000

        await ours.send_stream(pieces())
        assert b"".join(await streaming) == b"x" * 70_000 + b"y" * 70_000
        assert opened.is_set()
