"""For Hypothesis: bytes that mean something in the framings of protocols, and messages that have a form there."""

from collections.abc import Callable

from hypothesis import strategies as st

from mezha.framing import (
    Ber,
    Bgp,
    Chunked,
    Cobs,
    Diameter,
    Framing,
    Hdlc,
    Modbus,
    Mqtt,
    Multiprocessing,
    MySql,
    OncRpc,
    Postgres,
    Slip,
    Smpp,
    VarintPrefixed,
    WebSocket,
)
from mezha.framing.whole import Whole
from mezha.testing.laws import refuses

__all__ = ["MESSAGES", "SIGNS", "elements"]

Body = st.SearchStrategy[bytes]


def _whole(kind: type[Whole]) -> Callable[[Body], Body]:
    """Return what puts the header of such a unit in front of a body."""
    head = kind.offset + kind.width

    def unit(fields: bytes, body: bytes) -> bytes:
        size = max(head + len(body), kind.least)
        size += -size % kind.step
        front = bytes(kind.known.get(place, byte) for place, byte in enumerate(fields))
        length = (size - kind.adjust).to_bytes(kind.width, "big")
        return (front + length + body).ljust(size, b"\0")

    return lambda body: st.builds(unit, st.binary(min_size=kind.offset, max_size=kind.offset), body)


def _postgres(body: Body) -> Body:
    def typed(kind: bytes, text: bytes) -> bytes:
        return kind + (4 + len(text)).to_bytes(4, "big") + text

    def untyped(version: bytes, text: bytes) -> bytes:
        return (8 + len(text)).to_bytes(4, "big") + version + text

    versions = st.sampled_from((b"\0\3\0\0", bytes.fromhex("04d2162f")))
    return st.builds(typed, st.sampled_from((b"Q", b"Z", b"1")), body) | st.builds(untyped, versions, body)


def _mqtt(body: Body) -> Body:
    def packet(first: int, rest: bytes) -> bytes:
        return b"".join((bytes((first,)), *VarintPrefixed().encode(rest)))

    firsts = [first for first in range(256) if not refuses(Mqtt(), bytes((first, 0)))]
    return st.builds(packet, st.sampled_from(firsts), body | st.integers(0, 140).map(bytes))


def _websocket(body: Body) -> Body:
    return st.tuples(st.sampled_from((b"\x81", b"\x82", b"\x88", b"\x8a")), body).map(b"".join)


@st.composite
def elements(draw: st.DrawFn, framing: Ber, body: Body, depth: int = 2) -> bytes:
    """Draw an element of ASN.1 with any form of length, which may contain others."""
    identifiers = (b"\x02", b"\x04", b"\x5f\x81\x00", *(b"\x30", b"\x61", b"\xff\x1f") * (depth > 0))
    identifier = draw(st.sampled_from(identifiers)) if framing.identifier is None else bytes((framing.identifier,))
    if identifier[0] & 0x20:
        inside = elements(Ber(definite=framing.definite), body, depth - 1)
        contents = b"".join(draw(st.lists(inside, max_size=2)))
        if not framing.definite and draw(st.booleans()):
            return identifier + b"\x80" + contents + b"\0\0"
    else:
        contents = draw(body)
    if len(contents) < 0x80 and draw(st.booleans()):
        return identifier + bytes((len(contents),)) + contents
    width = draw(st.sampled_from((2, 4, 9)))
    return identifier + bytes((0x80 | width,)) + len(contents).to_bytes(width, "big") + contents


#: Messages of these framings, made of any body.
MESSAGES: dict[type[Framing], Callable[[Body], Body]] = {
    **{kind: _whole(kind) for kind in (Bgp, Diameter, Modbus, Smpp)},
    Mqtt: _mqtt,
    Postgres: _postgres,
    WebSocket: _websocket,
}
#: The bytes that mean something in them.
SIGNS: dict[type[Framing], bytes] = {
    Ber: bytes.fromhex("30 30 04 1f 3f 00 00 01 02 03 80 80 81 82 ff"),
    Chunked: b"0123aF\r\n\r\n; \t:x",
    Cobs: b"\0\0\1\2\3\xfe\xff",
    Hdlc: b"\x7e\x7d\x5e\x5d\0\3a",
    Mqtt: b"\x30\x82\xc0\0\1\2\3\x7f\x80\xff",
    OncRpc: b"\0\0\0\1\2\x80\x80",
    Slip: b"\xc0\xdb\xdc\xdda",
    WebSocket: b"\0\1\x80\x81\x82\x83\x89\2\3\x7e\x7f\xff",
    Bgp: b"\xff\xff\x13\x14\0\1\4",
    Diameter: b"\1\0\0\x14\x18\x15",
    Modbus: b"\0\0\0\1\2\3\6\x11\xfe\xff",
    Multiprocessing: b"\0\0\0\1\4\xff\xff\x7f\x80",
    MySql: b"\0\0\0\1\2\3\xff\xff",
    Postgres: b"QZ1\0\0\0\3\4\5\6\7\x08\x09",
    Smpp: b"\0\0\0\0\x10\x11\x15\x0f\x80",
}
