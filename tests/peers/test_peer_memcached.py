"""memcached: mezha stores and gets values, with the old commands and with the meta commands."""

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Memcached


def find() -> str:
    return program("memcached", "memcached")


MEMCACHED = Proof(
    "memcached", "memcached, doc/protocol.txt", "memcached", lambda: number(output_of(find(), "--version"))
)


@pytest.fixture(scope="session")
def memcached(daemons: Daemons) -> Daemon:
    port = free_port()
    command = [find(), "-l", HOST, "-p", str(port), "-U", "0", "-u", "nobody", "-m", "8"]
    return daemons.start("memcached", command, port=port)


@proves(BOTH, MEMCACHED)
def test_values_are_stored_and_got(memcached: Daemon, through: Through) -> None:
    value = b"\r\nEND\r\nVALUE \0\xff"
    asked_and_answered = [
        (b"set a 7 0 15\r\n" + value, [b"STORED"]),
        (b"set b 0 0 0\r\n", [b"STORED"]),
        (b"append b 0 0 2 noreply\r\n\r\n", []),
        (b"get a b c", [b"VALUE a 7 15\r\n" + value, b"VALUE b 0 2\r\n\r\n", b"END"]),
        (b"set n 0 0 1\r\n1", [b"STORED"]),
        (b"incr n 41", [b"42"]),
        (b"ms m 6 T90 F5\r\nHello!", [b"HD"]),
        (b"mg m s f v", [b"VA 6 s6 f5\r\nHello!"]),
        (b"mg nobody v", [b"EN"]),
        (b"nonsense", [b"ERROR"]),
        (b"mn", [b"MN"]),
    ]
    with through.connect(memcached.port, Memcached()) as peer:
        peer.send_many([asked for asked, _ in asked_and_answered])
        for asked, answers in asked_and_answered:
            assert [peer.recv(timeout=PATIENCE) for _ in answers] == answers, asked
        peer.send(b"quit")
