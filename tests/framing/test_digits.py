"""Lengths in decimal digits: in front of a message, judged byte by byte; and in a field, judged as a whole."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Garbage, Need, digits
from mezha.framing.digits import Leading, leading


def judge(data: bytes, limit: int = 1000) -> Leading | Need:
    return leading(bytearray(data), limit, 0x3A, what="a thing", begins="digits and a colon")


@pytest.mark.parametrize(("data", "head"), [(b"0:", (0, 2)), (b"7:abc", (7, 2)), (b"1000:", (1000, 5))])
def test_a_length_and_where_its_message_begins(data: bytes, head: tuple[int, int]) -> None:
    assert judge(data) == Leading(*head)


@pytest.mark.parametrize("data", [b"0", b"1", b"99", b"1000"])
def test_digits_may_have_more_behind(data: bytes) -> None:
    assert judge(data) == Need(len(data) + 1)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b":", "a thing begins with digits and a colon, and byte 0 is ':' (0x3a)"),
        (b"1/:", "a thing begins with digits and a colon, and byte 1 is '/' (0x2f)"),
        (b"1;:", "a thing begins with digits and a colon, and byte 1 is ';' (0x3b)"),
        (b"00", "the length of a thing has no leading zeros"),
        (b"01:", "the length of a thing has no leading zeros"),
    ],
)
def test_what_is_no_length(data: bytes, text: str) -> None:
    with pytest.raises(FramingError) as caught:
        judge(data)
    assert str(caught.value) == text


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@example(9, 8)
@example(10, 9)
def test_a_length_is_within_the_limit_or_refused(size: int, limit: int) -> None:
    if size <= limit:
        assert judge(b"%d:" % size, limit) == Leading(size, len(str(size)) + 1)
        return
    with pytest.raises(MessageTooLarge) as caught:
        judge(b"%d:" % size, limit)
    more_digits = len(str(size)) > len(str(limit))
    assert (caught.value.size, caught.value.limit) == (None if more_digits else size, limit)
    if more_digits:
        with pytest.raises(MessageTooLarge) as early:
            judge(b"%d" % size, limit)
        assert str(early.value) == (
            f"the peer announced a message of more than {len(str(limit))} digits' length; "
            f"this side takes at most {limit} bytes (max_message)"
        )


def skip(data: bytes) -> Garbage:
    return digits.past(bytearray(data), 0x3A, what="a thing", begins="digits and a colon", resume=7)


def test_what_the_digits_announce_is_skipped_once_they_are_whole() -> None:
    assert skip(b"12:abc") == Garbage(3 + 12, 7)
    assert skip(b"99999999999999999999:") == Garbage(21 + 10**20 - 1, 7)
    assert skip(b"12") == skip(b"1" * 20) == Garbage(0, digits.IN_LENGTH)
    for data, byte in ((b"12x", "byte 2 is 'x' (0x78)"), (b"1" * 21, "byte 20 is '1' (0x31)")):
        with pytest.raises(FramingError) as caught:
            skip(data)
        assert str(caught.value) == f"a thing begins with at most 20 digits and a colon, and {byte}"


@given(st.integers(0, 10**20 - 1), st.integers(0, 20))
def test_a_field_of_digits_is_a_length(value: int, width: int) -> None:
    assert digits.length(b"%0*d" % (width, value), "it") == value


@pytest.mark.parametrize("field", [b"", b"-1", b"+1", b" 1", b"1 ", b"1_0", b"0x1", b"\xb2", "٣".encode(), b"1\n"])
def test_a_field_of_anything_else_is_none(field: bytes) -> None:
    with pytest.raises(FramingError) as caught:
        digits.length(field, "Content-Length")
    assert str(caught.value) == f"Content-Length is {field!r}, which is no number of bytes"


def test_no_number_is_endless() -> None:
    with pytest.raises(FramingError, match=r"^it has 21 digits, and no message is that long$"):
        digits.length(b"0" * 21, "it")
    with pytest.raises(FramingError) as caught:
        digits.length(b"x" * 5000, "it")
    assert len(str(caught.value)) < 100
