"""DotStuffed: dots are doubled and taken away again, a lone one is the end, and no half line end passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdicts import fault, forgiven, needs, read, refusal, size_too_large

from mezha.framing import DotStuffed, Frame, Need, Resyncing
from mezha.testing import laws

framing = DotStuffed()

#: Texts, and how they are sent.
SENT = [
    (b"", b".\r\n"),
    (b"\r\n", b"\r\n.\r\n"),
    (b"Hello!\r\n", b"Hello!\r\n.\r\n"),
    (b".\r\n", b"..\r\n.\r\n"),
    (b"..\r\n", b"...\r\n.\r\n"),
    (b".hid\r\n", b"..hid\r\n.\r\n"),
    (b"a.\r\n.b\r\n.\r\n.\r\n\r\n", b"a.\r\n..b\r\n..\r\n..\r\n\r\n.\r\n"),
    (b"\0\xff\r\n", b"\0\xff\r\n.\r\n"),
]


@pytest.mark.parametrize(("text", "sent"), SENT)
def test_dots_are_doubled_at_the_beginnings_of_lines(text: bytes, sent: bytes) -> None:
    assert b"".join(framing.encode(text)) == b"".join(framing.encode(text[:2], text[2:])) == sent
    assert read(framing, sent * 2) == [text] * 2
    laws.check_limit(framing, text)


def test_the_first_dot_is_taken_away_whatever_follows() -> None:
    assert read(framing, b".hid\r\n.\r\n") == [b"hid\r\n"]  # RFC 5321, 4.5.2
    assert framing.split(bytearray(b".hid\r\n.\r\n.\r\n"), 10) == Frame(0, 6, 9, b"hid\r\n")
    assert framing.split(bytearray(b".\r\n.\r\n"), 10) == Frame(0, 0, 3)
    assert framing.split(bytearray(b"a\r\n.\r\n\n"), 10) == Frame(0, 3, 6, b"a\r\n")  # what is wrong comes behind it


def test_only_what_is_needed_is_waited_for() -> None:
    for stream in (b".\r\n", b"a\r\n.\r\n", b"..\r\n.\r\n"):
        assert [needs(framing, stream[:size]) for size in range(1, len(stream))] == [*range(2, len(stream) + 1)]


@pytest.mark.parametrize(
    ("stream", "place"),
    [(b"\n", 0), (b"a\n", 1), (b"\ra", 0), (b"\r\r", 0), (b"a\r\n\n", 3), (b".\n", 1), (b".\r.", 1), (b"a\r\n.\n", 4)],
)
def test_half_a_line_end_is_refused(stream: bytes, place: int) -> None:
    assert fault(framing, stream) == f"half a line end, at byte {place}; a line ends with '\\r\\n'"


def test_no_mail_is_smuggled_in_another() -> None:
    for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r\r\n"):
        assert refusal(framing, b"one" + end + b"MAIL FROM:<two>\r\n").startswith("half a line end at byte ")
        reading = laws.known(framing, b"one" + end + b"MAIL FROM:<two>\r\n.\r\n", 1000)
        assert reading.messages == []
        assert reading.fault


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (b"Hello!", "the last line has to end, with '\\r\\n', as the others do"),
        (b"Hello!\r", "the last line has to end, with '\\r\\n', as the others do"),
        (b"Hello!\n", "half a line end at byte 6, b'\\n'; a line ends with '\\r\\n'"),
        (b"a\rb\r\n", "half a line end at byte 1, b'\\rb'; a line ends with '\\r\\n'"),
    ],
)
def test_what_is_not_lines_is_refused(text: bytes, refused: str) -> None:
    assert refusal(framing, text) == refused


def test_the_limit_counts_the_text_and_not_the_dots_that_were_doubled() -> None:
    dots = b".\r\n" * 3
    sent = b"".join(framing.encode(dots))
    assert len(sent) == 15
    assert read(framing, sent, 9) == [dots]
    assert size_too_large(framing, sent[:13], 8) is None
    assert size_too_large(framing, b"1234567\r\n.\r\n", 8) == 9
    assert size_too_large(framing, b"1234567890123", 8) is None
    assert size_too_large(framing, b"abc", 0) is None
    assert framing.split(bytearray(b".\r"), 0) == Need(3, 0)


@given(st.lists(st.sampled_from((b".", b"\r\n", b"a", b"\r", b"\n")), max_size=12).map(b"".join), st.integers(0, 9))
def test_any_bytes_are_judged_alike_at_every_cut(stream: bytes, limit: int) -> None:
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit)


def test_work_is_in_proportion_to_the_bytes() -> None:
    for text in (b".\r\n" * 3000, b"a" * 9000 + b"\r\n", b"\r\n" * 4000):
        laws.check_linear(framing, text)


def test_a_text_over_the_limit_can_be_skipped() -> None:
    laws.check_skipping(framing, [b"a\r\n", b".\r\n" * 9, b"", b"abcdefghi\r\n", b".\r\n"], 3)


def test_the_end_of_a_text_is_where_to_go_on() -> None:
    assert forgiven(Resyncing(framing), b"a\nb\n.\r\nc\r\n.\r\nd\r\n.\r\n", 9) == ["FramingError", b"d\r\n"]
