"""Netstring: a length in digits, a colon, a comma, and no leeway."""

import pytest
from forgiving import TOO_LARGE, cut_off, told
from hypothesis import example, given
from hypothesis import strategies as st

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Frame, Need, Netstring, Skipping
from mezha.testing import laws

framing = Netstring()


def split(data: bytes, limit: int = 1000) -> Frame | Need:
    return framing.split(bytearray(data), limit)


def test_a_length_a_colon_the_message_and_a_comma() -> None:
    assert framing.encode(b"Hello", b"!") == (b"6:", b"Hello", b"!", b",")
    assert framing.encode() == (b"0:", b",")
    assert split(b"6:Hello!,6:World!,") == Frame(2, 8, 9)
    assert split(b"0:,") == Frame(2, 2, 3)
    assert split(b"12:hello world!,") == Frame(3, 15, 16)  # Bernstein's example
    assert framing.run()(b"6:Hello!,0:,1:", 0, 100, 9) == ([b"Hello!", b""], 12)


@pytest.mark.parametrize(
    ("data", "need"), [(b"1", 2), (b"12", 3), (b"0", 2), (b"6:", 9), (b"6:Hello", 9), (b"6:Hello!", 9), (b"0:", 3)]
)
def test_what_it_needs(data: bytes, need: int) -> None:
    assert split(data) == Need(need)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b":,", "a netstring begins with digits and a colon, and byte 0 is ':' (0x3a)"),
        (b"x", "a netstring begins with digits and a colon, and byte 0 is 'x' (0x78)"),
        (b"-1:", "a netstring begins with digits and a colon, and byte 0 is '-' (0x2d)"),
        (b"GET / HTTP/1.1", "a netstring begins with digits and a colon, and byte 0 is 'G' (0x47)"),
        (b"1x", "a netstring begins with digits and a colon, and byte 1 is 'x' (0x78)"),
        (b"1 :", "a netstring begins with digits and a colon, and byte 1 is ' ' (0x20)"),
        (b"\xb2:", "a netstring begins with digits and a colon, and byte 0 is '²' (0xb2)"),  # a digit, for Unicode
        (b"00", "the length of a netstring has no leading zeros"),
        (b"01:a,", "the length of a netstring has no leading zeros"),
        (b"1:ab", "a netstring of 1 bytes must end with a comma, and ends with 0x62"),
        (b"0:a", "a netstring of 0 bytes must end with a comma, and ends with 0x61"),
    ],
)
def test_bytes_that_are_no_netstring(data: bytes, text: str) -> None:
    with pytest.raises(FramingError) as caught:
        split(data)
    assert type(caught.value) is FramingError
    assert str(caught.value) == text
    laws.check_split(framing, data, 1000)


@pytest.mark.parametrize(
    ("data", "limit", "size"),
    [
        (b"2:", 1, 2),
        (b"9:", 0, 9),
        (b"10:", 9, None),
        (b"1001:", 1000, 1001),
        (b"9999:", 1000, 9999),
        (b"10000", 1000, None),
        (b"99999999999999999999999", 1000, None),
    ],
)
def test_a_length_over_the_limit_is_refused_as_soon_as_it_shows(data: bytes, limit: int, size: int | None) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        split(data, limit)
    assert (caught.value.size, caught.value.limit) == (size, limit)
    digits = len(str(limit))
    assert str(caught.value) == (
        f"the peer announced a message of {size} bytes; this side takes at most {limit} (max_message)"
        if size
        else f"the peer announced a message of more than {digits} digits' length; "
        f"this side takes at most {limit} bytes (max_message)"
    )
    laws.check_any_cut(framing, data, limit)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@example(9, 9)
@example(9, 10)
@example(99, 100)
@example(1000, 999)
def test_digits_are_judged_as_the_number_they_are(limit: int, size: int) -> None:
    knowledge = laws.known(framing, b"%d:" % size, limit)
    assert (knowledge.fault is None) == (size <= limit)


def test_it_has_no_options() -> None:
    assert str(framing) == "netstring"
    assert Netstring.parse([]) == framing
    with pytest.raises(ValueError, match=r"^it takes no options$"):
        Netstring.parse([""])


MOST = "a netstring begins with at most 20 digits and a colon, and "


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"6:abcdef,1:a,", [TOO_LARGE, b"a"]),
        (b"0:,10:abcdefghij,1:a,", [b"", TOO_LARGE, b"a"]),
        (b"6:abcdef", [TOO_LARGE, cut_off(8, 9)]),
        (b"6:abc", [TOO_LARGE, cut_off(5, 8)]),
        (b"123", [TOO_LARGE, cut_off(3, 4)]),
        (b"6:abcdef;", [TOO_LARGE, "FramingError: a netstring must end with a comma, and ends with 0x3b"]),
        (b"12ab", [TOO_LARGE, f"FramingError: {MOST}byte 2 is 'a' (0x61)"]),
        (b"12/", [TOO_LARGE, f"FramingError: {MOST}byte 2 is '/' (0x2f)"]),
        (b"9" * 20, [TOO_LARGE, cut_off(20, 21)]),
        (b"9" * 20 + b":", [TOO_LARGE, cut_off(21, 10**20 + 20)]),
        (b"9" * 21, [TOO_LARGE, f"FramingError: {MOST}byte 20 is '9' (0x39)"]),
        (b"a", ["FramingError: a netstring begins with digits and a colon, and byte 0 is 'a' (0x61)"]),
    ],
)
def test_what_is_over_the_limit_is_skipped(stream: bytes, found: list[bytes | str]) -> None:
    assert told(Skipping(Netstring()), stream) == found
    laws.check_forgiving(Skipping(Netstring()), stream, 5)
