"""ContentLength: the header of language servers and debuggers, with just one length in it."""

import pytest
from verdicts import fault, forgiven, needs, read, size_too_large

from mezha.errors import FramingError
from mezha.framing import ContentLength, Frame, Need, Resyncing, Skipping
from mezha.testing import laws

framing = ContentLength()

#: The Language Server Protocol's own example, in bytes.
LSP = b'Content-Length: 38\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"x"}\n'


def test_a_header_and_the_message_behind_it() -> None:
    assert framing.encode(b"Hello", b"!") == (b"Content-Length: 6\r\n\r\n", b"Hello", b"!")
    assert framing.encode() == (b"Content-Length: 0\r\n\r\n",)
    assert read(framing, LSP + b"Content-Length: 0\r\n\r\n") == [LSP[22:], b""]
    assert framing.split(bytearray(LSP + b"Content"), 100) == Frame(22, 60, 60)


@pytest.mark.parametrize(
    "header",
    [
        b"content-length:6\r\n",
        b"CONTENT-LENGTH: \t 006 \t\r\n",
        b"Content-Length: 6\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n",
        b"Content-Type: a:b\r\nX:\r\n!#$%&'*+-.^_`|~09: \xff\0\r\r\nContent-Length: 6\r\n",
    ],
)
def test_a_header_may_be_written_otherwise(header: bytes) -> None:
    assert read(framing, (header + b"\r\nHello!") * 2, 6) == [b"Hello!"] * 2


def test_only_what_is_needed_is_waited_for() -> None:
    head = LSP[:22]
    assert [needs(framing, head[:size]) for size in range(1, 22)] == [*range(2, 23)]
    assert needs(framing, head) == needs(framing, LSP[:-1]) == len(LSP)


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"{", "a line of a header begins with the name of a field, and this with '{' (0x7b)"),
        (b"\x16", "a line of a header begins with the name of a field, and this with '\\x16' (0x16)"),
        (b"\n", "a line of a header begins with the name of a field, and this with '\\n' (0x0a)"),
        (b"A:\r\n ", "a line of a header begins with the name of a field, and this with ' ' (0x20)"),
        (b"A:\r\n:", "a line of a header begins with the name of a field, and this with ':' (0x3a)"),
        (b"A:\r\n\rx", "a line of a header begins with the name of a field, and this with '\\r' (0x0d)"),
        (b"A:\r\n\r\r", "a line of a header begins with the name of a field, and this with '\\r' (0x0d)"),
        (
            b"GET / HTTP/1.1\r\n",
            "a header has lines of a name, a colon and a value; this is b'GET / HTTP/1.1'",
        ),
        (b"A b: c\r\n", "a header has lines of a name, a colon and a value; this is b'A b: c'"),
        (b"A: c\nB: d\r\n", "a header has lines of a name, a colon and a value; this is b'A: c\\nB: d'"),
        (b"A:\r\n\r\n", "a header says once how long its message is, with Content-Length; this one says it 0 times"),
        (b"\r\n", "a header says once how long its message is, with Content-Length; this one says it 0 times"),
        (
            b"Content-Length: 1\r\ncontent-length: 1\r\n\r\n",
            "a header says once how long its message is, with Content-Length; this one says it 2 times",
        ),
        (b"Content-Length: -1\r\n\r\n", "Content-Length is b'-1', which is no number of bytes"),
        (b"Content-Length: 1\x0c\r\n\r\n", "Content-Length is b'1\\x0c', which is no number of bytes"),
        (b"Content-Length:\r\n\r\n", "Content-Length is b'', which is no number of bytes"),
        (b"Content-Length: 1 2\r\n\r\n", "Content-Length is b'1 2', which is no number of bytes"),
        (
            b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
            "Content-Length has 30 digits, and no message is that long",
        ),
    ],
)
def test_bytes_that_are_no_header(stream: bytes, text: str) -> None:
    assert fault(framing, stream) == text


def test_a_header_is_bounded_whatever_the_limit() -> None:
    end = b"\r\nContent-Length:6\r\n\r\n"
    longest = b"X:" + b"x" * (4094 - len(end)) + end
    assert framing.split(bytearray(longest), 1 << 30) == Need(4102, 4094)
    for stream in (b"X" + longest, b"X:" + b"x" * 5000, b"X:1\r\n" * 1000):
        assert needs(framing, stream[:4095], 1 << 30) == 4096
        with pytest.raises(FramingError, match=r"^a header of more than 4096 bytes$"):
            framing.split(bytearray(stream[:4096]), 1 << 30)


def test_a_message_over_the_limit() -> None:
    assert size_too_large(framing, b"Content-Length: 7\r\n\r\n", 6) == 7
    assert read(framing, b"Content-Length: 6\r\n\r\nHello!", 6) == [b"Hello!"]


def test_a_long_header_costs_little_where_it_comes_byte_by_byte() -> None:
    header = b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(300))
    stream = header + b"Content-Length: 6\r\n\r\nHello!"
    metered = laws.Metered(framing)
    decoder = metered.decoder()
    for place in range(len(stream)):
        decoder.feed(stream[place : place + 1])
        assert decoder.take() == ([b"Hello!"] if place == len(stream) - 1 else [])
    assert metered.looked < 10 * len(stream)


def test_a_message_over_the_limit_can_be_skipped() -> None:
    laws.check_skipping(framing, [b"Hello!", b"x" * 30, b"", b"World!"], 6)
    stream = b"Content-Length: 7\r\n\r\n1234567Content-Length: 1\r\n\r\na"
    assert forgiven(Skipping(framing), stream, 6) == ["MessageTooLarge", b"a"]
    assert forgiven(Skipping(framing), stream[:-4], 6) == ["MessageTooLarge", "TruncatedMessage"]


def test_the_next_header_is_where_to_go_on() -> None:
    stream = b"{}\r\nContent-Length: 1\r\n\r\naContent-Length: x\r\n\r\nContent-Length: 1\r\n\r\nb"
    assert forgiven(Resyncing(framing), stream, 6) == ["FramingError", b"a", "FramingError", b"b"]
