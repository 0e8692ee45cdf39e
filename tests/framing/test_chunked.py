"""Chunked: the grammar of RFC 9112, section 7.1, to the letter, and bounds on what it leaves without."""

import pytest
from forgiving import TOO_LARGE, told
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Chunked, Frame, Need, Skipping
from mezha.limits import Timeouts
from mezha.testing import laws

framing = Chunked()
LAST = b"0\r\n\r\n"


def split(data: bytes, limit: int = 1 << 70) -> Frame | Need:
    return framing.split(bytearray(data), limit)


def messages(data: bytes) -> list[bytes]:
    decoder = framing.decoder(limit=10_000)
    decoder.feed(data)
    return list(decoder)


def test_a_body_is_written_in_chunks_of_the_size_asked_for() -> None:
    assert framing.encode(b"Hello", b"!") == [b"6\r\n", b"Hello", b"!", b"\r\n", LAST]
    assert b"".join(Chunked(4).encode(b"Hel", b"lo!")) == b"4\r\nHell\r\n2\r\no!\r\n" + LAST
    assert b"".join(Chunked(3).encode(b"Hello!")) == b"3\r\nHel\r\n3\r\nlo!\r\n" + LAST
    assert framing.encode(bytes(0x1F))[0] == b"1f\r\n"
    assert framing.encode() == framing.encode(b"", b"") == [LAST]
    large = bytearray(1 << 20)
    assert framing.encode(large)[1] is large


def test_one_chunk_is_the_body_where_it_stands() -> None:
    wire = b"6\r\nHello!\r\n" + LAST
    assert split(wire + b"more") == Frame(3, 9, len(wire))
    assert split(LAST) == Frame(0, 5, 5, b"")


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"4\r\nHell\r\n2\r\no!\r\n" + LAST, b"Hello!"),
        (b"000a\r\n0123456789\r\n00\r\n\r\n", b"0123456789"),
        (b"A\r\n0123456789\r\n" + LAST, b"0123456789"),
        (b"1;name=value\r\na\r\n1 \t ; q=\"x;y\" ; z\r\nb\r\n0;last\r\n\r\n", b"ab"),
        (b"1\r\na\r\n0\r\nExpires: now\r\nX-Checksum:\t1 \r\nEmpty:\r\n\r\n", b"a"),
        (b"2;\xfc\r\n\r\n\r\n" + LAST, b"\r\n"),
        (b"5\r\n0\r\n\r\n\r\n" + LAST, b"0\r\n\r\n"),
    ],
)  # fmt: skip
def test_what_else_is_read(wire: bytes, message: bytes) -> None:
    assert messages(wire) == [message]
    laws.check_split(framing, wire, 100)
    laws.check_any_cut(framing, wire * 2, len(message))


@pytest.mark.parametrize(
    ("data", "need"),
    [
        (b"6", 2),
        (b"6\r", 3),
        (b"6;x", 4),
        (b"6 ", 3),
        (b"6\r\n", 10),
        (b"6\r\nHello!", 10),
        (b"6\r\nHello!\r", 11),
        (b"6\r\nHello!\r\n", 12),
        (b"0\r\n", 4),
        (b"0\r\n\r", 5),
        (b"0\r\nName", 8),
        (b"0\r\nName:\r", 10),
        (b"0\r\nName:\r\n", 11),
    ],
)
def test_what_it_needs(data: bytes, need: int) -> None:
    verdict = split(data)
    assert isinstance(verdict, Need)
    assert verdict.size == need


LINE = "a chunk begins with its size in hexadecimal digits and CR LF, perhaps with an extension between them; "
FIELDS = "behind the last chunk stand fields, as 'Name: value', and an empty line; "


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1\r\n", LINE + "byte 0 of its line is 'G' (0x47)"),
        (b"\r\n", LINE + "byte 0 of its line is '\\r' (0x0d)"),
        (b"-1\r\n", LINE + "byte 0 of its line is '-' (0x2d)"),
        (b"+1\r\n", LINE + "byte 0 of its line is '+' (0x2b)"),
        (b" 1\r\n", LINE + "byte 0 of its line is ' ' (0x20)"),
        (b"0x1\r\n", LINE + "byte 1 of its line is 'x' (0x78)"),
        (b"1_0\r\n", LINE + "byte 1 of its line is '_' (0x5f)"),
        (b"1\n", LINE + "byte 1 of its line is '\\n' (0x0a)"),
        (b"1\rx", LINE + "byte 2 of its line is 'x' (0x78)"),
        (b"1 \r\n", LINE + "byte 2 of its line is '\\r' (0x0d)"),
        (b"1 x", LINE + "byte 2 of its line is 'x' (0x78)"),
        (b"1;a\n", LINE + "byte 3 of its line is '\\n' (0x0a)"),
        (b"1;a\r\r", LINE + "byte 4 of its line is '\\r' (0x0d)"),
        (b"1;\0", LINE + "byte 2 of its line is '\\x00' (0x00)"),
        (b"0" * 17, "the size of a chunk has more than 16 digits"),
        (b"f" * 17, "the size of a chunk has more than 16 digits"),
        (b"0" * 16 + b"?", LINE + "byte 16 of its line is '?' (0x3f)"),
        (b"1" + b" " * 5000, "the line in front of a chunk has more than 4096 bytes"),
        (b"1;" + b"a" * 5000 + b"\r\n", "the line in front of a chunk has more than 4096 bytes"),
        (b"1\r\naa", "a chunk is followed by CR LF, and this one has 'a' (0x61) there"),
        (b"1\r\na\n", "a chunk is followed by CR LF, and this one has '\\n' (0x0a) there"),
        (b"1\r\na\ra", "a chunk is followed by CR LF, and this one has 'a' (0x61) there"),
        (b"0\r\n\n", FIELDS + "byte 0 there is '\\n' (0x0a)"),
        (b"0\r\n\rx", FIELDS + "byte 1 there is 'x' (0x78)"),
        (b"0\r\nName x", FIELDS + "byte 4 there is ' ' (0x20)"),
        (b"0\r\n: x", FIELDS + "byte 0 there is ':' (0x3a)"),
        (b"0\r\nA: b\n", FIELDS + "byte 4 there is '\\n' (0x0a)"),
        (b"0\r\nA: b\r\n folded", FIELDS + "byte 6 there is ' ' (0x20)"),
        (b"0\r\nA:\r\r", FIELDS + "byte 3 there is '\\r' (0x0d)"),
        (b"0\r\nA:" + b"a" * 9000, "the trailer fields of a body have more than 8192 bytes"),
        (b"0\r\n" + b"A:b\r\n" * 2000, "the trailer fields of a body have more than 8192 bytes"),
    ],
)
def test_what_bends_the_grammar_is_refused(data: bytes, text: str) -> None:
    for behind in (b"", b"\r\nmore"):
        with pytest.raises(FramingError) as caught:
            split(data + behind)
        assert str(caught.value) == text
    if len(data) < 100:
        laws.check_any_cut(framing, b"1\r\na\r\n" + data + b"more", 1 << 70)


def test_lines_as_long_as_they_may_be() -> None:
    assert messages(b"1;" + b"a" * 4092 + b"\r\na\r\n" + LAST) == [b"a"]
    assert messages(b"0\r\nA:" + b"a" * 8186 + b"\r\n\r\n") == [b""]
    for one_more in (b"1;" + b"a" * 4093 + b"\r\n", b"0\r\nA:" + b"a" * 8187 + b"\r\n\r\n"):
        with pytest.raises(FramingError, match="more than"):
            split(one_more)


def test_extensions_do_not_go_on_for_ever() -> None:
    each = b"1;" + b"x" * 1000 + b"\r\na\r\n"
    with pytest.raises(FramingError) as caught:
        split(each * 20)
    assert str(caught.value) == "the chunks of a body have 17119 bytes, with their lines, for 17 of the body"
    assert messages(b"1\r\na\r\n" * 3000 + LAST) == [b"a" * 3000]


@pytest.mark.parametrize(
    ("data", "limit"), [(b"3\r\n", 2), (b"2\r\nab\r\n1\r\n", 2), (b"ffffffffffffffff\r\n", 1 << 40), (b"1\r\n", 0)]
)
def test_what_is_over_the_limit_is_refused_as_soon_as_it_shows(data: bytes, limit: int) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        split(data, limit)
    size = min(limit + 1, 3) if limit < 9 else 16**16 - 1
    assert (caught.value.size, caught.value.limit) == (None, limit)
    assert str(caught.value) == (
        f"the peer announced a message of {size} bytes or more; this side takes at most {limit} (max_message)"
    )
    laws.check_any_cut(framing, data, limit)


@given(st.lists(st.sampled_from(b"0012aF\r\n\r\n; \t:x"), max_size=20).map(bytes), st.integers(0, 9))
def test_any_bytes_are_judged_alike_at_every_cut(rest: bytes, limit: int) -> None:
    for stream in (b"1" + rest, b"1\r\na\r\n0\r\n" + rest):
        laws.check_split(framing, stream, limit)
        laws.check_any_cut(framing, stream, limit)


@given(st.binary(max_size=30), st.integers(1, 12))
def test_chunks_are_joined(message: bytes, chunk: int) -> None:
    laws.check_inverse(Chunked(chunk), message)
    assert messages(b"".join(Chunked(chunk).encode(message))) == [message]


def test_many_chunks_are_not_read_again() -> None:
    laws.check_linear(Chunked(1), bytes(5000))
    laws.check_linear(framing, bytes(1 << 15))


def test_a_size_costs_no_memory() -> None:
    laws.check_takes_no_memory(framing, b"3ffffff\r\nabc", 1 << 30)


def test_a_body_over_the_limit_can_be_skipped() -> None:
    one = b"1\r\na\r\n" + LAST
    for large in (b"6\r\nabcdef\r\n" + LAST, b"2\r\nab\r\n4;x\r\nabcd\r\n0\r\nA:b\r\n\r\n"):
        assert told(Skipping(framing), one + large + one, 5) == [b"a", TOO_LARGE, b"a"]
        laws.check_forgiving(Skipping(framing), one + large + one, 5)
    wrong = b"6\r\nabcdefX"
    assert told(Skipping(framing), wrong)[1:] == [
        "FramingError: a chunk is followed by CR LF, and this one has 'X' (0x58) there"
    ]
    laws.check_forgiving(Skipping(framing), wrong, 5)


def test_a_body_may_take_its_time() -> None:
    assert framing.timeouts == Timeouts(message=None)


def test_the_string_form() -> None:
    assert (str(framing), str(Chunked(8192))) == ("chunked", "chunked:8192")
    assert Chunked.parse([]) == framing
    assert Chunked.parse(["8192"]) == Chunked(8192)
    with pytest.raises(ValueError, match=r"^its one option is the largest chunk to write, in bytes$"):
        Chunked.parse(["1", "2"])


@pytest.mark.parametrize("chunk", [0, -1, 16**16])
def test_no_chunk_has_that_size(chunk: int) -> None:
    with pytest.raises(ValueError, match=rf"^a chunk has 1 byte or more, in 16 hexadecimal digits, not {chunk}$"):
        Chunked(chunk)
