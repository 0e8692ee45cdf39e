"""A side is killed at a random point: the other has what arrived whole, a documented error, and nothing else."""

import random
import signal
from collections.abc import Generator

import pytest
from fire.effort import seeds
from fire.forker import Forker, Job, Line
from fire.leaks import leaves_nothing
from fire.parties import PARTIES, Side
from fire.traffic import Traffic
from waiting import PATIENCE

from mezha import ClosedByPeer, ConnectionLost, TruncatedMessage

every_flavour = pytest.mark.parametrize("flavour", PARTIES)
every_seed = pytest.mark.parametrize("seed", seeds(4))


@pytest.fixture(scope="module")
def forker() -> Generator[Forker]:
    with Forker() as it:
        yield it


def sends(line: Line, flavour: str, port: int, seed: int) -> None:
    """Send for ever."""
    party, traffic = PARTIES[flavour], Traffic(seed)

    async def side() -> None:
        peer = await party.connect("127.0.0.1", port)
        number = 0
        while True:
            await peer.send(traffic.message(number), PATIENCE)
            number += 1

    party.run(side())


def echoes(line: Line, flavour: str, port: int) -> None:
    """Send everything back, for ever."""
    party = PARTIES[flavour]

    async def side() -> None:
        peer = await party.connect("127.0.0.1", port)
        while True:
            await peer.send(await peer.recv(PATIENCE), PATIENCE)

    party.run(side())


@every_flavour
@every_seed
def test_a_sender_is_killed(flavour: str, seed: int, forker: Forker) -> None:
    party, traffic = PARTIES[flavour], Traffic(seed)
    last = random.Random(seed).randrange(400)

    async def receives(peer: Side, job: Job) -> None:
        while True:
            if traffic.checked == last:
                job.signal(signal.SIGKILL)
            traffic.check(await peer.recv(PATIENCE))

    async def survivor() -> None:
        listening = await party.listen()
        with forker.start(sends, flavour, listening.port, seed) as job:
            peer = await party.accept(listening)
            listening.close()
            with pytest.raises((ClosedByPeer, TruncatedMessage, ConnectionLost)) as ended:
                await receives(peer, job)
            with pytest.raises(ended.type):
                await peer.recv(PATIENCE)
            await peer.close()
        assert traffic.checked >= last

    with leaves_nothing():
        party.run(survivor())


@every_flavour
@every_seed
def test_whoever_answers_is_killed(flavour: str, seed: int, forker: Forker) -> None:
    """It has messages unread, as a rule: that makes it a reset."""
    party, traffic = PARTIES[flavour], Traffic(seed, most=1 << 14)
    last = random.Random(seed).randrange(100)

    async def converses(peer: Side, job: Job) -> None:
        while True:
            for message in traffic.messages(3, traffic.checked):
                await peer.send(message, PATIENCE)
            if traffic.checked >= last:
                job.signal(signal.SIGKILL)
            for _ in range(3):
                traffic.check(await peer.recv(PATIENCE))

    async def sends_more(peer: Side) -> None:
        while True:
            await peer.send(b"more", PATIENCE)

    async def survivor() -> None:
        listening = await party.listen()
        with forker.start(echoes, flavour, listening.port) as job:
            peer = await party.accept(listening)
            listening.close()
            with pytest.raises((ClosedByPeer, TruncatedMessage, ConnectionLost)):
                await converses(peer, job)
            job.ended()
            with pytest.raises(ConnectionLost):
                await sends_more(peer)
            await peer.close()
        assert traffic.checked >= last

    with leaves_nothing():
        party.run(survivor())
