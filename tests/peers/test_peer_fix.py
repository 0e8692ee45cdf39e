"""FIX: mezha exchanges messages with simplefix, which reads and writes them."""

from importlib.metadata import version

import pytest
from peers.daemons import Daemon, Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Fix

SIMPLEFIX = Proof("fix", "FIX TagValue Encoding", "simplefix", lambda: version("simplefix"))


@pytest.fixture(scope="session")
def server(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.python("fix_server.py", port, port=port)


def message(fields: str) -> bytes:
    body = fields.replace("|", "\x01").encode()
    head = b"8=FIX.4.4\x019=%d\x01%b" % (len(body), body)
    return head + b"10=%03d\x01" % (sum(head) % 256)


@proves(BOTH, SIMPLEFIX)
def test_simplefix_turns_each_message_around(server: Daemon, through: Through) -> None:
    fields = [
        "35=A|{}|34=1|52=20240101-12:00:00|98=0|108=30|",
        "35=D|{}|34=2|11=order|55=UAH|54=1|38=100|58=до зустрічі|",
        "35=5|{}|34=3|",
    ]
    if not through.cut:  # where such data are cut, simplefix 1.0.17 loses its place in them
        fields.append("35=B|{}|34=4|95=10|96=a|10=163|b|")
    with through.connect(server.port, Fix()) as peer:
        peer.send_many([message(some.format("49=MEZHA|56=SIMPLE")) for some in fields])
        answers = [peer.recv(timeout=PATIENCE) for _ in fields]
    assert answers == [message(some.format("56=MEZHA|49=SIMPLE")) for some in fields]
