"""ISO transport: mezha stands between a client and a server of python-snap7, which speak S7 in it."""

import pytest
import snap7
from peers.daemons import Daemon, Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from snap7.client import Client
from waiting import until

from mezha.framing import Tpkt

SNAP7 = Proof("tpkt", "RFC 1006, 6", "python-snap7", lambda: snap7.__version__)


@pytest.fixture(scope="session")
def plc(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.python("snap7_server.py", port, port=port)


@proves(BOTH, SNAP7)
def test_a_plc_is_read_through_mezha(plc: Daemon, through: Through) -> None:
    relay = through.relay(plc.port, Tpkt())
    host, port = relay.address
    client = Client()
    client.connect(host, 0, 1, port)
    try:
        assert client.db_read(1, 0, 6) == b"Hello!"
    finally:
        client.disconnect()
    # ISO 8073: a request to connect and its confirmation, data in one piece each, and a goodbye that is not waited for
    until(lambda: [tpdu[1] for tpdu in relay.up] == [0xE0, 0xF0, 0xF0, 0x80])
    assert [tpdu[1] for tpdu in relay.down[:3]] == [0xD0, 0xF0, 0xF0]
    assert relay.down[2].endswith(b"Hello!")
