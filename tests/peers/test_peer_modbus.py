"""Modbus/TCP: mezha asks pymodbus's server, and stands between it and pymodbus's client."""

import pymodbus
import pytest
from peers.daemons import Daemon, Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from pymodbus.client import ModbusTcpClient
from waiting import PATIENCE

from mezha.framing import Modbus

PYMODBUS = Proof(
    "modbus", "MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3", "pymodbus", lambda: pymodbus.__version__
)
#: Transaction, 0, length, unit, function 3; address and count, or the bytes of three registers.
REQUEST = "%04x 0000 0006 11 03 006b 0003"
RESPONSE = "%04x 0000 0009 11 03 06 022b 0000 0064"


@pytest.fixture(scope="session")
def server(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.python("pymodbus_server.py", port, port=port)


@proves(BOTH, PYMODBUS)
def test_the_server_answers_each_request(server: Daemon, through: Through) -> None:
    with through.connect(server.port, Modbus()) as peer:
        for transaction in (1, 2):
            peer.send(bytes.fromhex(REQUEST % transaction))
            assert peer.recv(timeout=PATIENCE) == bytes.fromhex(RESPONSE % transaction)
        peer.send(bytes.fromhex("0003 0000 0006 11 03 0000 0001"))
        assert peer.recv(timeout=PATIENCE) == bytes.fromhex("0003 0000 0003 11 83 02")  # no such register


@proves(BOTH, PYMODBUS)
def test_the_client_asks_through_mezha(server: Daemon, through: Through) -> None:
    relay = through.relay(server.port, Modbus())
    host, port = relay.address
    with ModbusTcpClient(host, port=port, timeout=PATIENCE) as client:
        assert client.read_holding_registers(0x6B, count=3, device_id=0x11).registers == [0x022B, 0, 0x64]
    assert relay.up == [bytes.fromhex(REQUEST % 1)]
    assert relay.down == [bytes.fromhex(RESPONSE % 1)]
