"""Messages handed in whole: one frame, or a refusal that says what is wrong."""

import pytest
from verdicts import refusal

from mezha.errors import LocalProtocolError
from mezha.framing import Frame, Stomp
from mezha.framing.complete import complete

framing = Stomp()


def test_one_frame_is_joined_and_ended() -> None:
    assert complete(framing.split, (b"SEND\n", bytearray(b"\nH"), memoryview(b"i")), b"\0") == b"SEND\n\nHi\0"
    assert framing.split(complete(framing.split, (b"SEND\n\n",), b"\0"), 100) == Frame(0, 6, 7)


def test_nothing_is_no_frame() -> None:
    with pytest.raises(LocalProtocolError, match=r"^an empty message has no header: nothing was sent$"):
        complete(framing.split, (b"", b""))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"SEND\n\na\0b", "the message has 9 bytes, and ends after 7"),
        (b"SEND\ncontent-length:1\n\nab", "the peer could not read this message: a STOMP frame ends with a zero byte"),
        (b"SEND\ncontent-length:9\n\na", "the message has 24 bytes, and is not whole without 8 more"),
        (b"SEND\n", "the peer could not read this message: a STOMP frame ends inside its headers"),
    ],
)
def test_anything_else_is_refused(message: bytes, text: str) -> None:
    assert refusal(framing, message).startswith(text)
