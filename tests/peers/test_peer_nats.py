"""NATS: mezha publishes and subscribes at the server, with headers and without."""

import json

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Nats


def find() -> str:
    return program("nats-server", "nats-server")


NATS = Proof("nats", "NATS, Client Protocol", "nats-server", lambda: number(output_of(find(), "--version")))


@pytest.fixture(scope="session")
def nats(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.start("nats", [find(), "-a", HOST, "-p", str(port)], port=port, says="Server is ready")


@proves(BOTH, NATS)
def test_what_is_published_comes_back(nats: Daemon, through: Through) -> None:
    head, payload = b"NATS/1.0\r\nBar: Baz\r\n\r\n", b"PING\r\n\0\xff"
    with through.connect(nats.port, Nats()) as peer:
        verb, _, rest = peer.recv(timeout=PATIENCE).partition(b" ")
        assert verb == b"INFO"
        assert json.loads(rest)["port"] == nats.port
        peer.send_many(
            [
                b'CONNECT {"verbose":false,"pedantic":true,"headers":true}',
                b"SUB greet.* 1",
                b"PUB greet.a 8\r\n" + payload,
                b"PUB greet.b reply.to 0\r\n",
                b"HPUB greet.c 22 30\r\n" + head + payload,
                b"PING",
            ]
        )
        answers = [peer.recv(timeout=PATIENCE) for _ in range(4)]
        assert answers == [
            b"MSG greet.a 1 8\r\n" + payload,
            b"MSG greet.b 1 reply.to 0\r\n",
            b"HMSG greet.c 1 22 30\r\n" + head + payload,
            b"PONG",
        ]
        peer.send(b"SUB greet..a 2")
        assert peer.recv(timeout=PATIENCE).startswith(b"-ERR ")
