"""A checksum around a framing: the laws of the framing, and a fault that is noticed."""

import copy
import pickle
import re
import zlib

import pytest
from altered import hold_laws
from forgiving import TOO_LARGE, told
from framing.plainly import plainly
from hypothesis import given
from hypothesis import strategies as st
from stuffed_framings import Stuffed

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import (
    Checked,
    Delimited,
    FixedSize,
    Framing,
    LengthPrefixed,
    Lines,
    Netstring,
    Resyncing,
    Skipping,
    VarintPrefixed,
    parse_framing,
)
from mezha.framing.checksums import CHECKSUMS
from mezha.testing import check_framing, laws


def digits(message: bytes) -> bytes:
    return b"%08x" % zlib.crc32(message)


INSIDE: list[Framing] = [LengthPrefixed(1), VarintPrefixed(), Netstring(), Stuffed(), Lines(), Delimited(b"--")]
inside = st.sampled_from(INSIDE)


def checked(framing: Framing, name: str) -> Checked:
    return Checked(framing, digits if isinstance(framing, Lines | Delimited) else name)


# -- laws --------------------------------------------------------------------------------------------------------------


@given(inside, st.sampled_from(sorted(CHECKSUMS)), st.text("a-01", max_size=12).map(str.encode), st.data())
def test_it_keeps_the_laws(framing: Framing, name: str, message: bytes, data: st.DataObject) -> None:
    hold_laws(checked(framing, name), message, data)


@given(st.binary(max_size=40), st.integers(0, 45), st.integers(1, 255))
def test_a_byte_that_has_changed_is_noticed(message: bytes, place: int, change: int) -> None:
    framing = Checked(LengthPrefixed(1), "crc32")
    wire = bytearray(b"".join(framing.encode(message)))
    place = 1 + place % (len(wire) - 1)  # the length is the framing's business
    wire[place] ^= change
    with pytest.raises(FramingError, match=rf"^the checksum of a message of {len(message)} bytes is wrong: it says "):
        framing.split(wire, 100)


@pytest.mark.parametrize("framing", [Stuffed(), LengthPrefixed(2, offset=2, fixed=b"OK")], ids=str)
def test_check_framing_finds_nothing(framing: Framing) -> None:
    check_framing(Checked(framing, "crc16-x25-le"))


@pytest.mark.parametrize("framing", [LengthPrefixed(), Stuffed()], ids=str)
def test_linear(framing: Framing) -> None:
    for size in (1 << 13, 1 << 14):
        laws.check_linear(Checked(framing, "crc32"), b"|" * size)


# -- examples ----------------------------------------------------------------------------------------------------------


def test_a_checksum_stands_behind_the_message() -> None:
    assert b"".join(Checked(LengthPrefixed(2), "crc32").encode(b"Hello", b"!")) == b"\0\x0aHello!\x9d\x2a\xcc\x56"
    assert b"".join(Checked(LengthPrefixed(2), "crc32-le").encode(b"Hello!")) == b"\0\x0aHello!\x56\xcc\x2a\x9d"
    assert b"".join(Checked(Lines(), digits).encode(b"Hello!")) == b"Hello!9d2acc56\n"


def test_what_is_wrong_is_said() -> None:
    framing = Checked(LengthPrefixed(1), "crc16-modbus")
    with pytest.raises(FramingError) as caught:
        framing.split(bytearray(b"\3a12"), 9)
    assert str(caught.value) == "the checksum of a message of 1 bytes is wrong: it says 3132, and a87e would be right"
    with pytest.raises(FramingError, match=r"^a message of 1 bytes has no room for its checksum of 2$"):
        framing.split(bytearray(b"\1a"), 9)


@pytest.mark.parametrize(
    ("inner", "wire", "size"), [(LengthPrefixed(1), b"\x08", 6), (Lines(), b"a" * 17, None)], ids=plainly
)
def test_the_limit_does_not_count_the_checksum(inner: Framing, wire: bytes, size: int | None) -> None:
    framing = checked(inner, "crc16-arc")
    width = 8 if size is None else 2
    with pytest.raises(MessageTooLarge, match=f"^with a checksum of {width} bytes: the peer ") as caught:
        framing.split(bytearray(wire), 5)
    assert (caught.value.size, caught.value.limit) == (size, 5)


def test_the_framing_inside_has_a_word_in_it() -> None:
    with pytest.raises(LocalProtocolError, match="the message has 4 bytes, and every message here has exactly 5"):
        Checked(FixedSize(5), "sum8").encode(b"abc")
    assert Checked(FixedSize(5), "sum8").decoder(limit=4).limit == 4
    with pytest.raises(ValueError, match="every message has 5 bytes, and the limit is 4"):
        Checked(FixedSize(5), "sum8").decoder(limit=3)
    assert Checked(Lines(), digits).timeouts == Lines.timeouts


def test_it_is_a_value_with_a_string_form() -> None:
    framing = Checked(LengthPrefixed(2), "crc16-x25-le")
    assert str(framing) == "checked:crc16-x25-le:length:2:big"
    for twin in (
        parse_framing(str(framing)),
        pickle.loads(pickle.dumps(framing)),
        copy.copy(framing),
        copy.deepcopy(framing),
    ):
        assert twin == framing
        assert hash(twin) == hash(framing)
        assert twin.encode(b"Hello!") == framing.encode(b"Hello!")
    assert framing != Checked(LengthPrefixed(2), "crc16-x25")
    assert framing != Checked(LengthPrefixed(3), "crc16-x25-le")


def test_what_cannot_be() -> None:
    known = ", ".join(CHECKSUMS)
    with pytest.raises(ValueError, match=f"^no checksum is called 'crc64'; there are {re.escape(known)}$"):
        Checked(Lines(), "crc64")
    for tolerant in (Skipping, Resyncing):
        name = tolerant.name
        with pytest.raises(
            ValueError, match=f"^{name}:lines forgives, and would have to stand in front: {name}:checked$"
        ):
            Checked(tolerant(Lines()), "sum8")


# -- behind a fault ----------------------------------------------------------------------------------------------------


def wire_of(framing: Framing, *messages: bytes) -> bytes:
    return b"".join(b"".join(framing.encode(message)) for message in messages)


def test_a_message_that_was_changed_is_passed_over() -> None:
    framing = Checked(LengthPrefixed(1), "crc32")
    stream = (
        wire_of(framing, b"one") + b"\7two1234" + wire_of(framing, b"abcdef", b"six") + b"\1a" + wire_of(framing, b"")
    )
    found = [b"one", "FramingError", TOO_LARGE, b"six", "FramingError", b""]
    assert told(Resyncing(framing), stream) == found
    laws.check_forgiving(Resyncing(framing), stream, 5)
    assert told(Skipping(framing), wire_of(framing, b"abcdef", b"six")) == [TOO_LARGE, b"six"]


def test_marks_are_believed_before_lengths() -> None:
    framing = Checked(LengthPrefixed(1, offset=2, fixed=b"OK"), "crc32")
    lost = wire_of(framing, b"lost").replace(b"\x08", b"\x18")  # its length has changed, and reaches into the next
    assert told(Resyncing(framing), lost + wire_of(framing, b"one", b"two"), limit=30) == [
        "FramingError",
        b"one",
        b"two",
    ]


def test_what_the_framing_inside_cannot_go_on_behind_is_the_end() -> None:
    framing = Checked(Netstring(), digits)
    stream = wire_of(framing, b"one") + b"x"
    *_, last = told(Resyncing(framing), stream)
    assert str(last).startswith("FramingError: a netstring begins with digits")
    stream = wire_of(framing, b"abcdef", b"one")
    assert told(Resyncing(framing), stream) == [TOO_LARGE, b"one"]
    assert Checked(FixedSize(3), "sum8").past_too_large() is None
    decoder = Resyncing(Checked(Stuffed(), "sum8")).decoder(limit=1)
    decoder.feed(b"abcdefgh")
    for _ in range(2):
        with pytest.raises(MessageTooLarge):
            decoder.take()
    assert decoder.forgiven == 1
