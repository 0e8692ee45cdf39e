"""RESP: one value is one message, however deep, and a count that lies costs nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdicts import fault, forgiven, needs, read, refusal, size_too_large

from mezha.framing import Frame, Need, Resp, Skipping
from mezha.testing import laws

framing = Resp()

#: One value each; most of them are the specification's own examples.
VALUES = [
    b"+OK\r\n",
    b"-ERR unknown command 'asdf'\r\n",
    b":0\r\n",
    b":-1000\r\n",
    b"$5\r\nhello\r\n",
    b"$0\r\n\r\n",
    b"$2\r\n\r\n\r\n",
    b"$-1\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n",
    b"*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n$5\r\nhello\r\n",
    b"*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n",
    b"*3\r\n$5\r\nhello\r\n$-1\r\n$5\r\nworld\r\n",
    b"_\r\n",
    b"#t\r\n",
    b",1.23\r\n",
    b",-inf\r\n",
    b"(3492890328409238509324850943850943825024385\r\n",
    b"!21\r\nSYNTAX invalid syntax\r\n",
    b"=15\r\ntxt:Some string\r\n",
    b"%2\r\n+first\r\n:1\r\n+second\r\n:2\r\n",
    b"%0\r\n",
    b"~5\r\n+orange\r\n+apple\r\n#t\r\n:100\r\n:999\r\n",
    b">4\r\n+pubsub\r\n+message\r\n+somechannel\r\n+this is the message\r\n",
    b"|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.1923\r\n$1\r\nb\r\n,0.0012\r\n*2\r\n:2039123\r\n:9543892\r\n",
    b"*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n",
    b"|0\r\n*0\r\n",
    b"+a\rb\r\n",
]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_a_message(value: bytes) -> None:
    assert framing.encode(value[:2], value[2:]) == (value,)
    assert framing.split(bytearray(value + b"*"), len(value)) == Frame(0, len(value), len(value))
    assert read(framing, value + value) == [value, value]
    laws.check_limit(framing, value)


def test_one_comes_after_the_other() -> None:
    decoder = framing.decoder()
    decoder.feed(b"".join(VALUES))
    assert list(decoder) == VALUES


@pytest.mark.parametrize(
    ("beginning", "need"),
    [
        (b"*", 2),
        (b"*2", 3),
        (b"*2\r\n", 5),
        (b"*2\r\n$5\r\n", 15),
        (b"*2\r\n$5\r\nhello\r", 15),
        (b"*2\r\n$5\r\nhello\r\n", 16),
        (b"*2\r\n$5\r\nhello\r\n+", 17),
        (b"|0\r\n", 5),
    ],
)
def test_only_what_is_needed_is_waited_for(beginning: bytes, need: int) -> None:
    assert needs(framing, beginning) == need


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"P", "a RESP value begins with one of +-:_,#($!=*~>%|, and byte 0 is 'P' (0x50)"),
        (b"\x16", "a RESP value begins with one of +-:_,#($!=*~>%|, and byte 0 is '\\x16' (0x16)"),
        (b"*1\r\nG", "a RESP value begins with one of +-:_,#($!=*~>%|, and byte 4 is 'G' (0x47)"),
        (b"+\n", "a line of RESP ends with '\\r\\n', and byte 1 is a '\\n' alone"),
        (b"*1\r\n+OK\n", "a line of RESP ends with '\\r\\n', and byte 7 is a '\\n' alone"),
        (b"$\r\n", "the length of the RESP value that begins with '$' is b'', which is no number of bytes"),
        (b"$?\r\n", "the length of the RESP value that begins with '$' is b'?', which is no number of bytes"),
        (b"$-2\r\n", "the length of the RESP value that begins with '$' is b'-2', which is no number of bytes"),
        (b"%-1\r\n", "the length of the RESP value that begins with '%' is b'-1', which is no number of bytes"),
        (b"*+1\r\n", "the length of the RESP value that begins with '*' is b'+1', which is no number of bytes"),
        (b"*" + b"1" * 30 + b"\r\n", "the length of the RESP value that begins with '*' has 30 digits, and no"),
        (b"$1\r\nab\r", "'\\r\\n' stands behind the bytes of a RESP value, and here b'b\\r'"),
        (b"*1\r\n$1\r\na\r\r", "'\\r\\n' stands behind the bytes of a RESP value, and here b'\\r\\r'"),
    ],
)
def test_bytes_that_are_no_resp(stream: bytes, text: str) -> None:
    assert fault(framing, stream).startswith(text)


@pytest.mark.parametrize(
    ("stream", "limit", "size"),
    [
        (b"$4\r\n", 9, 10),
        (b"$2000000000\r\n", 1000, 2_000_000_015),
        (b"*2000000000\r\n", 1000, None),
        (b"%2000000000\r\n", 1000, None),
        (b"|2000000000\r\n", 1000, None),
        (b"*2\r\n", 9, None),  # the least would be ten bytes
        (b"*2\r\n$1\r\n", 13, None),
        (b"*2\r\n:1\r\n$1\r\n", 14, 15),
        (b"+123456", 7, None),
        (b"*1\r\n+12", 7, None),
        (b"*2\r\n+12345", 13, None),
        (b"+", 0, None),
        (b"|1\r\n", 12, None),
    ],
)
def test_what_cannot_be_within_the_limit_is_refused_at_once(stream: bytes, limit: int, size: int | None) -> None:
    assert size_too_large(framing, stream, limit) == size


def test_a_count_that_lies_takes_no_memory() -> None:
    laws.check_takes_no_memory(framing, b"*10000000\r\n*10000000\r\n:1\r\n", limit=60 << 20)
    laws.check_takes_no_memory(framing, b"$50000000\r\nabc", limit=60 << 20)


@given(st.sampled_from((b"*1\r\n", b"~1\r\n", b"|0\r\n", b">1\r\n")), st.integers(1, 3000))
def test_any_depth_is_read_without_going_deep(level: bytes, depth: int) -> None:
    value = level * depth + b":1\r\n"
    assert framing.split(bytearray(value), len(value)) == Frame(0, len(value), len(value))
    assert framing.split(bytearray(value[:-1]), len(value)) == Need(len(value), (len(value) - 1, 4 * depth, 1))


def test_work_is_in_proportion_to_the_bytes_however_they_are_nested() -> None:
    inner = b"*3\r\n:1\r\n$3\r\nabc\r\n+OK\r\n"
    for value in (
        b"*300\r\n" + inner * 300,
        b"*1\r\n" * 2000 + b":1\r\n",
        b"*" + b"2\r\n:1\r\n*" * 900 + b"0\r\n",
        b"+" + b"x" * 9000 + b"\r\n",
        b"$9000\r\n" + bytes(9000) + b"\r\n",
    ):
        laws.check_linear(framing, value)


def test_what_is_not_one_value_is_refused() -> None:
    assert refusal(framing, b"*99999999999999999999\r\n") == "the message has 23 bytes, and is not whole without 1 more"
    assert refusal(framing) == "an empty message has no header"
    assert refusal(framing, b"+OK\r\n+OK\r\n") == "the message has 10 bytes, and ends after 5"
    assert refusal(framing, b"*2\r\n:1\r\n") == "the message has 8 bytes, and is not whole without 1 more"
    assert refusal(framing, b"PING\r\n") == (
        "the peer could not read this message: a RESP value begins with one of +-:_,#($!=*~>%|, "
        "and byte 0 is 'P' (0x50)"
    )


def test_a_value_over_the_limit_can_be_skipped() -> None:
    laws.check_skipping(framing, VALUES, 5)
    laws.check_skipping(framing, VALUES, 9)
    assert forgiven(Skipping(framing), b"*2\r\n+" + b"x" * 30 + b"\r\n:1\r\n+a\r\n", 9) == [
        "MessageTooLarge",
        b"+a\r\n",
    ]
    assert forgiven(Skipping(framing), b"*9\r\n:1\r\n", 9) == ["MessageTooLarge", "TruncatedMessage"]
    assert forgiven(Skipping(framing), b"*9\r\nx", 9) == ["MessageTooLarge", "FramingError"]
    assert forgiven(Skipping(framing), b"*9\r\n$1\n", 9) == ["MessageTooLarge", "FramingError"]
    assert forgiven(Skipping(framing), b"*9\r\n$" + b"1" * 22, 9) == ["MessageTooLarge", "FramingError"]
    assert framing.past_garbage() is None
