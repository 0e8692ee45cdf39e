"""JSON lines, which are lines: jq reads and writes them, behind a socket that socat holds."""

import json

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Lines


def find() -> str:
    return program("jq", "jq")


JQ = Proof("lines", "JSON Lines, jsonlines.org", "jq", lambda: number(output_of(find(), "--version")))


@pytest.fixture(scope="session")
def jq(daemons: Daemons) -> Daemon:
    port = free_port()
    listen = f"TCP-LISTEN:{port},bind={HOST},reuseaddr,fork"
    return daemons.start(
        "jq", [program("socat", "socat"), listen, f"EXEC:{find()} -c --unbuffered .greeting"], port=port
    )


@proves(BOTH, JQ)
def test_each_line_is_answered_with_a_line(jq: Daemon, through: Through) -> None:
    some = ["Hello!", {"to": ["the", "World!\n"]}, None, "до зустрічі"]
    with through.connect(jq.port, Lines()) as peer:
        peer.send_many([json.dumps({"greeting": one}, ensure_ascii=False).encode() for one in some])
        assert [json.loads(peer.recv(timeout=PATIENCE)) for _ in some] == some
