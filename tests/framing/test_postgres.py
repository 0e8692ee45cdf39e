"""PostgreSQL: messages with a type, and the first ones, which have none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Need, Postgres, parse_framing
from mezha.testing import laws

STARTUP = bytes.fromhex("00000011 00030000") + b"user\0me\0\0"
TLS = bytes.fromhex("00000008 04d2162f")
QUERY = b"Q" + bytes.fromhex("0000000d") + b"SELECT 1\0"
READY = b"Z" + bytes.fromhex("00000005") + b"I"
PARSED = b"1" + bytes.fromhex("00000004")


@pytest.mark.parametrize("message", [STARTUP, TLS, QUERY, READY, PARSED])
def test_each_message_is_whole(message: bytes) -> None:
    laws.check_inverse(Postgres(), message)
    assert Postgres().split(bytearray(message * 2), 17) == Frame(0, len(message), len(message))


def test_types_and_none_in_one_stream() -> None:
    stream = TLS + STARTUP + QUERY + READY + PARSED
    laws.check_any_cut(Postgres(), stream, 17)
    decoder = Postgres().decoder()
    decoder.feed(stream)
    assert decoder.take(9) == [TLS, STARTUP, QUERY, READY, PARSED]
    assert parse_framing("postgres") == Postgres()


def test_what_it_waits_for() -> None:
    assert Postgres().split(bytearray(b"Q"), 100) == Need(5)
    assert Postgres().split(bytearray(b"\0"), 100) == Need(4)
    assert Postgres().split(bytearray(QUERY[:5]), 100) == Need(14)


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"\x16\x03\x01", r"no PostgreSQL message begins with '\x16' (0x16)"),
        (b"Q\0\0\0\3", "the length of a PostgreSQL message is 4 or more here, and this one is 3"),
        (b"\0\0\0\7", "the length of a PostgreSQL message is 8 or more here, and this one is 7"),
    ],
)
def test_what_is_no_message(wire: bytes, why: str) -> None:
    with pytest.raises(FramingError, match="^" + re.escape(why) + "$"):
        Postgres().split(bytearray(wire), 1000)


def test_over_the_limit() -> None:
    with pytest.raises(MessageTooLarge, match="Its first bytes are b'GET /': this looks like an HTTP request"):
        Postgres().split(bytearray(b"GET / HTTP/1.1"), 1000)
    with pytest.raises(MessageTooLarge, match=r"a message of 17 bytes; this side takes at most 16 \(max_message\)$"):
        Postgres().split(bytearray(STARTUP), 16)


def test_a_message_with_a_wrong_length_is_not_sent() -> None:
    with pytest.raises(
        LocalProtocolError, match="has 13 bytes, and the PostgreSQL message in it ends after 14: nothing"
    ):
        Postgres().encode(QUERY[:-1])


@given(st.lists(st.sampled_from(b"QZ\0\0\0\4\5\x08\x09") | st.integers(0, 255), max_size=24).map(bytes))
def test_any_cut_gives_the_same(stream: bytes) -> None:
    laws.check_any_cut(Postgres(), stream, 9)
    laws.check_split(Postgres(), stream, 9)
