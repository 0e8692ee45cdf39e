"""A crowd of peers that mean harm, or nothing: a server sheds them, keeps nothing of them, and serves who behaves."""

import logging
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Generator
from contextlib import suppress

import pytest
from fire.effort import FIRE, seeds
from fire.forker import Forker, Line
from fire.parties import FRAMING, HOST, PARTIES, Side
from fire.usage import Usage, usage
from waiting import PATIENCE

from mezha import Timeouts
from mezha.blocking import connect
from mezha.testing.conformance import certificates

#: Seconds in which a message must be finished, or a handshake.
SOON = 0.3
#: As many as the server serves at once.
_CROWD = 20

every_flavour = pytest.mark.parametrize("flavour", PARTIES)
plain_and_tls = pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])


@pytest.fixture(scope="module")
def forker() -> Generator[Forker]:
    with Forker() as it:
        yield it


def serves(line: Line, flavour: str, tls: bool) -> list[str]:
    """Echo; say what is used each time that all are gone, and return what was logged with a traceback."""
    party = PARTIES[flavour]
    tracebacks: list[str] = []
    watcher = logging.Handler()

    def note(record: logging.LogRecord) -> bool:
        if record.exc_info:
            tracebacks.append(str(record.exc_info))
        return False

    watcher.addFilter(note)
    logging.getLogger("mezha").addHandler(watcher)
    # What asyncio finds out of order in the loop, it logs itself.
    logging.getLogger("asyncio").addHandler(watcher)

    async def echo(peer: Side) -> None:
        while True:
            await peer.send(await peer.recv())

    async def side() -> None:
        context = certificates.server() if tls else None
        timeouts = Timeouts(message=SOON, connect=SOON, close=SOON)
        async with party.serve(echo, tls=context, timeouts=timeouts, max_connections=_CROWD) as server:
            tasks = party.tasks()
            line.say(server.port)
            while await party.aside(line.wait):
                await party.rest(tasks, server)
                line.say(usage(party.tasks()))

    party.run(side())
    return tracebacks


def behaves(port: int, tls: bool) -> None:
    """Have a message echoed."""
    context = _trusting() if tls else None
    with connect(HOST, port, framing=FRAMING, tls=context, timeouts=Timeouts(connect=PATIENCE)) as peer:
        peer.send(b"Hello!")
        assert peer.recv(timeout=PATIENCE) == b"Hello!"


@every_flavour
@plain_and_tls
def test_all_seats_are_taken_by_those_who_dribble(flavour: str, tls: bool, forker: Forker) -> None:
    """Each sends a header, or a handshake, byte by byte, and would for ever."""
    dribble = _hello() if tls else b"\0\0\1\0" + bytes(200)
    with forker.start(serves, flavour, tls) as server:
        port = server.hear()
        crowd = [socket.create_connection((HOST, port)) for _ in range(_CROWD)]
        honest = threading.Thread(target=behaves, args=(port, tls))
        begun = time.monotonic()
        honest.start()
        for byte in dribble:
            if not honest.is_alive():
                break
            for sock in crowd:
                with suppress(OSError):  # it has been shed
                    sock.send(bytes([byte]))
            honest.join(0.01)
        honest.join(PATIENCE)
        assert not honest.is_alive()
        assert time.monotonic() - begun > SOON / 2, "the crowd had not taken all seats"
        for sock in crowd:
            sock.close()
        server.go_on()
        assert server.result() == []


@every_flavour
@plain_and_tls
@pytest.mark.parametrize("seed", seeds(1))
def test_strangers_leave_nothing(flavour: str, tls: bool, seed: int, forker: Forker) -> None:
    """They send garbage, lies, half messages, other protocols or nothing, and end in every way."""
    choice = random.Random(seed)
    with forker.start(serves, flavour, tls) as server:
        port = server.hear()
        used: list[Usage] = []
        for _ in range(3):
            for _ in range(2 * _CROWD * FIRE):
                _is_strange(port, choice)
            behaves(port, tls)
            server.go_on("usage")
            used.append(server.hear())
        _, before, after = used
        assert (after.descriptors, after.threads, after.tasks) <= (before.descriptors, before.threads, before.tasks)
        server.go_on()
        assert server.result() == []


def _is_strange(port: int, choice: random.Random) -> None:
    words = choice.choice(
        (
            b"",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\xff" * 12,
            b"\0\0\0\6Hell",
            _hello(),
            _hello()[: choice.randrange(200)],
            choice.randbytes(choice.randrange(1, 5000)),
            b"\x16\x03\x01\x40\x00" + choice.randbytes(100),
        )
    )
    with suppress(OSError), socket.create_connection((HOST, port)) as sock:
        sock.settimeout(PATIENCE)
        sock.sendall(words)
        match choice.randrange(3):
            case 0:  # wait for the server to shed us
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
            case 1:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case _:
                pass


def _trusting() -> ssl.SSLContext:
    """Return a client that trusts anybody: the server has its certificates in a process of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _hello() -> bytes:
    """Return what a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificates.careless().wrap_bio(incoming, outgoing)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
