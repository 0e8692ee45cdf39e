"""What befalls the process itself: signals, a fork in the middle, an end with messages still to be sent."""

import os
import random
import signal
import socket
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from child import Child
from fire.effort import FIRE, seeds
from fire.forker import Forker, Line
from fire.leaks import leaves_nothing
from fire.parties import FRAMING, HOST, PARTIES, Side
from fire.traffic import Traffic
from waiting import PATIENCE

from mezha import ClosedByPeer, ConnectionLost, TruncatedMessage
from mezha.blocking import Peer, connect, wrap

_TESTS = Path(__file__).resolve().parent.parent

every_flavour = pytest.mark.parametrize("flavour", PARTIES)


@pytest.fixture(scope="module")
def forker() -> Generator[Forker]:
    with Forker() as it:
        yield it


def _check_to_the_end(peer: Peer, traffic: Traffic) -> type[Exception]:
    """Check messages until the stream ends; return how it did."""
    try:
        while True:
            traffic.check(peer.recv(timeout=PATIENCE))
    except (ClosedByPeer, ConnectionLost, TruncatedMessage) as end:
        return type(end)


# -- signals -----------------------------------------------------------------------------------------------------------


def converses_in_a_storm(line: Line, flavour: str, count: int) -> int:
    """Have messages echoed by another thread's peer, while signals come all the time; return how many came."""
    party = PARTIES[flavour]
    signals = 0

    def handle(*_: object) -> None:
        nonlocal signals
        signals += 1

    async def echo(peer: Side) -> None:
        while True:
            await peer.send(await peer.recv(PATIENCE), PATIENCE)

    async def side() -> None:
        traffic = Traffic(0, most=1 << 16)
        async with party.serve(echo) as server:
            peer = await party.connect(HOST, server.port)
            signal.signal(signal.SIGALRM, handle)
            signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
            while traffic.checked < count or signals < count:
                await peer.send(traffic.message(traffic.checked), PATIENCE)
                traffic.check(await peer.recv(PATIENCE))
            signal.setitimer(signal.ITIMER_REAL, 0)
            await peer.close()

    with leaves_nothing():
        party.run(side())
    return signals


@every_flavour
def test_a_storm_of_signals(flavour: str, forker: Forker) -> None:
    """Their handlers do no harm. For those that raise, see the tests of the blocking peer."""
    count = 300 * FIRE
    assert forker.run(converses_in_a_storm, flavour, count) >= count


_PROGRAM = """
import sys
import warnings
warnings.simplefilter("default", ResourceWarning)  # as an error it keeps uvloop from ending
sys.path.insert(0, sys.argv[1])
from fire.parties import HOST, PARTIES
from fire.traffic import Traffic

party, port, seed, patience = PARTIES[sys.argv[2]], int(sys.argv[3]), int(sys.argv[4]), eval(sys.argv[5])
traffic = Traffic(seed, most=1 << 14)

async def side():
    peer = await party.connect(HOST, port)
    number = 0
    try:
        while True:
            await peer.send(traffic.message(number), patience)
            number += 1
    except TimeoutError:
        return  # and leave everything as it is
    except BaseException:
        await peer.close()
        raise

party.run(side())
"""


def _program(listening: socket.socket, flavour: str, seed: int, patience: float | None) -> Child:
    """Start a program that sends until it loses patience; or until something else ends it, and then it closes."""
    return Child(_PROGRAM, _TESTS, flavour, listening.getsockname()[1], seed, patience)


@every_flavour
@pytest.mark.parametrize("seed", seeds(1))
def test_a_program_that_is_interrupted(flavour: str, seed: int) -> None:
    """Ctrl-C comes at a random moment: what was sent arrives, up to some message, and the end is an orderly one."""
    traffic = Traffic(seed, most=1 << 14)
    last = random.Random(seed).randrange(1, 300)
    with (
        socket.create_server((HOST, 0)) as listening,
        _program(listening, flavour, seed, None) as program,
        wrap(listening.accept()[0], FRAMING) as peer,
    ):
        while traffic.checked < last:
            traffic.check(peer.recv(timeout=PATIENCE))
        program.send_signal(signal.SIGINT)
        assert _check_to_the_end(peer, traffic) in (ClosedByPeer, ConnectionLost, TruncatedMessage)
        code, _, errors = program.finish()
    assert code == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")


# -- the end -----------------------------------------------------------------------------------------------------------


@every_flavour
def test_a_program_that_ends_with_messages_to_be_sent(flavour: str) -> None:
    """It did not close. What the system has arrives, what only the process had is gone; no half of it is received."""
    traffic = Traffic(0, most=1 << 14)
    with (
        socket.create_server((HOST, 0)) as listening,
        _program(listening, flavour, 0, 0.1) as program,
        wrap(listening.accept()[0], FRAMING) as peer,
    ):
        code, _, _ = program.finish()
        assert code == 0
        assert _check_to_the_end(peer, traffic) in (ClosedByPeer, ConnectionLost, TruncatedMessage)
        assert traffic.checked > 1


# -- a fork ------------------------------------------------------------------------------------------------------------


def forks(line: Line, flavour: str, port: int, count: int) -> None:
    """Fork between two messages, again and again, with some of them still to be sent."""
    party, traffic = PARTIES[flavour], Traffic(0, most=1 << 14)

    async def side() -> None:
        peer = await party.connect(HOST, port)
        for number in range(count):
            await peer.send(traffic.message(number), PATIENCE)
            if not number % 50:
                _fork(lambda: None)
        await peer.close()

    party.run(side())


@every_flavour
def test_a_fork_in_the_middle(flavour: str, forker: Forker) -> None:
    """The child has the connection, too, and leaves it alone."""
    count = 500 * FIRE
    traffic = Traffic(0, most=1 << 14)
    with (
        socket.create_server((HOST, 0)) as listening,
        forker.start(forks, flavour, listening.getsockname()[1], count) as job,
        wrap(listening.accept()[0], FRAMING) as peer,
    ):
        assert _check_to_the_end(peer, traffic) is ClosedByPeer
        job.result()
    assert traffic.checked == count


def forks_and_closes(line: Line, port: int) -> str:
    """Close the connection in the child of a fork, as leaving a ``with`` block there would."""
    with connect(HOST, port, framing=FRAMING) as peer:
        peer.send(b"Hello!")
        _fork(peer.close)
        with pytest.raises(ConnectionLost) as lost:
            peer.send(b"World!")
        return type(lost.value.__cause__).__name__


def test_a_child_that_closes_what_is_its_parents(forker: Forker) -> None:
    """To the peer that is the end of the stream, as the connection is one and the same."""
    with (
        socket.create_server((HOST, 0)) as listening,
        forker.start(forks_and_closes, listening.getsockname()[1]) as job,
    ):
        with wrap(listening.accept()[0], FRAMING) as peer:
            assert list(peer) == [b"Hello!"]
        assert job.result() == "BrokenPipeError"


def _fork(in_child: Callable[[], object]) -> None:
    child = os.fork()
    if not child:
        status = 1
        try:
            in_child()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
