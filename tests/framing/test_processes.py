"""multiprocessing.connection: the short length, and the long one behind -1."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vast import Vast

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Frame, Multiprocessing, Need, parse_framing
from mezha.testing import laws

EXTENDED = bytes.fromhex("ffffffff 0000000000000006") + b"Hello!"


@given(st.binary(max_size=300))
def test_inverse(message: bytes) -> None:
    laws.check_inverse(Multiprocessing(), message)


@given(st.lists(st.sampled_from(b"\0\0\0\1\4\xff\xff\x80") | st.integers(0, 255), max_size=30).map(bytes))
def test_any_cut_gives_the_same(stream: bytes) -> None:
    laws.check_any_cut(Multiprocessing(), stream, 9)
    laws.check_split(Multiprocessing(), stream, 9)


def test_on_the_wire() -> None:
    assert b"".join(Multiprocessing().encode(b"Hel", b"lo!")) == b"\0\0\0\6Hello!"
    assert Multiprocessing().split(bytearray(EXTENDED * 2), 6) == Frame(12, 18, 18)
    laws.check_any_cut(Multiprocessing(), b"\0\0\0\6Hello!" + EXTENDED + b"\0\0\0\0", 6)
    assert parse_framing("multiprocessing") == Multiprocessing()


@pytest.mark.parametrize(
    ("size", "header"),
    [(2**31 - 1, "7fffffff"), (2**31, "ffffffff 0000000080000000"), (2**40, "ffffffff 0000010000000000")],
)
def test_two_gib_and_more_have_a_long_length(size: int, header: str) -> None:
    vast = Vast(size)
    front, rest = Multiprocessing().encode(vast)
    assert front == bytes.fromhex(header)
    assert rest is vast
    assert Multiprocessing().split(bytearray(front), size) == Need(len(front) + size)


def test_what_it_waits_for() -> None:
    assert Multiprocessing().split(bytearray(b"\xff"), 9) == Need(4)
    assert Multiprocessing().split(bytearray(b"\xff\xff\xff\xff"), 9) == Need(12)
    laws.check_takes_no_memory(Multiprocessing(), EXTENDED[:-1], 6)


def test_another_negative_length_is_refused() -> None:
    with pytest.raises(FramingError, match=re.escape("a length of -2 is impossible: only -1 may be negative")):
        Multiprocessing().split(bytearray(b"\xff\xff\xff\xfe"), 9)


def test_over_the_limit() -> None:
    with pytest.raises(MessageTooLarge) as caught:
        Multiprocessing().split(bytearray(EXTENDED), 5)
    assert (caught.value.size, caught.value.limit) == (6, 5)
    with pytest.raises(MessageTooLarge, match="this looks like an HTTP request"):
        Multiprocessing().split(bytearray(b"GET / HTTP/1.1"), 9)
