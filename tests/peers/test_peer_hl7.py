"""MLLP: mezha sends HL7 messages to python-hl7 and hl7apy, and acknowledges those of python-hl7."""

import asyncio
from importlib.metadata import version
from typing import Any

import hl7
import pytest
from hl7.mllp import open_hl7_connection
from peers.daemons import Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer
from mezha.framing import Mllp

SPECIFICATION = "HL7, Minimal Lower Layer Protocol"
PYTHON_HL7 = Proof("mllp", SPECIFICATION, "python-hl7", lambda: version("hl7"))
HL7APY = Proof("mllp", SPECIFICATION, "hl7apy", lambda: version("hl7apy"))


def admission(number: int) -> bytes:
    return f"MSH|^~\\&|a|b|c|d|20240101120000||ADT^A01|{number}|P|2.3\rPID|1||7||Шевченко^Тарас\r".encode()


def parsed(message: bytes) -> Any:
    return hl7.parse(message.decode())


def acknowledged(message: bytes) -> str:
    return str(parsed(message).segment("MSA")[2])


@pytest.fixture(scope="session")
def servers(daemons: Daemons) -> tuple[int, int]:
    ports = free_port(), free_port()
    daemons.python("hl7_servers.py", *ports, port=ports[0], says="ready")
    return ports


@proves(BOTH, PYTHON_HL7)
def test_python_hl7_acknowledges_each_message(servers: tuple[int, int], through: Through) -> None:
    with through.connect(servers[0], Mllp()) as peer:
        peer.send_many([admission(number) for number in (1, 2)])
        assert [acknowledged(peer.recv(timeout=PATIENCE)) for _ in range(2)] == ["1", "2"]


@proves(BOTH, HL7APY)
def test_hl7apy_acknowledges_a_message(servers: tuple[int, int], through: Through) -> None:
    with through.connect(servers[1], Mllp()) as peer:
        peer.send(admission(3))
        assert acknowledged(peer.recv(timeout=PATIENCE)) == "3"


@proves(BOTH, PYTHON_HL7)
def test_python_hl7_is_acknowledged(through: Through) -> None:
    def acknowledge(peer: Peer) -> None:
        for message in peer:
            peer.send(str(parsed(message).create_ack()).encode())

    async def ask(host: str, port: int) -> list[str]:
        reader, writer = await open_hl7_connection(host, port, encoding="utf-8")
        for number in (1, 2):
            writer.writemessage(parsed(admission(number)))
        answers: list[Any] = [await reader.readmessage() for _ in range(2)]
        writer.close()
        await writer.wait_closed()
        return [str(answer.segment("MSA")[2]) for answer in answers]

    assert asyncio.run(ask(*through.serve(acknowledge, Mllp()))) == ["1", "2"]
