"""Erlang/OTP: its sockets cut the stream into packets by themselves, and so does mezha."""

import pytest
from peers.erlang import Erlang as Ports
from peers.erlang import erlang_version
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Ber, Erlang, Framing, Lines, OncRpc, Tpkt

#: By the kind of packet; where that has a specification of its own, with it.
FRAMINGS: dict[str, tuple[Framing, str]] = {
    **{kind: (Erlang(int(kind)), f"Erlang/OTP, inet:setopts/2, {{packet, {kind}}}") for kind in ("1", "2", "4")},
    "line": (Lines(), "Erlang/OTP, inet:setopts/2, {packet, line}"),
    "asn1": (Ber(), "X.690, 8.1"),
    "sunrm": (OncRpc(), "RFC 5531, 11"),
    "tpkt": (Tpkt(), "RFC 1006, 6"),
}
PROOFS = [
    Proof(str(framing), specification, "Erlang/OTP", erlang_version) for framing, specification in FRAMINGS.values()
]
#: Empty, short, one that looks like the beginning of another, and one longer than a header could tell if it were wrong.
MESSAGES = [b"", b"Hello!", b"\x03\x00\x00\x06\x00\x02", b"World! " * 10]
#: An octet string, a sequence with two elements in it, a length of two bytes.
ELEMENTS = [b"\x04\x00", b"\x04\x06Hello!", b"\x30\x05\x05\x00\x02\x01\x2a", b"\x04\x81\x8c" + b"World! " * 20]


@proves(BOTH, *PROOFS)
@pytest.mark.parametrize("kind", FRAMINGS)
def test_erlang_swaps_every_two_messages(kind: str, erlang: Ports, through: Through) -> None:
    messages = ELEMENTS if kind == "asn1" else MESSAGES
    with through.connect(erlang[kind], FRAMINGS[kind][0]) as peer:
        peer.send_many(messages)
        assert [peer.recv(timeout=PATIENCE) for _ in messages] == [messages[place] for place in (1, 0, 3, 2)]
