"""Laws of memory: a slow reader slows the sender down, and neither side keeps more than its limits say."""

import asyncio
import tracemalloc
from collections.abc import Iterator

from mezha import Limits
from mezha.testing.conformance.flavour import until, until_stalled
from mezha.testing.conformance.net import Net, law

SIZE = 10_000
COUNT = 500
LIMITS = Limits(inbox=50_000, outbox=50_000)
#: What a flavour may read at once, and what the layers of TLS keep.
READ = 256 << 10
TLS = 1 << 20


def _messages() -> Iterator[bytes]:
    for number in range(COUNT):
        yield b"%05d" % number * (SIZE // 5)


@law()
async def a_slow_reader_slows_the_sender_down(net: Net) -> None:
    most = 0

    def watched() -> Iterator[bytes]:
        nonlocal most
        for message in _messages():
            most = max(most, peer.queued)
            yield message

    async with net.raw_pair(limits=LIMITS, buffers=65536) as (raw, peer):
        tracemalloc.start()
        try:
            sending = asyncio.create_task(peer.send_many(watched()))
            await until_stalled(peer)
            memory, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        frame = SIZE + 4
        assert max(peer.queued, most + frame) <= 2 * LIMITS.outbox + 2 * frame + net.flavour.gathers
        assert memory < 1_000_000
        stream = await raw.read_until(COUNT)
        await sending
        assert net.messages_in(stream) == list(_messages())


@law(only="bare")
async def a_slow_receiver_slows_the_peer_down(net: Net) -> None:
    messages = list(_messages())
    async with net.raw_pair(limits=LIMITS, buffers=65536) as (raw, peer):
        assert await peer.recv_for(10) is None
        tracemalloc.start()
        try:
            sending = asyncio.create_task(raw.send(net.frames(messages)))
            assert await peer.recv() == messages[0]
            done, _ = await asyncio.wait([sending], timeout=0.1)
            assert not done
        finally:
            tracemalloc.stop()
        assert peer.inbox <= LIMITS.inbox + READ
        assert [await peer.recv() for _ in messages[1:]] == messages[1:]
        await sending
        assert peer.inbox == 0


@law(only="bare")
async def a_message_larger_than_the_inbox_is_read_to_its_end(net: Net) -> None:
    """While it is unfinished reading goes on; and no further than it needs."""
    large = [bytes([number]) * 900_000 for number in range(5)]
    async with net.raw_pair(limits=LIMITS) as (raw, peer):
        sending = asyncio.create_task(raw.send(net.frames(large)))
        for message in large:
            assert await peer.recv() == message
            assert peer.inbox <= LIMITS.inbox + READ + len(message)
        await sending


@law(only="bare")
async def a_length_that_lies_costs_nothing(net: Net) -> None:
    async with net.raw_pair(limits=Limits(max_message=1 << 30)) as (raw, peer):
        tracemalloc.start()
        try:
            raw.push((1 << 30).to_bytes(4, "big") + b"x")
            await until(lambda: True)
            assert await peer.recv_for(30) is None
            memory, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert memory < 1_000_000
