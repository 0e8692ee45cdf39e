"""SMPP: mezha stands between smpplib, which sends a message, and smpp34, which takes it."""

from importlib.metadata import version

import pytest
from peers.daemons import Daemon, Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from smpplib.client import Client
from waiting import PATIENCE

from mezha.framing import Smpp

SPECIFICATION = "SMPP 3.4, 3.2"
SMPPLIB = Proof("smpp", SPECIFICATION, "smpplib", lambda: version("smpplib"))
SMPP34 = Proof("smpp", SPECIFICATION, "smpp34", lambda: version("smpp34"))


@pytest.fixture(scope="session")
def centre(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.python("smpp_server.py", port, port=port)


@proves(BOTH, SMPPLIB, SMPP34)
def test_a_message_is_handed_over_through_mezha(centre: Daemon, through: Through) -> None:
    relay = through.relay(centre.port, Smpp())
    answers: list[bytes] = []
    client = Client(*relay.address, timeout=int(PATIENCE), allow_unknown_opt_params=True)
    client.set_message_sent_handler(lambda pdu: answers.append(pdu.message_id))
    client.connect()
    try:
        client.bind_transmitter(system_id="mezha", password="secret")
        for text in (b"Hello!", b"World!"):
            client.send_message(source_addr="1", destination_addr="2", short_message=text)
        for _ in range(2):
            client.read_once()
    finally:
        client.disconnect()
    assert sorted(answer.partition(b":")[2] for answer in answers) == [b"Hello!", b"World!"]
    commands = [0x2, 0x4, 0x4]  # bind_transmitter, submit_sm; no unbind, which smpp34 1.5.0 answers only at times
    assert [int.from_bytes(pdu[4:8], "big") for pdu in relay.up] == commands
    assert [int.from_bytes(pdu[4:8], "big") for pdu in relay.down] == [0x80000000 | command for command in commands]
