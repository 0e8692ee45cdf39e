"""Syslog: two forms, both read, one written."""

import pytest
from verdicts import fault, forgiven, needs, read, refusal, size_too_large

from mezha.errors import FramingError
from mezha.framing import Frame, Resyncing, Skipping, Syslog
from mezha.testing import laws

counted, lines = Syslog(), Syslog("lines")
both = pytest.mark.parametrize("framing", [counted, lines], ids=str)

#: RFC 5424, 6.5, example 1, but for its byte order mark.
SU = b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed for lonvick on /dev/pts/8"


def test_a_count_in_front_or_a_line_feed_behind() -> None:
    assert counted.encode(SU[:9], SU[9:]) == (b"107 ", SU[:9], SU[9:])
    assert b"".join(lines.encode(SU[:9], SU[9:])) == SU + b"\n"


@both
def test_both_forms_are_read_one_after_the_other(framing: Syslog) -> None:
    stream = b"107 " + SU + SU + b"\n" + b"5 <1>\n\n" + b"<2>\r\n" + b"1 \0" + b"<3>10 a\n"
    assert read(framing, stream) == [SU, SU, b"<1>\n\n", b"<2>", b"\0", b"<3>10 a"]


@both
def test_only_what_is_needed_is_waited_for(framing: Syslog) -> None:
    assert [needs(framing, data) for data in (b"1", b"10", b"10 ", b"10 abc", b"<", b"<1>abc\r")] == [
        2,
        3,
        13,
        13,
        2,
        8,
    ]
    assert framing.split(bytearray(b"3 abcd"), 1000) == Frame(2, 5, 5)


@both
@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"\x16", "a syslog message begins with '<', or with digits and a space, and byte 0 is '\\x16' (0x16)"),
        (b"G", "a syslog message begins with '<', or with digits and a space, and byte 0 is 'G' (0x47)"),
        (b" ", "a syslog message begins with '<', or with digits and a space, and byte 0 is ' ' (0x20)"),
        (b"1 a\n", "a syslog message begins with '<', or with digits and a space, and byte 0 is '\\n' (0x0a)"),
        (b"1<", "a syslog message begins with '<', or with digits and a space, and byte 1 is '<' (0x3c)"),
        (b"01", "the length of a syslog message has no leading zeros"),
        (b"0 ", "the length of a syslog message is not 0"),
    ],
)
def test_bytes_that_are_no_syslog(framing: Syslog, stream: bytes, text: str) -> None:
    assert fault(framing, stream) == text


@both
def test_a_message_over_the_limit(framing: Syslog) -> None:
    assert size_too_large(framing, b"11 ", 10) == 11
    assert size_too_large(framing, b"123", 10) is None
    assert size_too_large(framing, b"<1>45678901\n", 10) is None
    assert read(framing, b"10 <1>4567890<1>4567890\r\n", 10) == [b"<1>4567890"] * 2


def test_what_a_form_cannot_carry_is_refused() -> None:
    assert refusal(counted, b"", b"") == refusal(lines) == "a syslog message is not empty"
    begins = "a syslog message in a line begins with its priority, '<', and byte 0 is"
    assert refusal(lines, b"12 <1>") == f"{begins} '1' (0x31)"
    assert refusal(lines, b"su: lost") == f"{begins} 's' (0x73)"
    assert refusal(lines, b"<1>a\nb") == "the message has a line feed in it, at byte 4, and would arrive as two"
    with pytest.raises(Exception, match="ends with a carriage return"):
        lines.encode(b"<1>a\r")


def test_its_option_is_the_form_to_write() -> None:
    assert str(counted) == "syslog"
    assert str(lines) == "syslog:lines"
    assert Syslog.parse([]) == Syslog.parse(["counted"]) == counted
    assert Syslog.parse(["lines"]) == lines
    with pytest.raises(ValueError, match=r"^its one option is the form to write, 'counted' or 'lines'$"):
        Syslog.parse(["lf"])
    with pytest.raises(ValueError, match=r"^the form to write is 'counted' or 'lines', not 'lf'$"):
        Syslog("lf")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@both
def test_a_message_over_the_limit_can_be_skipped(framing: Syslog) -> None:
    some = [b"<1>a", b"<1>" + b"a" * 20, b"<1>b", b"<1>" + b"0 1 " * 300]
    laws.check_skipping(framing, some, 4)
    stream = b"4 <1>a10 <1>4567890<1>456\n<1>c\n100 " + b"a" * 100 + b"4 <1>d"
    assert forgiven(Skipping(framing), stream, 4) == [
        b"<1>a",
        "MessageTooLarge",
        "MessageTooLarge",
        b"<1>c",
        "MessageTooLarge",
        b"<1>d",
    ]
    assert forgiven(Skipping(framing), b"99999x", 4) == ["MessageTooLarge", "FramingError"]
    assert forgiven(Skipping(framing), b"<1>345", 4) == ["MessageTooLarge", "TruncatedMessage"]


def test_a_count_over_the_limit_has_to_end_as_any_other() -> None:
    with pytest.raises(FramingError) as caught:
        counted.past_too_large()(bytearray(b"99x"), 4, 0)
    assert str(caught.value) == ("a syslog message begins with at most 20 digits and a space, and byte 2 is 'x' (0x78)")


def test_a_line_feed_is_where_to_go_on_where_lines_are_spoken() -> None:
    assert forgiven(Resyncing(lines), b"<1>a\nno priority\n<1>b\nno", 9) == [
        b"<1>a",
        "FramingError",
        b"<1>b",
        "FramingError",
    ]
    assert counted.past_garbage() is None
