"""MySQL's protocol: mezha asks MariaDB, and stands between it and its own client."""

import subprocess
from signal import SIGKILL

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program, unprivileged
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer
from mezha.framing import MySql
from mezha.limits import Limits

SPECIFICATION = "MySQL client/server protocol, MySQL Packets"


def find(name: str) -> str:
    return program(name, "mariadb-server")


def version(name: str) -> str:
    return number(output_of(find(name), "--version").partition("Distrib")[2] or output_of(find(name), "--version"))


SERVER = Proof("mysql", SPECIFICATION, "MariaDB", lambda: version("mariadbd"))
CLIENT = Proof("mysql", SPECIFICATION, "mariadb (its client)", lambda: version("mariadb"))

#: CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH.
CAPABILITIES = 0x1 | 0x200 | 0x8000 | 0x80000
QUERY = b"\x03"


@pytest.fixture(scope="session")
def mariadb(daemons: Daemons) -> Daemon:
    """A server without tables, users or storage that would have to be set up: it computes what it is asked."""
    user = unprivileged("mysql")
    folder, port = daemons.folder("mariadb", user), free_port()
    command = [
        find("mariadbd"),
        "--no-defaults",
        f"--datadir={folder}",
        f"--socket={folder}/socket",
        f"--bind-address={HOST}",
        f"--port={port}",
        "--skip-grant-tables",
        "--skip-innodb",
        "--default-storage-engine=MyISAM",
        "--max-allowed-packet=64M",
    ]
    return daemons.start("mariadb", command, port=port, says="ready for connections", user=user, stop=SIGKILL)


def log_in(peer: Peer) -> None:
    """Answer the server's greeting: any user is welcome."""
    greeting = peer.recv(timeout=PATIENCE)
    assert greeting[:2] == b"\0\x0a"  # packet 0, protocol 10
    numbers = CAPABILITIES.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little")
    peer.send(b"\1" + numbers + b"\x21" + bytes(23) + b"mezha\0" + b"\0" + b"mysql_native_password\0")
    assert peer.recv(timeout=PATIENCE)[:2] == b"\2\0"  # packet 2, OK


def ask(peer: Peer, query: bytes) -> list[bytes]:
    """Return the packets of the answer: columns, their descriptions, the rows, EOF behind each."""
    peer.send_many([b"\0" + QUERY + query])
    packets = [peer.recv(timeout=PATIENCE)]
    while sum(packet[1:2] == b"\xfe" and len(packet) < 9 for packet in packets) < 2:
        packets.append(peer.recv(timeout=PATIENCE))
    return packets


@proves(BOTH, SERVER)
def test_the_server_answers_a_query(mariadb: Daemon, through: Through) -> None:
    with through.connect(mariadb.port, MySql()) as peer:
        log_in(peer)
        packets = ask(peer, b"SELECT 'Hello!' AS a")
        assert [packet[0] for packet in packets] == [1, 2, 3, 4, 5]
        assert packets[3] == b"\4\6Hello!"


@pytest.mark.parametrize("over", [-1, 0, 3])
def test_payloads_that_fill_a_packet(mariadb: Daemon, over: int) -> None:
    """One by one their 16 MiB would take days: this goes straight only."""
    size = 0xFFFFFF + over
    question, answer = b"SELECT LENGTH('%b')", 4  # the length of a row of one long value stands in four bytes
    limits = Limits(max_message=1 << 26)
    with Through(cut=False) as through, through.connect(mariadb.port, MySql(), limits) as peer:
        log_in(peer)
        text = b"x" * (size - len(QUERY) - len(question % b""))
        length = b"%d" % len(text)
        packets = 1 if over < 0 else 2
        assert ask(peer, question % text)[3] == bytes([packets + 3, len(length)]) + length  # it goes on counting
        row = ask(peer, b"SELECT REPEAT('y', %d)" % (size - answer))[3]
        assert len(row) == 1 + size
        assert row.endswith(b"y" * (size - answer))


@proves(BOTH, CLIENT)
def test_its_client_asks_through_mezha(mariadb: Daemon, through: Through) -> None:
    relay = through.relay(mariadb.port, MySql())
    host, port = relay.address
    ran = subprocess.run(
        [
            find("mariadb"),
            "--no-defaults",
            "--skip-ssl",
            "-NB",
            "-h",
            host,
            "-P",
            str(port),
            "-u",
            "mezha",
            "-e",
            "SELECT 'Hello!'",
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (ran.stdout, ran.stderr) == ("Hello!\n", "")
    assert b"\0\3SELECT 'Hello!'" in relay.up
    assert b"\4\6Hello!" in relay.down
