"""A message that brings its own header has to be what the header says, and only the header is looked at."""

import pytest
from vast import Vast

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing import Need
from mezha.framing.headed import check_header


def end_of(header: bytearray) -> int | Need:
    """Read a length of one byte that counts itself."""
    assert len(header) <= 2
    if not header[0]:
        raise FramingError("nothing")
    return header[0] if header[0] < 9 else Need(2)


def test_a_message_that_is_what_its_header_says() -> None:
    check_header((b"\3ab",), end_of, 2, "thing")
    check_header((b"", bytearray(b"\3"), memoryview(b"ab")), end_of, 2, "thing")
    check_header((b"\5", Vast(4)), end_of, 1, "thing")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", "an empty message is no thing: nothing was sent"),
        (b"\0ab", "the message is no thing: nothing: nothing was sent"),
        (b"\x09ab", "the message is no thing: it has not ended after 3 bytes: nothing was sent"),
        (b"\3a", "the message has 2 bytes, and the thing in it ends after 3: nothing was sent"),
        (b"\3abc", "the message has 4 bytes, and the thing in it ends after 3: nothing was sent"),
    ],
)
def test_one_that_is_not_is_refused(message: bytes, text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        check_header((message,), end_of, 2, "thing")
    assert str(caught.value) == text
