"""The units of protocols that put a length among other fields, for Hypothesis: bytes that mean something, and units."""

from collections.abc import Callable

from hypothesis import strategies as st

from mezha.framing import Bgp, Diameter, Framing, Modbus, Multiprocessing, MySql, Postgres, Smpp
from mezha.framing.whole import Whole

__all__ = ["MESSAGES", "SIGNS"]

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


#: Messages of these framings, made of any body.
MESSAGES: dict[type[Framing], Callable[[Body], Body]] = {
    **{kind: _whole(kind) for kind in (Bgp, Diameter, Modbus, Smpp)},
    Postgres: _postgres,
}
#: The bytes that mean something in them.
SIGNS: dict[type[Framing], bytes] = {
    Bgp: b"\xff\xff\x13\x14\0\1\4",
    Diameter: b"\1\0\0\x14\x18\x15",
    Modbus: b"\0\0\0\1\2\3\6\x11\xfe\xff",
    Multiprocessing: b"\0\0\0\1\4\xff\xff\x7f\x80",
    MySql: b"\0\0\0\1\2\3\xff\xff",
    Postgres: b"QZ1\0\0\0\3\4\5\6\7\x08\x09",
    Smpp: b"\0\0\0\0\x10\x11\x15\x0f\x80",
}
