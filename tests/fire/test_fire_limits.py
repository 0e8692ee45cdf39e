"""Limits of the system: no file descriptors, no memory. It ends in an error that says so, and the process goes on."""

import errno
import os
import resource
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from fire.forker import Forker, Line
from fire.leaks import leaves_nothing
from fire.parties import FRAMING, HOST, PARTIES, Party, Side
from waiting import PATIENCE

from mezha import ConnectionLost, Limits, MezhaError, TruncatedMessage
from mezha.blocking import wrap

every_flavour = pytest.mark.parametrize("flavour", PARTIES)


@pytest.fixture(scope="module")
def forker() -> Generator[Forker]:
    with Forker() as it:
        yield it


@contextmanager
def _generous() -> Generator[int]:
    """Serve: to each message, which is a number, answer with one of so many bytes; take everything else in."""

    def serve(sock: socket.socket) -> None:
        with suppress(OSError), sock, sock.makefile("rb") as stream:
            while (header := stream.read(4)) == b"\0\0\0\4":
                size = int.from_bytes(stream.read(4), "big")
                sock.sendall(size.to_bytes(4, "big"))
                for begin in range(0, size, len(_PIECE)):
                    sock.sendall(_PIECE[: size - begin])
            while header and (header := stream.read(1 << 20)):
                pass

    def accept() -> None:
        with suppress(OSError):  # closed
            while True:
                serving.append(threading.Thread(target=serve, args=(listening.accept()[0],)))
                serving[-1].start()

    serving: list[threading.Thread] = []
    with socket.create_server((HOST, 0)) as listening:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
    for each in serving:
        each.join(PATIENCE)


_PIECE = bytes(1 << 20)


async def _ask(party: Party, port: int, size: int, **options: object) -> int:
    """Ask for so many bytes, twice, and return how many came."""
    peer = await party.connect(HOST, port, **options)
    try:
        await peer.send(size.to_bytes(4, "big"))
        first = await peer.recv()
        await peer.send(size.to_bytes(4, "big"))
        return len(await peer.recv()) if len(first) == size else -1
    finally:
        await peer.close()


# -- file descriptors --------------------------------------------------------------------------------------------------


def has_few_descriptors(line: Line, flavour: str, port: int) -> dict[int, str]:
    """Connect with no file descriptor left, then with one, and so on until it goes well; return how each one ended."""
    party = PARTIES[flavour]
    outcomes: dict[int, str] = {}

    async def side(spare: int) -> str:
        taken: list[int] = []
        try:
            with pytest.raises(OSError, match="Too many open files"):
                _take_all(taken)
            for _ in range(spare):
                os.close(taken.pop())
            return str(await _ask(party, port, 9))
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        finally:
            for number in taken:
                os.close(number)

    party.run(_ask(party, port, 9))  # what is opened once is open
    for spare in count():
        with leaves_nothing():
            outcomes[spare] = party.run(side(spare))
        if outcomes[spare] == "9":
            return outcomes
    raise AssertionError


def _take_all(taken: list[int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))


@every_flavour
def test_no_file_descriptors(flavour: str, forker: Forker) -> None:
    """For those who accept, see the tests of the servers."""
    with _generous() as port:
        outcomes = forker.run(has_few_descriptors, flavour, port)
    *failed, whole = outcomes.values()
    assert set(failed) == {"EMFILE"}
    assert whole == "9"


# -- memory ------------------------------------------------------------------------------------------------------------

#: Bytes that the process may have more than it has, and a message for which that is too little.
_SPARE = 40 << 20
_LARGE = 100 << 20


def _have_little_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + _SPARE
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def has_little_memory(line: Line, flavour: str, port: int) -> list[str]:
    """Receive a message that is too large for the process, and then small ones."""
    party = PARTIES[flavour]
    limits = Limits(max_message=1 << 30)

    async def side() -> list[str]:
        assert await _ask(party, port, 9) == 9
        peer = await party.connect(HOST, port, limits=limits)
        _have_little_memory()
        await peer.send(_LARGE.to_bytes(4, "big"))
        outcomes: list[str] = []
        for _ in range(3):
            try:
                await peer.recv()
            except (MemoryError, MezhaError) as error:
                outcomes.append(type(error).__name__)
        with pytest.raises(ConnectionLost):
            await _send_for_ever(peer)
        await peer.close()
        assert await _ask(party, port, 9) == 9
        return outcomes

    with leaves_nothing():
        return party.run(side())


async def _send_for_ever(peer: Side) -> None:
    while True:
        await peer.send(b"more", PATIENCE)


@every_flavour
@pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "plain"])
def test_no_memory_to_receive(flavour: str, pure: str) -> None:
    """The first call may say so itself; from then on the connection is lost, and the process lives."""
    with Forker(MEZHA_PURE=pure) as forker, _generous() as port:
        first, *others = forker.run(has_little_memory, flavour, port)
    assert first in ("MemoryError", "ConnectionLost")
    assert others == ["ConnectionLost"] * 2


def sends_with_little_memory(line: Line, flavour: str, port: int) -> int:
    """Send large messages until the connection is lost, or many are sent; return how many are."""
    party = PARTIES[flavour]
    message = os.urandom(_SPARE - (8 << 20))
    sent = 0

    async def side() -> None:
        nonlocal sent
        peer = await party.connect(HOST, port, limits=Limits(max_message=1 << 30))
        _have_little_memory()
        try:
            while sent < 5:
                await peer.send(message)
                sent += 1
        except (MemoryError, ConnectionLost):
            with pytest.raises(ConnectionLost):
                await _send_for_ever(peer)
        await peer.close()

    with leaves_nothing():
        party.run(side())
    return sent


@every_flavour
def test_no_memory_to_send(flavour: str, forker: Forker) -> None:
    """What part of is on the wire, and cannot be kept any more, is not followed by anything else."""
    with (
        socket.create_server((HOST, 0)) as listening,
        forker.start(sends_with_little_memory, flavour, listening.getsockname()[1]) as job,
        wrap(listening.accept()[0], FRAMING, limits=Limits(max_message=1 << 30)) as peer,
    ):
        received: list[bytes] = []
        with suppress(ConnectionLost, TruncatedMessage):
            received.extend(peer)
        assert len(received) <= job.result() + 1
        assert len(set(received)) <= 1
