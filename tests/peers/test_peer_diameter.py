"""Diameter: mezha is a peer of a python-diameter node's, from the first exchange to the last."""

from importlib.metadata import version

import pytest
from peers.daemons import Daemon, Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Diameter

NODE = Proof("diameter", "RFC 6733, 3", "python-diameter", lambda: version("python-diameter"))
CAPABILITIES, WATCHDOG, DISCONNECT = 257, 280, 282
SUCCESS = 2001


@pytest.fixture(scope="session")
def node(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.python("diameter_node.py", port, port=port)


def avp(code: int, value: bytes) -> bytes:
    """Lay out an AVP that has to be understood, padded to a multiple of four bytes."""
    size = 8 + len(value)
    return code.to_bytes(4, "big") + b"\x40" + size.to_bytes(3, "big") + value + bytes(-size % 4)


def request(command: int, number: int, *avps: bytes) -> bytes:
    identity = avp(264, b"client.test") + avp(296, b"test")
    body = identity + b"".join(avps)
    header = b"\x80" + command.to_bytes(3, "big") + bytes(4) + number.to_bytes(4, "big") * 2
    return b"\1" + (20 + len(body)).to_bytes(3, "big") + header + body


REQUESTS = [
    request(
        CAPABILITIES,
        7,
        avp(257, bytes.fromhex("0001 7f000001")),
        avp(266, bytes(4)),
        avp(269, b"mezha"),
        avp(258, b"\xff" * 4),
    ),
    request(WATCHDOG, 8),
    request(DISCONNECT, 9, avp(273, bytes(4))),
]


@proves(BOTH, NODE)
def test_a_node_answers_each_request(node: Daemon, through: Through) -> None:
    with through.connect(node.port, Diameter()) as peer:
        for asked in REQUESTS:
            peer.send(asked)
            answer = peer.recv(timeout=PATIENCE)
            assert answer[4:20] == b"\0" + asked[5:20]  # an answer: the command and the identifiers of its request
            assert avp(268, SUCCESS.to_bytes(4, "big")) in answer
