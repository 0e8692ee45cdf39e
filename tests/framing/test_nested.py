"""A framing within a framing: the laws of both, and what stands inside is one whole frame."""

import copy
import pickle
import re

import pytest
from altered import hold_laws
from forgiving import TOO_LARGE, told
from hypothesis import given
from hypothesis import strategies as st
from stuffed_framings import InPieces, Stuffed

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import (
    Delimited,
    FixedSize,
    Framing,
    LengthPrefixed,
    Lines,
    Nested,
    Netstring,
    Resyncing,
    Skipping,
    VarintPrefixed,
)
from mezha.testing import check_framing, laws

OUTER: list[Framing] = [LengthPrefixed(1), VarintPrefixed(), Netstring(), Stuffed(), Delimited(b"--")]
INNER: list[Framing] = [Lines(), LengthPrefixed(2, offset=4, strip=0), Netstring(), Stuffed(), InPieces()]


@given(st.sampled_from(OUTER), st.sampled_from(INNER), st.text("a|0-", max_size=9).map(str.encode), st.data())
def test_it_keeps_the_laws(outer: Framing, inner: Framing, message: bytes, data: st.DataObject) -> None:
    hold_laws(Nested(outer, inner), message, data)


def test_check_framing_finds_nothing() -> None:
    check_framing(Nested(LengthPrefixed(1), Lines()))


# -- examples ----------------------------------------------------------------------------------------------------------


def test_one_stands_inside_of_the_other() -> None:
    framing = Nested(LengthPrefixed(2), Lines())
    assert b"".join(framing.encode(b"Hello", b"!")) == b"\0\7Hello!\n"
    with pytest.raises(LocalProtocolError, match="line feed"):
        framing.encode(b"a\nb")
    with pytest.raises(LocalProtocolError, match="does not fit a length field of 1 bytes"):
        Nested(LengthPrefixed(1), Lines()).encode(bytes(255))
    # ISO transport (RFC 1006) around Modbus/TCP, which keeps its header
    tpkt = LengthPrefixed(2, offset=2, adjust=-4, fixed=b"\3\0")
    modbus = LengthPrefixed(2, offset=4, strip=0)
    request = bytes.fromhex("0001 0000 0006 11 03 006b 0003")
    assert b"".join(Nested(tpkt, modbus).encode(request)) == b"\3\0\0\x10" + request


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"\0", "no frame stands inside of another: 0 bytes"),
        (b"\2||", "no frame stands inside of another: 2 bytes"),
        (b"\4a|b|", "two frames stand inside of another, not one: 4 bytes"),
        (b"\3a|b", "a frame inside of another is not whole: it has 1 bytes, and needs 2 or more"),
        (b"\2ab", "a frame inside of another is not whole: it has 2 bytes, and needs 3 or more"),
        (b"\3\\x|", "b'\\\\x' is stuffed wrongly"),
    ],
)
def test_what_stands_inside_is_one_whole_frame(stream: bytes, text: str) -> None:
    framing = Nested(LengthPrefixed(1), Stuffed())
    with pytest.raises(FramingError, match=f"^{re.escape(text)}$"):
        framing.split(bytearray(stream), 9)
    decoder = framing.decoder()
    decoder.feed(b"\5||a||")
    assert decoder.take() == [b"a"]


def test_the_limit_counts_the_message_alone() -> None:
    framing = Nested(LengthPrefixed(1), Lines())
    with pytest.raises(MessageTooLarge) as caught:
        framing.split(bytearray(b"\x2b"), 5)
    assert str(caught.value) == (
        "the peer sent 43 bytes for one message; this side takes at most 5 (max_message), and 42 with what lines adds"
    )
    assert (caught.value.size, caught.value.limit) == (None, 5)
    with pytest.raises(MessageTooLarge, match=r"^the peer sent too many bytes for one message; "):
        Nested(Delimited(b"-"), Lines()).split(bytearray(b"a" * 43), 5)
    with pytest.raises(MessageTooLarge, match=r"^the peer sent more than 5 bytes without ending the message"):
        framing.split(bytearray(b"\x07abcdef\n"), 5)


def test_both_have_a_word_in_it() -> None:
    assert Nested(Lines(), FixedSize(5)).timeouts == Lines.timeouts
    assert Nested(FixedSize(5), Lines()).timeouts == FixedSize.timeouts
    assert Nested(Lines(), FixedSize(5)).decoder(limit=5).limit == 5
    with pytest.raises(ValueError, match="every message has 5 bytes, and the limit is 4"):
        Nested(Lines(), FixedSize(5)).decoder(limit=4)
    with pytest.raises(ValueError, match="every message has 50 bytes, and the limit is 32"):
        Nested(FixedSize(50), Lines()).decoder(limit=0)


def test_it_is_a_value() -> None:
    framing = Nested(LengthPrefixed(2), Lines())
    for twin in (pickle.loads(pickle.dumps(framing)), copy.copy(framing), copy.deepcopy(framing)):
        assert twin == framing
        assert hash(twin) == hash(framing)
    assert framing != Nested(LengthPrefixed(2), Lines(b"\r\n"))


@pytest.mark.parametrize("tolerant", [Skipping, Resyncing])
def test_only_the_outermost_forgives(tolerant: type[Skipping | Resyncing]) -> None:
    with pytest.raises(ValueError, match=f"^{tolerant.name}:lines forgives, and would have to stand around both$"):
        Nested(tolerant(Lines()), Lines())
    with pytest.raises(ValueError, match="forgives"):
        Nested(Lines(), tolerant(Lines()))


def test_behind_a_fault_it_goes_on_behind_the_outer_frame() -> None:
    framing = Nested(LengthPrefixed(1), Lines())
    stream = b"\2a\n\2ab\7abcdef\n\x2b" + bytes(43) + b"\2c\n"
    assert told(Resyncing(framing), stream) == [b"a", "FramingError", TOO_LARGE, TOO_LARGE, b"c"]
    assert told(Skipping(framing), stream[:3] + stream[6:]) == [b"a", TOO_LARGE, TOO_LARGE, b"c"]
    laws.check_forgiving(Resyncing(framing), stream, 5)
    assert Nested(FixedSize(3), Lines()).past_too_large() is None


def test_marks_of_the_outer_frame_are_believed() -> None:
    framing = Nested(LengthPrefixed(1, offset=2, fixed=b"OK"), Lines())
    assert told(Resyncing(framing), b"OK\6a\nOK\2b\n") == ["FramingError", b"b"]
