"""Laws of sending: all of a message or nothing of it, in order, whoever sends and whenever a ``send`` is given up."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from mezha import ClosedByPeer, ClosedByUs, Limits, Lines, LocalProtocolError
from mezha.engine import State
from mezha.testing.conformance.flavour import Peer, until_stalled
from mezha.testing.conformance.net import Net, Raw, law

LARGE = Limits(max_message=32 << 20)
SENDERS = 50
EACH = 20


async def _sent_to(net: Net, raw: Raw, peer: Peer, read: bytes = b"") -> list[bytes]:
    """Close the peer, and return what the scripted one still reads, behind what it has read."""
    _, stream = await asyncio.gather(peer.close(), raw.read_all())
    return net.messages_in(read + stream)


@law()
async def many_are_as_one_by_one(net: Net) -> None:
    sent = [b"%d" % number * (number % 90) for number in range(1000)] + [b"x" * 300_000, b"", b"y" * 9000]
    async with net.raw_pair() as (raw, peer):
        _, read = await asyncio.gather(peer.send_many(iter(sent)), raw.read_until(len(sent)))
        for message in sent[:100]:
            await peer.send(message)
        await peer.send_many([])
        await peer.send_many(sent[:100])
        assert await _sent_to(net, raw, peer, read) == sent + sent[:100] * 2


@law()
async def a_buffer_may_be_used_again(net: Net) -> None:
    sent = [bytes([number]) * (10 + number * 300) for number in range(60)]
    expected = [*sent, *sent, b"z" * 100_000, *sent]
    async with net.raw_pair(buffers=8192, limits=Limits(outbox=1000)) as (raw, peer):
        reading = asyncio.create_task(raw.read_until(len(expected)))
        for message in sent:
            buffer = bytearray(message)
            await peer.send(buffer)
            buffer[:] = b"-" * len(buffer)
            buffer += b"longer"  # nobody may hold it any more
        for message in sent:
            buffer = bytearray(message)
            await peer.send(memoryview(buffer)[: len(buffer)])
            buffer[:] = b"-" * len(buffer)
        buffer = bytearray(b"z" * 100_000)
        await peer.send_many([buffer])
        buffer.clear()

        def one_buffer() -> Iterator[bytearray]:
            for message in sent:
                buffer[:] = message
                yield buffer

        await peer.send_many(one_buffer())
        assert net.messages_in(await reading) == expected


@law()
async def any_bytes_are_a_message(net: Net) -> None:
    wide = memoryview(bytes(range(16))).cast("I")
    async with net.raw_pair() as (raw, peer):
        await peer.send_many([b"bytes", bytearray(b"bytearray"), memoryview(b"memoryview"), wide])
        await peer.send(wide)
        assert await _sent_to(net, raw, peer) == [b"bytes", b"bytearray", b"memoryview", bytes(wide), bytes(wide)]


@law()
async def send_given_up_at_any_point_tears_nothing(net: Net) -> None:
    """The peer reads a little now and then, so that room comes at any point of any send."""
    async with net.raw_pair(buffers=8192, limits=Limits(outbox=2000)) as (raw, peer):
        expected: list[bytes] = []
        read = bytearray()
        for moment in range(60):
            read += raw.sip(moment * 200)
            for size in (10, 3000):
                message = b"%d," % moment * size
                if (await peer.send_for([message], moment % 15)).start:
                    expected.append(message)
        assert 0 < len(expected) < 120
        await _send_last(peer, raw, read)
        assert net.messages_in(read) == [*expected, b"last"]


@law()
async def send_many_given_up_at_any_point_tears_nothing(net: Net) -> None:
    def message(moment: int, number: int) -> bytes:
        return b"%d,%d," % (moment, number) + b"." * (number % 100)

    async with net.raw_pair(buffers=8192, limits=Limits(outbox=2000)) as (raw, peer):
        counts: list[range] = []
        read = bytearray()
        for moment in range(40):
            read += raw.sip(moment * 500)
            counts.append(await peer.send_for([message(moment, number) for number in range(1000)], moment % 15))
        assert any(0 < count.start < 1000 for count in counts)
        await _send_last(peer, raw, read)
        *got, last = net.messages_in(read)
        assert last == b"last"
        sent = iter(got)
        for moment, count in enumerate(counts):
            several = sum(found.startswith(b"%d," % moment) for found in got)
            assert several in count
            assert list(itertools.islice(sent, several)) == [message(moment, number) for number in range(several)]
        assert not list(sent)


@law()
async def huge_send_given_up_tears_nothing(net: Net) -> None:
    huge = b"0123456789abcdef" * (20_000_000 // 16)
    async with net.raw_pair(limits=LARGE) as (raw, peer):
        expected: list[bytes] = []
        read = bytearray()
        for moment in (0, 1, 5):
            if (await peer.send_for([huge], moment)).start:
                expected.append(huge)
            read += raw.sip(100_000)
        await _send_last(peer, raw, read)
        assert net.messages_in(read) == [*expected, b"last"]


async def _send_last(peer: Peer, raw: Raw, read: bytearray) -> None:
    """Send something else, and close, while the scripted peer reads all there is."""
    reading = asyncio.create_task(raw.read_all())
    await peer.send(b"last")
    await peer.close()
    read += await reading


@law()
async def senders_at_once_never_interleave(net: Net) -> None:
    def message(sender: int, number: int) -> bytes:
        return b"%d,%d," % (sender, number) + b"%d" % (sender % 10) * (number * number * 40)

    async with net.pair(limits=Limits(outbox=5000)) as (ours, theirs):

        async def send(sender: int) -> None:
            if sender % 5:
                for number in range(EACH):
                    await ours.send(message(sender, number))
            else:
                await ours.send_many(message(sender, number) for number in range(EACH))

        sending = [asyncio.create_task(send(sender)) for sender in range(SENDERS)]
        next_of = dict.fromkeys(range(SENDERS), 0)
        for _ in range(SENDERS * EACH):
            got = await theirs.recv()
            sender = int(got.partition(b",")[0])
            assert got == message(sender, next_of[sender])
            next_of[sender] += 1
        await asyncio.gather(*sending)


@law()
async def both_sides_send_at_once(net: Net) -> None:
    sent = [b"%d" % number * 2000 for number in range(300)]
    async with net.pair() as (ours, theirs):

        async def receive(peer: Peer) -> list[bytes]:
            return [await peer.recv() for _ in sent]

        _, _, *got = await asyncio.gather(ours.send_many(sent), theirs.send_many(sent), receive(ours), receive(theirs))
        assert got == [sent, sent]


@law()
async def senders_given_up_let_the_others_go_on(net: Net) -> None:
    """Of those who wait for room, some give up, in any order; the rest are sent in theirs."""
    fill = [b"fill" * 1000] * 400
    some = [b"%d" % number for number in range(10)]
    async with net.raw_pair(buffers=8192, limits=Limits(outbox=2000)) as (raw, peer):
        filling = asyncio.create_task(peer.send_many(fill))
        await until_stalled(peer)
        waiting = [asyncio.create_task(peer.send(message)) for message in some]
        given_up = [await peer.send_for([b"given up"], moment) for moment in range(10)]
        assert not any(count.start for count in given_up)
        read = bytearray(await raw.read_until(len(fill + some)))
        await asyncio.gather(filling, *waiting)
        await _send_last(peer, raw, read)
        assert sorted(net.messages_in(read)) == sorted([*fill, *some, b"last"])


@law()
async def a_turn_given_up_is_the_next_ones(net: Net) -> None:
    """At each step the first of those who wait gives up, while room comes at any of them."""
    fill = [b"fill" * 1000] * 400
    async with net.raw_pair(buffers=8192, limits=Limits(outbox=2000)) as (raw, peer):
        filling = asyncio.create_task(peer.send_many(fill))
        await until_stalled(peer)
        waiting = [asyncio.create_task(peer.send_for([b"given up"], moment)) for moment in range(60)]
        sending = [asyncio.create_task(peer.send(b"%d" % number)) for number in range(10)]
        read = bytearray()
        for _ in range(60):
            read += raw.sip(10_000)
            await asyncio.sleep(0)
        reading = asyncio.create_task(raw.read_all())
        counts = await asyncio.gather(*waiting)
        await asyncio.gather(filling, *sending)
        await peer.close()
        read += await reading
        sent = [b"given up"] * sum(count.start for count in counts) + [b"%d" % number for number in range(10)]
        assert sorted(net.messages_in(read)) == sorted(fill + sent)


@law("tcp", "unix", only="bare")
async def half_close_leaves_the_other_half(net: Net) -> None:
    async with net.raw_pair() as (raw, peer):
        await peer.send_many([b"x" * 100_000, b"last"])
        _, stream = await asyncio.gather(peer.send_eof(), raw.read_all())
        assert net.messages_in(stream) == [b"x" * 100_000, b"last"]
        for _ in range(2):
            with pytest.raises(ClosedByUs):
                await peer.send(b"more")
        with pytest.raises(ClosedByUs):
            await peer.send_many([b"more"])
        assert peer.state is State.WE_ENDED
        answers = [b"%d" % number * 100 for number in range(3000)]
        sending = asyncio.create_task(raw.send(net.frames(answers)))
        assert [await peer.recv() for _ in answers] == answers
        await sending
        raw.end()
        with pytest.raises(ClosedByPeer):
            await peer.recv()
        assert peer.state.value == "closed"


@law("tcp", "unix", only="bare")
async def half_close_waits_for_what_is_under_way(net: Net) -> None:
    sent = [bytes([number]) * 100_000 for number in range(20)]
    async with net.pair() as (ours, theirs):

        async def send() -> None:
            await ours.send_many(sent)
            await ours.send_eof()

        _, got = await asyncio.gather(send(), theirs.recv_all())
        assert got == sent
        assert theirs.state is State.PEER_ENDED
        await theirs.send(b"answer")
        assert await ours.recv() == b"answer"


@law("tls", only="bare")
async def half_close_is_refused_by_tls(net: Net) -> None:
    async with net.pair() as (ours, theirs):
        with pytest.raises(LocalProtocolError, match="TLS"):
            await ours.send_eof()
        await ours.send(b"unharmed")
        assert await theirs.recv() == b"unharmed"
        await theirs.send(b"both ways")
        assert await ours.recv() == b"both ways"


@law()
async def a_mistake_leaves_the_connection_unharmed(net: Net) -> None:
    async with net.raw_pair(limits=Limits(max_message=100)) as (raw, peer):
        with pytest.raises(LocalProtocolError, match=r"101 bytes.*100") as refused:
            await peer.send(b"x" * 101)
        assert (refused.value.size, refused.value.limit, refused.value.sent) == (101, 100, 0)
        with pytest.raises(LocalProtocolError) as refused:
            await peer.send_many([b"one", b"x" * 100, b"x" * 102, b"never"])
        assert (refused.value.size, refused.value.limit, refused.value.sent) == (102, 100, 2)
        for wrong in ("text", 5, None, [b"bytes"]):
            with pytest.raises(TypeError, match=r"encode\(\)" if wrong == "text" else "bytes"):
                await peer.send(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError):
            await peer.send_many([b"two", "text"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]

        def interrupted() -> Iterator[bytes]:
            yield b"three"
            raise RuntimeError("the iterable failed")

        with pytest.raises(RuntimeError, match="the iterable failed"):
            await peer.send_many(interrupted())
        assert peer.state is State.OPEN
        await peer.send(b"four")
        assert await _sent_to(net, raw, peer) == [b"one", b"x" * 100, b"two", b"three", b"four"]


@law(only="bare")
async def what_the_framing_cannot_carry_is_refused(net: Net) -> None:
    async with net.raw_pair(Lines()) as (raw, peer):
        with pytest.raises(LocalProtocolError, match="line feed"):
            await peer.send(b"two\nlines")
        with pytest.raises(LocalProtocolError, match="carriage return") as refused:
            await peer.send_many([b"one", b"two\r", b"three"])
        assert (refused.value.sent, refused.value.size, refused.value.limit) == (1, None, None)
        await peer.send(b"two")
        _, stream = await asyncio.gather(peer.close(), raw.read_all())
        assert stream == b"one\ntwo\n"
