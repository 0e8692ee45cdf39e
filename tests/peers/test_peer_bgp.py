"""BGP: mezha is a neighbour of BIRD's, tells it a route, and is told one."""

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE, until

from mezha.framing import Bgp

BIRD = Proof("bgp", "RFC 4271, 4.1", "BIRD", lambda: number(output_of(program("bird", "bird2"), "--version")))

#: It touches no routing table of the system, and waits for its neighbour.
_CONFIGURATION = """\
router id 10.0.0.1;
protocol static {{ ipv4; route 192.0.2.0/24 blackhole; }}
protocol bgp neighbour {{
    local {host} port {port} as 65001;
    neighbor {host} as 65002;
    multihop;
    passive;
    ipv4 {{ import all; export all; next hop address 10.0.0.1; }};
}}
"""
MARKER = b"\xff" * 16
OPEN, UPDATE, KEEPALIVE = b"\1", b"\2", b"\4"


def message(kind: bytes, body: str = "") -> bytes:
    content = kind + bytes.fromhex(body)
    return MARKER + (18 + len(content)).to_bytes(2, "big") + content


@pytest.fixture
def bird(daemons: Daemons) -> Daemon:
    """A BIRD of its own for each session: it takes a neighbour that has gone for a while for one with a fault."""
    port, folder = free_port(), daemons.folder("bird")
    configuration = folder / "bird.conf"
    configuration.write_text(_CONFIGURATION.format(host=HOST, port=port))
    command = [program("bird", "bird2"), "-f", "-c", str(configuration), "-s", "control"]
    return daemons.start("bird", command, port=port)


@proves(BOTH, BIRD)
def test_routes_are_told_both_ways(bird: Daemon, through: Through) -> None:
    with through.connect(bird.port, Bgp()) as peer:
        peer.send(message(OPEN, "04 fdea 005a 0a000002 00"))  # version 4, AS 65002, 90 s, 10.0.0.2
        opened = peer.recv(timeout=PATIENCE)
        assert opened[18:22] == OPEN + bytes.fromhex("04 fde9")
        peer.send(message(KEEPALIVE))
        assert peer.recv(timeout=PATIENCE) == message(KEEPALIVE)
        # origin IGP, path 65002, next hop 10.0.0.2; 198.51.100.0/24
        peer.send(message(UPDATE, "0000 0012 40010100 4002040201fdea 4003040a000002 18c63364"))
        birdc = [program("birdc", "bird2"), "-s", str(bird.folder / "control"), "show", "route"]
        until(lambda: "198.51.100.0/24" in output_of(*birdc))
        told = peer.recv(timeout=PATIENCE)
        assert told[18:19] == UPDATE
        assert told.endswith(bytes.fromhex("18 c00002"))  # 192.0.2.0/24
