"""Erlang/OTP: its sockets cut the stream into packets by themselves, and so does mezha."""

import pytest
from peers.erlang import Erlang as Ports
from peers.erlang import erlang_version
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Erlang, Framing, Lines, Tpkt

FRAMINGS: dict[str, Framing] = {"1": Erlang(1), "2": Erlang(2), "4": Erlang(4), "line": Lines(), "tpkt": Tpkt()}
PROOFS = [
    Proof(
        str(framing),
        "RFC 1006, 6" if kind == "tpkt" else f"Erlang/OTP, inet:setopts/2, {{packet, {kind}}}",
        "Erlang/OTP",
        erlang_version,
    )
    for kind, framing in FRAMINGS.items()
]
#: Empty, short, one that looks like the beginning of another, and one longer than a header could tell if it were wrong.
MESSAGES = [b"", b"Hello!", b"\x03\x00\x00\x06\x00\x02", b"World! " * 10]


@proves(BOTH, *PROOFS)
@pytest.mark.parametrize("kind", FRAMINGS)
def test_erlang_swaps_every_two_messages(kind: str, erlang: Ports, through: Through) -> None:
    with through.connect(erlang[kind], FRAMINGS[kind]) as peer:
        peer.send_many(MESSAGES)
        assert [peer.recv(timeout=PATIENCE) for _ in MESSAGES] == [MESSAGES[place] for place in (1, 0, 3, 2)]
