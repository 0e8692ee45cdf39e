"""A network that loses packets, and one that is gone: what arrives is whole, and nobody is left to wait for ever."""

import socket
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import TypeVar

import pytest
from fire.effort import FIRE, seeds
from fire.forker import Job, Line
from fire.machines import ADDRESSES, Forbidden, Network
from fire.parties import PARTIES, Side
from fire.traffic import Traffic
from waiting import PATIENCE

from mezha import ClosedByPeer, ConnectionLost, SendTimeout, Timeouts

T = TypeVar("T")

every_flavour = pytest.mark.parametrize("flavour", PARTIES)
every_seed = pytest.mark.parametrize("seed", seeds(1))

#: Seconds that are too few for a network that is gone, and enough for one that is there.
SOON = 0.5
#: Messages in a row before their echoes are asked for.
_WINDOW = 20


@pytest.fixture(scope="module")
def machines() -> Generator[Network]:
    if sys.platform != "linux":
        pytest.skip("network namespaces are a thing of Linux")
    try:
        with Network() as network:
            yield network
    except Forbidden as refused:
        pytest.skip(f"this machine does not let this user make network namespaces and TUN devices: {refused}")


@pytest.fixture
def network(machines: Network) -> Generator[Network]:
    """A network in good order; a test may spoil it."""
    yield machines
    machines.loss = machines.doubles = machines.delay = 0.0
    machines.cut = False


def echoes(line: Line, flavour: str) -> int:
    """Send everything back, until the peer ends its stream; return how many messages that was."""
    party = PARTIES[flavour]

    async def side() -> int:
        listening = await party.listen(ADDRESSES[1])
        line.say(listening.port)
        peer = await party.accept(listening)
        listening.close()
        count = 0
        try:
            while True:
                await peer.send(await peer.recv(PATIENCE), PATIENCE)
                count += 1
        except ClosedByPeer:
            await peer.close()
        return count

    return party.run(side())


# -- packets get lost --------------------------------------------------------------------------------------------------


def converses(line: Line, flavour: str, port: int, seed: int, count: int) -> int:
    """Have messages echoed."""
    party, traffic = PARTIES[flavour], Traffic(seed, most=1 << 14)

    async def side() -> int:
        peer = await party.connect(ADDRESSES[1], port)
        for begin in range(0, count, _WINDOW):
            for message in traffic.messages(_WINDOW, begin):
                await peer.send(message, PATIENCE)
            for _ in range(_WINDOW):
                traffic.check(await peer.recv(PATIENCE))
        await peer.close()
        return traffic.checked

    return party.run(side())


@every_flavour
@every_seed
def test_a_network_that_loses_doubles_and_swaps_packets(flavour: str, seed: int, network: Network) -> None:
    count = 200 * FIRE
    network.seed(seed)
    network.loss, network.doubles, network.delay = 0.02, 0.02, 0.002
    before = network.lost
    one, other = network.machines
    with other.start(echoes, flavour) as echoing, one.start(converses, flavour, echoing.hear(), seed, count) as asking:
        assert asking.result(PATIENCE * FIRE) == count
        assert echoing.result() == count
    assert network.lost > before


# -- the network is gone -----------------------------------------------------------------------------------------------


async def _sends_until_it_waits(peer: Side, traffic: Traffic) -> int:
    """Send until there is no room any more; return how many messages are sent or will be."""
    count = 0
    try:
        while True:
            await peer.send(traffic.message(count), SOON)
            count += 1
    except SendTimeout as late:
        return count + late.sent
    except TimeoutError:  # cancelled: nothing of it was sent
        return count


def outlives(line: Line, flavour: str, port: int) -> int:
    """Send into an outage until it hurts, and have everything echoed when it is over."""
    party, traffic = PARTIES[flavour], Traffic(0, most=1 << 14)

    async def side() -> int:
        peer = await party.connect(ADDRESSES[1], port)
        line.say("connected")
        line.wait()
        with pytest.raises(TimeoutError):
            await peer.recv(0.1)
        count = await _sends_until_it_waits(peer, traffic)
        line.say("the network is gone")
        line.wait()
        while traffic.checked < count:
            traffic.check(await peer.recv(PATIENCE))
        await peer.send(traffic.message(count), PATIENCE)
        traffic.check(await peer.recv(PATIENCE))
        await peer.close()
        return traffic.checked

    return party.run(side())


@every_flavour
def test_an_outage_that_ends(flavour: str, network: Network) -> None:
    """Nothing is lost, nothing comes twice, and what was waiting goes first."""
    one, other = network.machines
    with other.start(echoes, flavour) as echoing, one.start(outlives, flavour, echoing.hear()) as sending:
        assert sending.hear() == "connected"
        network.cut = True
        sending.go_on()
        assert sending.hear() == "the network is gone"
        network.cut = False
        sending.go_on()
        assert sending.result() == echoing.result() > 1


def gives_up(line: Line, flavour: str, port: int) -> float:
    """Send into nowhere, and close; return how long the close took."""
    party, traffic = PARTIES[flavour], Traffic(0)

    async def side() -> float:
        peer = await party.connect(ADDRESSES[1], port, timeouts=Timeouts(close=SOON))
        line.say("connected")
        line.wait()
        await _sends_until_it_waits(peer, traffic)
        begun = time.monotonic()
        await peer.close()
        return time.monotonic() - begun

    return party.run(side())


def test_an_outage_that_does_not_end(network: Network) -> None:
    """``recv`` and ``send`` are over when their time is, and ``close`` when its is."""
    for flavour, seconds in _cut_off(network, gives_up).items():
        assert SOON / 2 < seconds < PATIENCE / 4, flavour


def _cut_off(network: Network, job: Callable[..., T], *arguments: object) -> dict[str, T]:
    """Cut the network when a job of each flavour is connected; return what they do. They wait at the same time."""
    one, other = network.machines
    with ExitStack() as stack:
        jobs: dict[str, Job] = {}
        for flavour in PARTIES:
            port = stack.enter_context(other.start(echoes, flavour)).hear()
            jobs[flavour] = stack.enter_context(one.start(job, flavour, port, *arguments))
        for each in jobs.values():
            assert each.hear() == "connected"
        network.cut = True
        for each in jobs.values():
            each.go_on()
        return {flavour: each.result() for flavour, each in jobs.items()}


def calls_in_vain(line: Line, flavour: str) -> str:
    party = PARTIES[flavour]

    async def side() -> str:
        with pytest.raises(TimeoutError) as late:
            await party.connect(ADDRESSES[1], 9, timeouts=Timeouts(connect=SOON))
        return str(late.value)

    return party.run(side())


@every_flavour
def test_nobody_is_there_to_connect_to(flavour: str, network: Network) -> None:
    network.cut = True
    assert network.machines[0].run(calls_in_vain, flavour)


# -- the other machine is gone -----------------------------------------------------------------------------------------


def is_remembered_no_more(line: Line, flavour: str, port: int) -> str:
    party = PARTIES[flavour]

    async def side() -> str:
        peer = await party.connect(ADDRESSES[1], port)
        await peer.send(b"Hello!")
        assert await peer.recv(PATIENCE) == b"Hello!"
        line.say("connected")
        line.wait()
        await peer.send(b"Hello?")
        with pytest.raises(ConnectionLost) as lost:
            await peer.recv(PATIENCE)
        with pytest.raises(ConnectionLost):
            await peer.send(b"Hello?")
        await peer.close()
        return type(lost.value.__cause__).__name__

    return party.run(side())


@every_flavour
def test_the_other_machine_has_started_anew(flavour: str, network: Network) -> None:
    """The connection is half-open: this side has it, the other does not know it."""
    one, other = network.machines
    with other.start(echoes, flavour) as echoing, one.start(is_remembered_no_more, flavour, echoing.hear()) as asking:
        assert asking.hear() == "connected"
        network.restart(1)
        asking.go_on()
        assert asking.result() == "ConnectionResetError"


def has_the_system_ask(line: Line, flavour: str, port: int, speaks: bool) -> str:
    """Wait for a peer that is gone, as the guide has it: with options of the system set before ``wrap``."""
    party = PARTIES[flavour]

    async def side() -> str:
        sock = socket.create_connection((ADDRESSES[1], port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 500)
        peer = await party.wrap(sock)
        line.say("connected")
        line.wait()
        if speaks:
            await peer.send(b"Hello?")
        with pytest.raises(ConnectionLost) as lost:
            await peer.recv(PATIENCE)
        await peer.close()
        return type(lost.value.__cause__).__name__

    return party.run(side())


@pytest.mark.parametrize("speaks", [False, True])
def test_the_other_machine_is_gone_and_the_system_asks_after_it(speaks: bool, network: Network) -> None:
    assert _cut_off(network, has_the_system_ask, speaks) == dict.fromkeys(PARTIES, "TimeoutError")
