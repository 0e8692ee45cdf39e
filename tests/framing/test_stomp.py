"""STOMP: frames with their headers, heart-beats as empty messages, and a length that is believed where it is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdicts import fault, forgiven, needs, read, refusal, size_too_large

from mezha.errors import FramingError
from mezha.framing import Frame, Garbage, Resyncing, Skipping, Stomp
from mezha.testing import laws

framing = Stomp()

#: The specification's own examples, of a frame, and of headers that stand twice.
SEND = b"SEND\ndestination:/queue/a\ncontent-type:text/plain\n\nhello queue a"
TWICE = b"MESSAGE\nfoo:World\nfoo:Hello\n\n"


def test_a_frame_and_the_zero_byte_behind() -> None:
    assert framing.encode(SEND[:3], SEND[3:]) == (SEND + b"\0",)
    assert read(framing, SEND + b"\0" + TWICE + b"\0") == [SEND, TWICE]
    assert framing.split(bytearray(SEND + b"\0SE"), 1000) == Frame(0, len(SEND), len(SEND) + 1)


def test_a_line_end_between_frames_is_a_heart_beat() -> None:
    assert framing.encode() == framing.encode(b"", b"") == (b"\n",)
    assert read(framing, b"\nACK\nid:1\n\n\0\r\n\n\r\nACK\r\nid:1\r\n\r\n\0") == [
        b"",
        b"ACK\nid:1\n\n",
        b"",
        b"",
        b"",
        b"ACK\r\nid:1\r\n\r\n",
    ]


@pytest.mark.parametrize(
    "frame",
    [
        b"SEND\ncontent-length:3\n\n\0\n\0",
        b"SEND\ncontent-length:3\ncontent-length:9\n\n\0\n\0",
        b"SEND\r\na:b\r\ncontent-length:3\r\n\r\n\0\n\0",
        b"SEND\ncontent-length: 3 \n\nabc",
        b"SEND\ncontent-length:0\n\n",
        b"SEND\nContent-Length:9\n\nits name is another",
        b"SEND\nx-content-length:9\n\nso is this one's",
        b"SEND\n\ncontent-length:9\n\n",
        b"S\n\n\n\n\n",
        b"S\n\r\n",
        b"S\n\r\r\n\n",
    ],
)
def test_the_body_is_as_long_as_the_header_says(frame: bytes) -> None:
    assert read(framing, frame + b"\0" + frame + b"\0") == [frame, frame]
    laws.check_inverse(framing, frame)
    laws.check_limit(framing, frame)
    laws.check_linear(framing, frame)


def test_only_what_is_needed_is_waited_for() -> None:
    assert needs(framing, b"\r") == 2
    assert [needs(framing, SEND[:size]) for size in (1, 5, 6, 30, len(SEND))] == [2, 6, 7, 31, len(SEND) + 1]
    assert needs(framing, b"SEND\ncontent-length:6\n\n") == needs(framing, b"SEND\ncontent-length:6\n\nHello!") == 30


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"\0", "a STOMP frame begins with a command, as SEND, and this with '\\x00' (0x00)"),
        (b"{", "a STOMP frame begins with a command, as SEND, and this with '{' (0x7b)"),
        (b"\rx", "a STOMP frame begins with a command, as SEND, and this with '\\r' (0x0d)"),
        (b"SEND\n\nhello\0s", "a STOMP frame begins with a command, as SEND, and this with 's' (0x73)"),
        (b"SEND\0", "a STOMP frame ends inside its headers: the empty line behind them is missing"),
        (b"SEND\na:b\0", "a STOMP frame ends inside its headers: the empty line behind them is missing"),
        (b"SEND\ncontent-length:x\n\n", "content-length is b'x', which is no number of bytes"),
        (b"SEND\ncontent-length:1:2\n\n", "content-length is b'1:2', which is no number of bytes"),
        (b"SEND\ncontent-length:\n\n", "content-length is b'', which is no number of bytes"),
        (
            b"SEND\ncontent-length:1\n\nab",
            "a STOMP frame ends with a zero byte, and 0x62 stands behind the 1 bytes of its content-length",
        ),
    ],
)
def test_bytes_that_are_no_frame(stream: bytes, text: str) -> None:
    assert fault(framing, stream) == text


def test_the_limit_counts_the_frame_without_its_zero_byte() -> None:
    assert read(framing, b"S\n\n4567\0\n", 7) == [b"S\n\n4567", b""]
    assert size_too_large(framing, b"S\n\n45678", 7) is None
    assert size_too_large(framing, b"S\na:5678", 7) is None
    assert size_too_large(framing, b"S\na:567\n", 7) is None
    assert size_too_large(framing, b"S\na:b\n\n", 6) is None
    assert size_too_large(framing, b"SEND\ncontent-length:9\n\n", 30) == 32
    assert fault(framing, b"S\na:567\0", 7).startswith("a STOMP frame ends inside its headers")


def test_what_is_not_one_frame_is_refused() -> None:
    assert refusal(framing, b"\n") == "the message has 1 bytes, and ends after 0"
    assert refusal(framing, SEND, b"\0") == f"the message has {len(SEND) + 1} bytes, and ends after {len(SEND)}"
    assert (
        refusal(framing, b"SEND\ncontent-length:4\n\nabc")
        == "the message has 26 bytes, and is not whole without 1 more"
    )
    assert refusal(framing, b"hello") == (
        "the peer could not read this message: a STOMP frame begins with a command, as SEND, and this with 'h' (0x68)"
    )


@given(st.lists(st.sampled_from((b"\n", b"\r", b"a:b", b"\0", b"content-length:2", b":")), max_size=10).map(b"".join))
def test_any_bytes_are_judged_alike_at_every_cut(rest: bytes) -> None:
    laws.check_split(framing, b"A" + rest, 30)
    laws.check_any_cut(framing, b"A" + rest, 30)


def test_long_headers_and_bodies_cost_work_in_proportion_to_their_bytes() -> None:
    headers = b"".join(b"%d:%d\n" % (number, number) for number in range(300))
    for frame in (
        b"SEND\n" + headers + b"\n" + b"ab\n" * 1000,
        b"SEND\nx:" + b"x" * 9000 + b"\n\n",
        b"SEND\n" + headers + b"content-length:3000\n\n" + bytes(3000),
    ):
        laws.check_linear(framing, frame)
    laws.check_takes_no_memory(framing, b"SEND\ncontent-length:50000000\n\nab", limit=60 << 20)


def test_a_frame_over_the_limit_can_be_skipped() -> None:
    zeros = b"SEND\ncontent-length:9\n\n\0\0\0S\n\n\0\0\0"
    laws.check_skipping(framing, [b"A\n\n", zeros, b"", SEND, b"B\n\nc", b"SEND\r\n\r\n" + b"x" * 30], 4)
    assert forgiven(Skipping(framing), b"SEND\n\nabc", 3) == ["MessageTooLarge", "TruncatedMessage"]
    assert forgiven(Skipping(framing), b"SEND\n\0", 3) == ["MessageTooLarge", "FramingError"]


def test_headers_are_kept_until_they_say_how_long_the_body_is_if_they_are_not_too_long() -> None:
    recover = framing.past_too_large()
    headers = b"S\na:" + b"x" * 8185 + b"\n"
    assert recover(bytearray(headers), 3, 0) == Garbage(0, 2 + 8190)
    assert recover(bytearray(headers + b"\n"), 3, 2 + 8190) == Garbage(8191, 1)
    assert recover(bytearray(b"abc\0d"), 3, 1) == Garbage(4)
    with pytest.raises(FramingError, match=r"^the headers of a STOMP frame over the limit have more than 8192 bytes$"):
        recover(bytearray(headers + b"bc"), 3, 0)


def test_the_next_zero_byte_is_where_to_go_on() -> None:
    assert forgiven(Resyncing(framing), b"{}\0\nS\n\n\0?\0S\n\na\0", 9) == [
        "FramingError",
        b"",
        b"S\n\n",
        "FramingError",
        b"S\n\na",
    ]
