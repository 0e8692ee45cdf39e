"""Byte stuffing: mezha talks to the libraries that Python programs use for SLIP and COBS."""

from importlib.metadata import version

import pytest
from peers.daemons import Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Cobs, Framing, Slip

SLIPLIB = Proof("slip", "RFC 1055", "sliplib", lambda: version("sliplib"))
COBS = Proof("cobs", "Cheshire and Baker (1999), III", "cobs", lambda: version("cobs"))
MESSAGES = [b"a", b"Hello!", bytes(5), b"\xc0\xdb\xdc\xdd\xdb\xc0", bytes(range(256))]


@pytest.fixture(scope="session")
def libraries(daemons: Daemons) -> dict[str, int]:
    ports = {name: free_port() for name in ("sliplib", "cobs")}
    arguments = [f"{name}={port}" for name, port in ports.items()]
    daemons.python("stuffing_server.py", *arguments, port=ports["sliplib"], says="ready")
    return ports


@proves(BOTH, SLIPLIB, COBS)
@pytest.mark.parametrize(
    ("name", "framing"), [("sliplib", Slip()), ("sliplib", Slip(both=True)), ("cobs", Cobs())], ids=str
)
def test_what_is_stuffed_comes_back(libraries: dict[str, int], through: Through, name: str, framing: Framing) -> None:
    with through.connect(libraries[name], framing) as peer:
        peer.send_many(MESSAGES)
        assert [peer.recv(timeout=PATIENCE) for _ in MESSAGES] == [message[::-1] for message in MESSAGES]
