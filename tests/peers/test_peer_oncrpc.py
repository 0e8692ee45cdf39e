"""ONC RPC: mezha calls rpcbind, and stands between it and rpcinfo."""

import os
import socket

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import release
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import connect
from mezha.framing import OncRpc

SPECIFICATION = "RFC 5531, 11"


SERVER = Proof("oncrpc", SPECIFICATION, "rpcbind", lambda: release("rpcbind"))
CLIENT = Proof("oncrpc", SPECIFICATION, "rpcinfo", lambda: release("rpcbind"))
NULL, SET, DUMP = 0, 1, 4
#: So many registrations that their list takes more than the 9000 bytes of the library's buffer.
MANY = 460


@pytest.fixture(scope="session")
def rpcbind(daemons: Daemons) -> Daemon:
    server = program("rpcbind", "rpcbind")
    if os.geteuid():
        pytest.skip("rpcbind wants to be root")
    port = free_port()
    return daemons.python("rpcbind_at.py", server, port, port=port)


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


def call(transaction: int, procedure: int, *arguments: int) -> bytes:
    """Write a call to version 2 of the port mapper, without credentials."""
    return words(transaction, 0, 2, 100_000, 2, procedure, 0, 0, 0, 0, *arguments)


def reply(transaction: int, *results: int) -> bytes:
    return words(transaction, 1, 0, 0, 0, 0, *results)


@proves(BOTH, SERVER)
def test_rpcbind_answers_each_call(rpcbind: Daemon, through: Through) -> None:
    with through.connect(rpcbind.port, OncRpc()) as peer:
        peer.send_many([call(1, NULL), call(2, SET, 200_000, 1, 6, 1898)])
        assert [peer.recv(timeout=PATIENCE) for _ in range(2)] == [reply(1), reply(2, 1)]
        peer.send(call(3, 3, 200_000, 1, 6, 0))  # GETPORT
        assert peer.recv(timeout=PATIENCE) == reply(3, 1898)


def test_a_long_answer_comes_in_fragments(rpcbind: Daemon) -> None:
    with connect(HOST, rpcbind.port, framing=OncRpc()) as peer:
        peer.send_many([call(place, SET, 300_000 + place, 1, 6, 1898) for place in range(MANY)])
        assert all(peer.recv(timeout=PATIENCE)[:24] == reply(place) for place in range(MANY))
    decoder = OncRpc().decoder()
    fragments = b""
    with socket.create_connection((HOST, rpcbind.port), timeout=PATIENCE) as sock:
        sock.sendall(b"".join(OncRpc().encode(call(7, DUMP))))
        while not decoder.ready:
            data = sock.recv(65536)
            assert data
            fragments += data
            decoder.feed(data)
    (answer,) = decoder.take(9)
    assert fragments[0] == 0, "the first fragment is not the last"
    assert answer.startswith(reply(7, 1))
    assert all(words(300_000 + place, 1, 6, 1898) in answer for place in range(MANY))
    decoder = OncRpc().decoder()
    for byte in memoryview(fragments):
        assert not decoder.take()
        decoder.feed(bytes((byte,)))
    assert decoder.take() == [answer]


@proves(BOTH, CLIENT, SERVER)
def test_rpcinfo_calls_through_mezha(rpcbind: Daemon, through: Through) -> None:
    relay = through.relay(rpcbind.port, OncRpc())
    host, port = relay.address
    universal = f"{host}.{port >> 8}.{port & 0xFF}"
    said = output_of(program("rpcinfo", "rpcbind"), "-a", universal, "-T", "tcp", "100000")
    assert [f"version {version} ready and waiting" in said for version in (2, 3, 4)] == [True] * 3
    assert all(message[4:8] == bytes(4) for message in relay.up)
    assert [message[:4] for message in relay.down] == [message[:4] for message in relay.up]
