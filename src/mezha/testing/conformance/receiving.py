"""Laws of receiving: whole, in order, however the stream is cut, and whenever a ``recv`` is given up."""

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from mezha import (
    ClosedByPeer,
    Delimited,
    FixedSize,
    Framing,
    LengthPrefixed,
    Limits,
    Lines,
    Netstring,
    VarintPrefixed,
)
from mezha.testing.conformance.flavour import until
from mezha.testing.conformance.net import U32, Net, law
from mezha.testing.cuts import byte_by_byte, pieces
from mezha.testing.strategies import cuttings, messages

FRAMINGS: list[Framing] = [
    LengthPrefixed(4),
    LengthPrefixed(2, "little"),
    VarintPrefixed(),
    Netstring(),
    Delimited(b"\0\0"),
    Lines(),
    FixedSize(3),
]
SOME = settings(max_examples=5)
LIMIT = 1000


def _framings(net: Net) -> Sequence[Framing | None]:
    """Return what may be spoken; None is the mezha protocol."""
    return FRAMINGS if net.bare else [None]


def _messages(framing: Framing | None) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=200) if framing is None else messages(framing)


@law()
def any_cut_same_messages(net: Net) -> None:
    for framing in _framings(net):
        pair = net.raw_pair(framing)
        raw, peer = net.run(pair.__aenter__())

        @SOME
        @given(st.data())
        def check(data: st.DataObject) -> None:
            sent = data.draw(st.lists(_messages(framing), min_size=1, max_size=5))  # noqa: B023 - called at once
            cut = data.draw(cuttings(net.frames(sent, framing)))  # noqa: B023

            async def exchange() -> None:
                for piece in cut:
                    raw.push(piece)  # noqa: B023
                    await asyncio.sleep(0)
                assert [await peer.recv() for _ in sent] == sent  # noqa: B023

            net.run(exchange())

        check()
        net.run(pair.__aexit__(None, None, None))


@law()
def one_send_is_one_recv(net: Net) -> None:
    for framing in _framings(net):
        pair = net.pair(framing)
        ours, theirs = net.run(pair.__aenter__())

        @SOME
        @given(st.lists(_messages(framing), min_size=1, max_size=5), st.booleans())
        def check(sent: list[bytes], many: bool) -> None:
            async def exchange() -> None:
                if many:
                    await ours.send_many(sent)  # noqa: B023 - called at once
                    got: list[bytes] = []
                    while len(got) < len(sent):
                        got += await theirs.recv_many(len(sent) - len(got))  # noqa: B023
                else:
                    for message in sent:
                        await ours.send(message)  # noqa: B023
                    got = [await theirs.recv() for _ in sent]  # noqa: B023
                assert got == sent

            net.run(exchange())

        check()
        net.run(pair.__aexit__(None, None, None))


@law()
async def empty_and_largest_messages_pass(net: Net) -> None:
    for framing in _framings(net):
        if isinstance(framing, FixedSize):
            continue
        async with net.pair(framing, limits=Limits(max_message=LIMIT)) as (ours, theirs):
            sizes = (0, 1, LIMIT - 1, LIMIT, 0, 0, LIMIT)
            for size in sizes:
                await ours.send(bytes(b"x" * size))
            assert [len(await theirs.recv()) for _ in sizes] == list(sizes)


@law()
async def messages_larger_than_every_buffer_pass(net: Net) -> None:
    limits = Limits(max_message=4 << 20, inbox=1000, outbox=1000)
    async with net.pair(limits=limits) as (ours, theirs):
        sent = [bytes([number]) * size for number, size in enumerate((3 << 20, 0, 300_000, 70_000, 4 << 20))]
        sending = asyncio.create_task(ours.send_many(sent))
        assert [await theirs.recv() for _ in sent] == sent
        await sending


@law()
async def recv_many_hands_out_runs(net: Net) -> None:
    sent = [b"%d" % number for number in range(1000)]
    async with net.raw_pair(limits=Limits(inbox=500)) as (raw, peer):
        await raw.send(net.frames(sent))
        got: list[bytes] = []
        while len(got) < len(sent):
            run = await peer.recv_many(7)
            assert 1 <= len(run) <= 7
            got += run
        assert got == sent
        for count in (0, -1):
            try:
                await peer.recv_many(count)
            except ValueError:
                continue
            raise AssertionError(f"recv_many({count}) is nonsense")
        raw.push(net.frames(sent[:3]))
        assert await peer.recv() == sent[0]  # the connection is unharmed


@law()
async def iteration_ends_where_the_peer_does(net: Net) -> None:
    sent = [b"", *(b"%d" % number for number in range(100)), b""]
    async with net.raw_pair() as (raw, peer):
        raw.push(net.frames(sent))
        raw.end()
        assert [message async for message in peer] == sent
        assert [message async for message in peer] == []


@law()
async def recv_given_up_between_any_two_bytes_loses_nothing(net: Net) -> None:
    for framing in (U32, Lines()) if net.bare else (None,):
        sent = [b"Hello!", b"", b"World!"]
        async with net.raw_pair(framing) as (raw, peer):
            got: list[bytes] = []
            for moment in (0, 1, 3, 7):
                for piece in byte_by_byte(net.frames(sent, framing)):
                    raw.push(piece)
                    if (message := await peer.recv_for(moment)) is not None:
                        got.append(message)
            while len(got) < 4 * len(sent):
                got.append(await peer.recv())
            assert got == 4 * sent


@law()
async def recv_given_up_at_any_step_loses_nothing(net: Net) -> None:
    sent = [b"%d" % number * 50 for number in range(4)]
    stream = net.frames(sent)
    async with net.raw_pair() as (raw, peer):
        for moment in range(20):
            got: list[bytes] = []
            for piece in pieces(stream, len(stream) // 5 + moment):
                raw.push(piece)
                if (message := await peer.recv_for(moment)) is not None:
                    got.append(message)
            while len(got) < len(sent):
                got.append(await peer.recv())
            assert got == sent


@law(only="bare")
async def recv_given_up_in_a_large_message_loses_nothing(net: Net) -> None:
    sent = [bytes([number]) * 1_000_000 for number in range(3)]
    async with net.raw_pair(limits=Limits(max_message=1_000_000)) as (raw, peer):
        sending = asyncio.create_task(raw.send(net.frames(sent)))
        got: list[bytes] = []
        for moment in range(1000):
            if (message := await peer.recv_for(moment % 9)) is not None:
                got.append(message)
            if len(got) == len(sent):
                break
        while len(got) < len(sent):
            got.append(await peer.recv())
        assert got == sent
        await sending


@law()
async def receivers_at_once_each_get_whole_messages(net: Net) -> None:
    sent = [b"%05d" % number * (number % 50) + b"%05d" % number for number in range(2000)]
    async with net.raw_pair(limits=Limits(inbox=1 << 20)) as (raw, peer):

        async def receive() -> list[bytes]:
            return [message async for message in peer]

        async def receive_in_runs() -> list[bytes]:
            got: list[bytes] = []
            try:
                while True:
                    got += await peer.recv_many(3)
            except ClosedByPeer:
                return got

        receivers = [asyncio.create_task(receive()) for _ in range(4)]
        receivers += [asyncio.create_task(receive_in_runs()) for _ in range(4)]
        await until(lambda: peer.receiving)
        await raw.send(net.frames(sent))
        raw.end()
        got = await asyncio.gather(*receivers)
        for some in got:
            assert some == sorted(some, key=lambda message: message[-5:])
        assert sorted(message for some in got for message in some) == sorted(sent)
