"""Hdlc: RFC 1662's flags, escapes and checksums."""

import re
from typing import Literal

import pytest
from forgiving import TOO_LARGE, told
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Hdlc, Need, Resyncing, Skip, Skipping
from mezha.testing import laws

framing = Hdlc()
bare = Hdlc(0)
FLAG = b"\x7e"
signs = st.lists(st.sampled_from(b"\x7e\x7d\x5e\x5d\0a"), max_size=14).map(bytes)


def split(data: str | bytes, limit: int = 100, using: Hdlc = framing) -> Frame | Need | Skip:
    return using.split(bytearray(bytes.fromhex(data) if isinstance(data, str) else data), limit)


def table(poly: int, width: int) -> list[int]:
    """RFC 1662, appendix C.2 and C.3: the table of a frame check sequence."""
    found: list[int] = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (poly if value & 1 else 0)
        found.append(value)
    assert max(found) < 1 << width
    return found


TABLES = {16: table(0x8408, 16), 32: table(0xEDB88320, 32)}


def fcs_of(message: bytes, width: int) -> bytes:
    """RFC 1662, appendix C: what a sender puts behind the message."""
    fcs = (1 << width) - 1
    for byte in message:
        fcs = fcs >> 8 ^ TABLES[width][(fcs ^ byte) & 0xFF]
    return (fcs ^ (1 << width) - 1).to_bytes(width // 8, "little")


@given(st.binary(max_size=40))
def test_the_checksums_are_those_of_the_rfc(message: bytes) -> None:
    for width in (16, 32):
        stuffed = Hdlc(width).encode(message)[1]
        assert stuffed == b"".join(
            bytes((0x7D, byte ^ 0x20)) if byte in b"\x7d\x7e" else bytes((byte,))
            for byte in message + fcs_of(message, width)
        )


def test_known_checksums() -> None:
    # of the nine digits, CRC-16/X-25 is 0x906e, and CRC-32 0xcbf43926
    assert framing.encode(b"1234", b"56789") == (FLAG, b"123456789\x6e\x90", FLAG)
    assert Hdlc(32).encode(b"123456789") == (FLAG, b"123456789\x26\x39\xf4\xcb", FLAG)
    assert framing.encode(b"") == (FLAG, b"\0\0", FLAG)
    assert bare.encode(b"123456789") == (FLAG, b"123456789", FLAG)


def test_a_configure_request_of_ppp() -> None:
    """RFC 1661 in RFC 1662 framing, as PPP begins: all control characters are escaped."""
    lcp = bytes.fromhex("ff 03 c0 21 01 01 00 04")
    opening = Hdlc(accm=0xFFFFFFFF)
    wire = b"".join(opening.encode(lcp))
    assert wire == bytes.fromhex("7e ff 7d 23 c0 21 7d 21 7d 21 7d 20 7d 24 d1 b5 7e")
    for using in (opening, framing):
        assert laws.known(using, wire, 8).messages == [lcp]


def test_which_control_characters_are_escaped_is_for_the_map_to_say() -> None:
    assert Hdlc(0, accm=1 << 0x11 | 1).encode(b"\0\x01\x11\x13 \x7d\x7e") == (
        FLAG,
        b"\x7d\x20\x01\x7d\x31\x13 \x7d\x5d\x7d\x5e",
        FLAG,
    )


@pytest.mark.parametrize(
    ("stuffed", "message"),
    [
        ("61", b"a"),
        ("7d 41", b"a"),
        ("7d 7d", b"\x5d"),
        ("7d 7d 7d 5d", b"\x5d\x7d"),
        ("7d 5e 7d 5d 00", b"\x7e\x7d\0"),
        ("7d 5d 41", b"\x7dA"),
    ],
)
def test_any_byte_may_be_escaped(stuffed: str, message: bytes) -> None:
    wire = bytes.fromhex(stuffed) + FLAG
    end = len(wire) - 1
    assert split(wire, len(message), bare) == Frame(0, end, end + 1, message)
    laws.check_any_cut(bare, wire * 2, len(message))


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    assert bare.split(bytearray(b"a~\x7d~" + b"b"), 100, (4, 3)) == Need(6, (5, 4))


def test_flags_fill_pauses_and_may_be_shared() -> None:
    assert split("7e") == Skip(1)
    assert split("7e 7e 7e 61") == Skip(3)
    assert laws.known(bare, b"~~a~b~~c~~", 9).messages == [b"a", b"b", b"c"]


def test_a_frame_that_was_given_up_is_skipped() -> None:
    assert split("61 62 7d 7e", using=bare) == Skip(3)
    assert split("7d 7e", using=framing) == Skip(1)
    assert split("7d 7d 7d 7e", using=bare) == Skip(3)
    stream = b"~a~" + b"bb\x7d~" + b"c~"
    assert laws.known(bare, stream, 9).messages == [b"a", b"c"]
    laws.check_any_cut(bare, stream, 9)


@pytest.mark.parametrize(
    ("data", "fcs", "text"),
    [
        ("61 7e", 16, "a frame of 1 bytes is shorter than its checksum, of 2"),
        ("61 62 63 7e", 32, "a frame of 3 bytes is shorter than its checksum, of 4"),
        ("61 00 00 7e", 16, "the checksum of a frame with 1 bytes should be f7 82, and is 00 00"),
        ("00 00 00 01 7e", 32, "the checksum of a frame with 0 bytes should be 00 00 00 00, and is 00 00 00 01"),
    ],
)
def test_a_checksum_that_is_wrong(data: str, fcs: Literal[16, 32], text: str) -> None:
    with pytest.raises(FramingError) as caught:
        split(data, using=Hdlc(fcs))
    assert str(caught.value) == text
    laws.check_any_cut(Hdlc(fcs), bytes.fromhex(data), 100)


def test_the_limit_counts_neither_stuffing_nor_checksum() -> None:
    wire = b"".join(framing.encode(b"~}~"))[1:]
    assert split(wire, 3) == Frame(0, len(wire) - 1, len(wire), b"~}~")
    for using, data in (
        (framing, wire),
        (framing, wire[:-1]),
        (bare, b"abc"),
        (bare, b"ab\x7dac"),
        (bare, b"abc\x7d~"),
    ):
        with pytest.raises(MessageTooLarge) as caught:
            split(data, 2, using)
        assert (caught.value.size, caught.value.limit) == (None, 2)
        laws.check_any_cut(using, data, 2)


def test_without_a_checksum_there_is_no_empty_message() -> None:
    with pytest.raises(LocalProtocolError, match=r"^two flags with nothing between them are no message: nothing was"):
        bare.encode(b"", b"")
    laws.check_inverse(framing, b"")


@given(signs, st.integers(0, 9), st.sampled_from((0, 16, 32)))
def test_any_bytes_are_judged_alike_at_every_cut(stream: bytes, limit: int, fcs: Literal[0, 16, 32]) -> None:
    laws.check_split(Hdlc(fcs), stream, limit)
    laws.check_any_cut(Hdlc(fcs), stream, limit)


@given(signs.filter(bool), st.sampled_from((0, 16, 32)), st.sampled_from((0, 1, 0xFFFFFFFF)))
def test_what_is_stuffed_with_awkward_bytes_comes_back(message: bytes, fcs: Literal[0, 16, 32], accm: int) -> None:
    laws.check_inverse(Hdlc(fcs, accm), message)


@pytest.mark.parametrize("message", [b"~" * 5000, b"}" * 5000, b"a" * 5000])
def test_stuffing_is_linear(message: bytes) -> None:
    laws.check_linear(framing, message)
    laws.check_linear(framing, message * 20, piece=999)


def test_behind_the_next_flag_it_goes_on() -> None:
    assert told(Skipping(bare), b"~a~abcdef~b~") == [b"a", TOO_LARGE, b"b"]
    sound = b"".join(framing.encode(b"a"))
    assert told(Resyncing(framing), sound + b"~abc~" + sound) == [b"a", "FramingError", b"a"]
    laws.check_forgiving(Resyncing(framing), sound + b"~abc~" + sound, 5)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hdlc", Hdlc()),
        ("hdlc:fcs=32", Hdlc(32)),
        ("hdlc:accm=ffffffff", Hdlc(accm=0xFFFFFFFF)),
        ("hdlc:fcs=0:accm=a0000", Hdlc(0, 0xA0000)),
    ],
)
def test_the_string_form(text: str, meant: Hdlc) -> None:
    assert str(meant) == text
    assert Hdlc.parse(text.split(":")[1:]) == meant


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["16"], "its options are 'fcs=16', 32 or 0, and 'accm=ffffffff', not '16'"),
        (["fcs=24"], "a frame check sequence has 16 or 32 bits, or there is none (0), and not 24"),
        (["accm=100000000"], "accm has 32 bits, one for each control character, and cannot be 0x100000000"),
        (["accm=-1"], "accm has 32 bits, one for each control character, and cannot be -0x1"),
    ],
)
def test_options_that_it_does_not_have(options: list[str], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Hdlc.parse(options)
