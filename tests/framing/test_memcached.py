"""memcached: which lines of it have a value behind, and of what size."""

import pytest
from verdicts import fault, read, refusal

from mezha.framing import Memcached
from mezha.testing import laws

framing = Memcached()


@pytest.mark.parametrize(
    "message",
    [
        b"set name 0 0 6\r\nHello!",
        b"set name 0 0 6 noreply\r\nHello!",
        b"add name 0 0 0\r\n",
        b"replace name 1 -1 2\r\n\r\n",
        b"append name 0 0 1\r\n\xff",
        b"prepend name 0 0 1\r\n\0",
        b"cas name 0 0 6 42 noreply\r\nHello!",
        b"cas  name 0  0 6 42\r\nHello!",
        b"ms name 6 T90 F1\r\nHello!",
        b"ms name 6\r\nHello!",
        b"VALUE name 0 6\r\nHello!",
        b"VALUE name 0 6 42\r\nHello!",
        b"VA 6 t78 f1\r\nHello!",
        b"VA 6\r\nHello!",
        # without a value
        b"get name other",
        b"gets name",
        b"mg name v",
        b"delete name noreply",
        b"incr name 1",
        b"touch name 10",
        b"stats",
        b"mn",
        b"STORED",
        b"END",
        b"STAT pid 1",
        b"ERROR",
        b"CLIENT_ERROR bad data chunk",
        b"VERSION 1.6.18",
        b"HD",
        b"EN",
        b"42",
        b"sets a 0 0 6",
        b"SET a 0 0 6",
        b"VALUES 6",
        b"set\ta 0 0 6",
    ],
)
def test_a_line_with_its_value(message: bytes) -> None:
    assert framing.encode(message) == (message + b"\r\n",)
    assert read(framing, (message + b"\r\n") * 2) == [message] * 2


def test_a_get_is_answered_with_a_message_for_each_value() -> None:
    answer = b"VALUE a 0 1\r\n1\r\nVALUE b 0 5\r\nEND\r\n\r\nEND\r\n"
    assert read(framing, answer) == [b"VALUE a 0 1\r\n1", b"VALUE b 0 5\r\nEND\r\n", b"END"]


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"\x80", "no line of memcached begins with '\\x80' (0x80)"),
        (b"\r", "no line of memcached begins with '\\r' (0x0d)"),
        (b" ", "no line of memcached begins with ' ' (0x20)"),
        (b"set name 0 0\r\n", "set says the size of its value, and here it does not: b'set name 0 0'"),
        (b"VALUE name 0\r\n", "VALUE says the size of its value, and here it does not: b'VALUE name 0'"),
        (b"set name 0 0 x\r\n", "the size of the value behind set is b'x', which is no number of bytes"),
        (b"set name 0 0 -1\r\n", "the size of the value behind set is b'-1', which is no number of bytes"),
        (b"ms na\tme 6\r\n1234567x", "'\\r\\n' stands behind the 6 bytes of a block, and here b'7x'"),
        (b"ms name S6\r\n", "the size of the value behind ms is b'S6', which is no number of bytes"),
        (b"VA 1\r\nabc", "'\\r\\n' stands behind the 1 bytes of a block, and here b'bc'"),
    ],
)
def test_bytes_that_are_no_memcached(stream: bytes, text: str) -> None:
    assert fault(framing, stream) == text


def test_a_value_of_another_size_is_refused() -> None:
    assert refusal(framing, b"set name 0 0 7\r\nHello!") == "the message has 22 bytes, and is not whole without 1 more"
    assert refusal(framing, b"get name\r\nget name") == "the message has 18 bytes, and ends after 8"


def test_a_line_shows_early_whether_a_value_will_follow() -> None:
    assert [framing.announces(line) for line in (b"set aaa", b"VALUE a", b"get aaa", b"sets a", b"STAT")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    laws.check_skipping(framing, [b"END", b"VALUE a 0 20\r\n" + b"END\r\n" * 4, b"get a b c d", b"STORED"], 6)
