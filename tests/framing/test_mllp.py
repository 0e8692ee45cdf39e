"""MLLP: a block has a start and an end, and anything between them but the end."""

import pytest
from verdicts import fault, forgiven, needs, read, refusal, size_too_large

from mezha.framing import Frame, Mllp, Resyncing
from mezha.testing import laws

framing = Mllp()

HL7 = b"MSH|^~\\&|LAB|767543|ADT|767543|19900314130405||ACK^|XX3657|P|2.3.1\rMSA|AA|ZZ9380|P|2.3.1\r"


def test_a_start_the_message_and_an_end() -> None:
    assert b"".join(framing.encode(HL7[:5], HL7[5:])) == b"\x0b" + HL7 + b"\x1c\r"
    assert b"".join(framing.encode()) == b"\x0b\x1c\r"
    assert framing.split(bytearray(b"\x0b" + HL7 + b"\x1c\r\x0b"), 1000) == Frame(1, len(HL7) + 1, len(HL7) + 3)


def test_any_bytes_stand_between_but_the_end() -> None:
    some = [HL7, b"", b"\x06", b"\x1c", b"\r", b"\x0b", b"\x1c\x1c", b"\x1c\x0b\r", b"a\x0bMSH\x1c\n"]
    assert read(framing, b"".join(b"".join(framing.encode(message)) for message in some)) == some


def test_only_what_is_needed_is_waited_for() -> None:
    assert [needs(framing, b"\x0ba\x1c"[:size]) for size in (1, 2, 3)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"M", "a block begins with 0x0b, and this with 'M' (0x4d)"),
        (b"\x0ba\x1c\r\n", "a block begins with 0x0b, and this with '\\n' (0x0a)"),
    ],
)
def test_bytes_that_are_no_block(stream: bytes, text: str) -> None:
    assert fault(framing, stream) == text


def test_a_message_over_the_limit() -> None:
    assert size_too_large(framing, b"\x0b12345", 3) is None
    assert size_too_large(framing, b"\x0b1234\x1c", 3) is None
    assert read(framing, b"\x0b123\x1c\r", 3) == [b"123"]


def test_the_end_in_a_message_is_refused() -> None:
    text = "the message has the end of a block, b'\\x1c\\r', in it, at byte 1, and would arrive as two"
    assert refusal(framing, b"\x1c\r").endswith(", in it, at byte 0, and would arrive as two")
    assert (
        refusal(framing, b"a\x1c\rb\x1c\r")
        == refusal(framing, b"a\x1c\rb")
        == refusal(framing, b"a\x1c", b"\r")
        == text
    )


def test_a_message_over_the_limit_can_be_skipped() -> None:
    laws.check_skipping(framing, [b"abc", HL7, b"", b"\x0b" * 9, b"d"], 3)


def test_the_next_start_is_where_to_go_on() -> None:
    stream = b"MSH\x1c\r\x0ba\x1c\r\n\x0bb\x1c\r"
    assert forgiven(Resyncing(framing), stream, 3) == ["FramingError", b"a", "FramingError", b"b"]


def test_work_is_in_proportion_to_the_bytes() -> None:
    laws.check_linear(framing, b"\x1c" * 9000 + b"a")
    laws.check_takes_no_memory(framing, b"\x0babc", limit=60 << 20)
