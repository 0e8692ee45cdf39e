"""PostgreSQL: mezha asks the server, and stands between it and psql."""

import os
import subprocess
from signal import SIGINT

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program, unprivileged
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE, until

from mezha.framing import Postgres

SPECIFICATION = "PostgreSQL, Frontend/Backend Protocol, 3.0"


def find(name: str) -> str:
    return program(name, "postgresql", folder="/usr/lib/postgresql/*/bin")


SERVER = Proof("postgres", SPECIFICATION, "PostgreSQL", lambda: number(output_of(find("postgres"), "--version")))
PSQL = Proof("postgres", SPECIFICATION, "psql (libpq)", lambda: number(output_of(find("psql"), "--version")))


@pytest.fixture(scope="session")
def postgres(daemons: Daemons) -> Daemon:
    user = unprivileged("postgres")
    data = daemons.folder("postgres", user) / "data"
    initdb = ("--auth=trust", "--username=mezha", "--encoding=UTF8", "--no-locale", "--no-sync")
    output_of(find("initdb"), *initdb, data, user=user)
    port = free_port()
    command = [find("postgres"), "-D", str(data), "-p", str(port), "-F", "-k", "", "-c", f"listen_addresses={HOST}"]
    return daemons.start("postgres", command, port=port, says="ready to accept connections", user=user, stop=SIGINT)


def typed(kind: bytes, body: bytes) -> bytes:
    return kind + (4 + len(body)).to_bytes(4, "big") + body


def startup(*options: bytes) -> bytes:
    body = bytes.fromhex("00030000") + b"".join(option + b"\0" for option in options) + b"\0"
    return (4 + len(body)).to_bytes(4, "big") + body


@proves(BOTH, SERVER)
def test_the_server_answers_a_query(postgres: Daemon, through: Through) -> None:
    with through.connect(postgres.port, Postgres()) as peer:

        def answer() -> dict[bytes, bytes]:
            """Return the messages up to ReadyForQuery, by their types."""
            messages: list[bytes] = []
            while not messages or messages[-1][:1] != b"Z":
                messages.append(peer.recv(timeout=PATIENCE))
            return {message[:1]: message[5:] for message in messages}

        peer.send(startup(b"user", b"mezha", b"database", b"postgres"))
        assert answer()[b"R"] == bytes(4)  # AuthenticationOk
        peer.send(typed(b"Q", b"SELECT 'Hello!', NULL\0"))
        answered = answer()
        assert answered[b"D"] == bytes.fromhex("0002 00000006") + b"Hello!" + bytes.fromhex("ffffffff")
        assert answered[b"C"] == b"SELECT 1\0"
        peer.send(typed(b"X", b""))


@proves(BOTH, PSQL)
def test_psql_asks_through_mezha(postgres: Daemon, through: Through) -> None:
    relay = through.relay(postgres.port, Postgres())
    host, port = relay.address
    ran = subprocess.run(
        [
            find("psql"),
            "--no-psqlrc",
            "-At",
            "-h",
            host,
            "-p",
            str(port),
            "-U",
            "mezha",
            "-c",
            "SELECT 'Hello!'",
            "postgres",
        ],
        env={**os.environ, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (ran.stdout, ran.stderr) == ("Hello!\n", "")
    until(lambda: [message[:1] for message in relay.up] == [b"\0", b"Q", b"X"])  # psql does not wait for its goodbye
    assert typed(b"D", bytes.fromhex("0001 00000006") + b"Hello!") in relay.down
