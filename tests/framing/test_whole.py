"""Whole units: a length among other fields, bytes that are known, bounds, and a step."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Need
from mezha.framing.whole import Whole
from mezha.testing import laws


@dataclass(frozen=True, slots=True)
class Coin(Whole):
    """Two known bytes, a length without them, an even size of 4 to 12 bytes."""

    name: ClassVar[str] = "coin"
    unit: ClassVar[str] = "coin"
    offset: ClassVar[int] = 2
    width: ClassVar[int] = 1
    adjust: ClassVar[int] = 2
    least: ClassVar[int] = 4
    most: ClassVar[int] = 12
    step: ClassVar[int] = 2
    known: ClassVar[Mapping[int, int]] = {0: 0x43, 1: 0x4F}


@dataclass(frozen=True, slots=True)
class Plain(Whole):
    """A length in front that counts all, and nothing more."""

    name: ClassVar[str] = "plain"
    unit: ClassVar[str] = "thing"
    width: ClassVar[int] = 4
    least: ClassVar[int] = 4
    most: ClassVar[int] = 2**32 - 1


SIGNS = st.sampled_from(b"CO\x02\x04\x06\x0a\x0c\0") | st.integers(0, 255)


@given(st.lists(SIGNS, max_size=30).map(bytes), st.integers(0, 14))
def test_any_cut_gives_the_same(stream: bytes, limit: int) -> None:
    laws.check_any_cut(Coin(), stream, limit)
    laws.check_split(Coin(), stream, limit)


@given(st.binary(max_size=14) | st.sampled_from((b"CO\x02.", b"CO\x04...", b"CO\x0a" + bytes(9))))
def test_what_encode_takes_comes_back_and_the_rest_is_refused(message: bytes) -> None:
    laws.check_inverse(Coin(), message) if not laws.refuses(Coin(), message) else None
    whole = message[:2] == b"CO" and len(message) in (4, 6, 8, 10, 12) and message[2] == len(message) - 2
    assert laws.refuses(Coin(), message) != whole


def test_a_unit_is_the_message_header_and_all() -> None:
    assert Coin().split(bytearray(b"CO\x04...CO"), 6) == Frame(0, 6, 6)
    assert Coin().encode(b"CO", b"", b"\x04...") == (b"CO", b"", b"\x04...")
    assert Coin().split(bytearray(b"CO"), 6) == Need(3)
    assert Coin().split(bytearray(b"CO\x04"), 6) == Need(6)


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"B", "byte 0 of every coin is 0x43, and here it is 'B' (0x42)"),
        (b"CA\xff", "byte 1 of every coin is 0x4f, and here it is 'A' (0x41)"),
        (b"CO\x01", "coins have 4 to 12 bytes, a multiple of 2, and this header says 3"),
        (b"CO\x0c", "coins have 4 to 12 bytes, a multiple of 2, and this header says 14"),
        (b"CO\x05", "coins have 4 to 12 bytes, a multiple of 2, and this header says 7"),
    ],
)
def test_what_begins_no_unit(wire: bytes, why: str) -> None:
    with pytest.raises(FramingError, match="^" + re.escape(why) + "$"):
        Coin().split(bytearray(wire), 100)


def test_over_the_limit() -> None:
    with pytest.raises(MessageTooLarge) as caught:
        Coin().split(bytearray(b"CO\x0a"), 11)
    assert (caught.value.size, caught.value.limit) == (12, 11)


def test_a_stranger_is_recognised() -> None:
    with pytest.raises(
        MessageTooLarge, match=r"\(max_message\)\. Its first bytes are b'GET ': this looks like an HTTP"
    ):
        Plain().split(bytearray(b"GET / HTTP/1.1"), 100)
    with pytest.raises(FramingError, match=r"^things have 4 to 4294967295 bytes, and this header says 3$"):
        Plain().split(bytearray(b"\0\0\0\3"), 100)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "an empty message is no coin: nothing was sent"),
        (b"CO", "the message is no coin: it has not ended after 2 bytes: nothing was sent"),
        (b"CO\x04..", "the message has 5 bytes, and the coin in it ends after 6: nothing was sent"),
        (
            b"Ca\x04...",
            "the message is no coin: byte 1 of every coin is 0x4f, and here it is 'a' (0x61): nothing was sent",
        ),
    ],
)
def test_a_message_that_is_no_unit_is_not_sent(message: bytes, why: str) -> None:
    with pytest.raises(LocalProtocolError, match="^" + re.escape(why) + "$"):
        Coin().encode(message)
