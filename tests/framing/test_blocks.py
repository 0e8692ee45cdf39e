"""A line, and behind some lines a block: what is common to memcached and NATS, on a protocol of its own."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdicts import fault, forgiven, needs, read, refusal, size_too_large

from mezha.errors import FramingError
from mezha.framing import Frame, Garbage, Resyncing, Skipping, digits
from mezha.framing.blocks import LineAndBlock
from mezha.testing import laws


@dataclass(frozen=True, slots=True)
class Sized(LineAndBlock):
    """``#3`` announces three bytes, and any other line none."""

    name: ClassVar[str] = "sized"
    first: ClassVar[bytes] = b"#ab"

    def announces(self, line: bytes) -> bool:
        return line.startswith(b"#")

    def block(self, line: bytes) -> int | None:
        return digits.length(line[1:], "the size") if line.startswith(b"#") else None


framing = Sized()


def test_a_line_or_a_line_and_a_block() -> None:
    assert framing.encode(b"a", b"b") == (b"ab\r\n",)
    assert framing.encode(b"#2\r\n", b"\r\n") == (b"#2\r\n\r\n\r\n",)
    some = [b"a", b"#3\r\nabc", b"b\r", b"#0\r\n", b"#2\r\n\r\n", b"ab\0\xff"]
    assert read(framing, b"".join(message + b"\r\n" for message in some)) == some
    assert framing.split(bytearray(b"#1\r\na\r\nb"), 9) == Frame(0, 5, 7)


def test_a_line_feed_alone_ends_a_line_and_no_block() -> None:
    assert read(framing, b"a\n#1\n\n\r\nb\r\r\n") == [b"a", b"#1\n\n", b"b\r"]
    assert framing.encode(b"#1\n\n") == (b"#1\n\n\r\n",)
    assert fault(framing, b"#1\na\nb") == "'\\r\\n' stands behind the 1 bytes of a block, and here b'\\nb'"


def test_only_what_is_needed_is_waited_for() -> None:
    assert [needs(framing, b"#3\r\nabc\r"[:size]) for size in range(1, 9)] == [2, 3, 4, 9, 9, 9, 9, 9]


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"c", "no line of sized begins with 'c' (0x63)"),
        (b"\r", "no line of sized begins with '\\r' (0x0d)"),
        (b"#x\r\n", "the size is b'x', which is no number of bytes"),
        (b"#1\r\nabc", "'\\r\\n' stands behind the 1 bytes of a block, and here b'bc'"),
        (b"#1\r\na\r\r", "'\\r\\n' stands behind the 1 bytes of a block, and here b'\\r\\r'"),
    ],
)
def test_bytes_that_are_none(stream: bytes, text: str) -> None:
    assert fault(framing, stream) == text


def test_the_limit_counts_line_and_block() -> None:
    assert read(framing, b"a2345\r\n#1\r\n5\r\n", 5) == [b"a2345", b"#1\r\n5"]
    assert size_too_large(framing, b"a234567", 5) is None
    assert size_too_large(framing, b"a23456\r", 5) is None
    assert size_too_large(framing, b"a23456\n", 5) is None
    assert read(framing, b"a2345\n", 5) == [b"a2345"]
    assert size_too_large(framing, b"#2\r\n", 5) == 6


def test_what_is_not_one_of_them_is_refused() -> None:
    assert refusal(framing, b"a\r\nb") == "the message has 4 bytes, and ends after 1"
    assert refusal(framing, b"#3\r\nab") == "the message has 6 bytes, and is not whole without 1 more"
    assert refusal(framing, b"#3") == "the message has 2 bytes, and is not whole without 5 more"
    assert refusal(framing, b"#3\r\nabcd").startswith("the peer could not read this message: '\\r\\n' stands behind")
    assert refusal(framing, b"") == "the peer could not read this message: no line of sized begins with '\\r' (0x0d)"


@given(
    st.lists(st.sampled_from((b"#", b"a", b"1", b"\r\n", b"\n", b"\r")), max_size=12).map(b"".join), st.integers(0, 9)
)
def test_any_bytes_are_judged_alike_at_every_cut(stream: bytes, limit: int) -> None:
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit)


def test_work_is_in_proportion_to_the_bytes() -> None:
    for message in (b"a" * 9000, b"#9000\r\n" + bytes(9000), b"#8000\r\n" + b"\r\n" * 4000):
        laws.check_linear(framing, message)
    laws.check_takes_no_memory(framing, b"#50000000\r\nab", limit=60 << 20)


def test_a_message_over_the_limit_can_be_skipped() -> None:
    laws.check_skipping(framing, [b"a", b"b" * 30, b"#1\r\na", b"#30\r\n" + b"\r\na" * 10, b"ab"], 5)
    assert forgiven(Skipping(framing), b"#9\r\n123", 5) == ["MessageTooLarge", "TruncatedMessage"]
    assert forgiven(Skipping(framing), b"a2345678\na\r\n", 5) == ["MessageTooLarge", b"a"]
    assert forgiven(Skipping(framing), b"#2345678x\r\n", 5) == ["MessageTooLarge", "FramingError"]


def test_a_line_is_kept_until_it_says_whether_a_block_follows_if_it_is_not_too_long() -> None:
    recover = framing.past_too_large()
    assert recover(bytearray(b"a" * 8191), 5, 0) == recover(bytearray(b"#" * 8191), 5, 0) == Garbage(0, 1)
    assert recover(bytearray(b"a" * 8192), 5, 1) == Garbage(8192, 2)
    assert recover(bytearray(b"a\r\na"), 5, 2) == Garbage(3)
    with pytest.raises(FramingError, match=r"^a line of sized of more than 8192 bytes, with a block behind$"):
        recover(bytearray(b"#" * 8192), 5, 1)


def test_the_next_line_is_where_to_go_on() -> None:
    assert forgiven(Resyncing(framing), b"x\r\n\n#1\r\nabc\r\nb\r\n", 5) == ["FramingError"] * 3 + [b"abc", b"b"]
