"""Twisted's string receivers: lengths of one, two and four bytes, and netstrings."""

import pytest
import twisted
from peers.daemons import Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Framing, LengthPrefixed, Netstring

FRAMINGS: dict[str, Framing] = {
    "int8": LengthPrefixed(1),
    "int16": LengthPrefixed(2),
    "int32": LengthPrefixed(4),
    "netstring": Netstring(),
}
NAMES = {"int8": "Int8StringReceiver", "int16": "Int16StringReceiver", "int32": "Int32StringReceiver"}
PROOFS = [
    *(
        Proof(str(FRAMINGS[name]), f"Twisted, {receiver}", "Twisted", lambda: twisted.__version__)
        for name, receiver in NAMES.items()
    ),
    Proof("netstring", "D. J. Bernstein, Netstrings (1997)", "Twisted", lambda: twisted.__version__),
]
MESSAGES = [b"", b"Hello!", b"\x00\x06", b"5:World,", b"World! " * 10, b"\n"]


@pytest.fixture(scope="session")
def receivers(daemons: Daemons) -> dict[str, int]:
    ports = {name: free_port() for name in FRAMINGS}
    arguments = [f"{name}={port}" for name, port in ports.items()]
    daemons.python("twisted_swaps.py", *arguments, port=ports["int8"], says="ready")
    return ports


@proves(BOTH, *PROOFS)
@pytest.mark.parametrize("name", FRAMINGS)
def test_twisted_swaps_every_two_messages(name: str, receivers: dict[str, int], through: Through) -> None:
    with through.connect(receivers[name], FRAMINGS[name]) as peer:
        peer.send_many(MESSAGES)
        assert [peer.recv(timeout=PATIENCE) for _ in MESSAGES] == [MESSAGES[place] for place in (1, 0, 3, 2, 5, 4)]
