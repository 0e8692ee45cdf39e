"""Sizes: what a side would refuse fails here, and says whose limit it is."""

import pytest

from mezha.errors import LocalProtocolError
from mezha.session.hello import Hello
from mezha.session.sizes import Sizes, sound


def sizes(ours: int, theirs: int | None = None, request_bytes: int = 65_536) -> Sizes:
    made = Sizes(Hello(max_message=ours))
    if theirs is not None:
        made.theirs = Hello(max_message=theirs, requests=17, request_bytes=request_bytes)
    return made


@pytest.mark.parametrize(
    ("made", "size", "what", "text"),
    [
        (sizes(10), 11, "message", r"the message has 11 bytes, and this side takes at most 10 \(Limits.max_message\)"),
        (sizes(20, 10), 11, "message", r"the message has 11 bytes, and the peer takes at most 10 \(its max_message\)"),
        (sizes(10, 15), 11, "answer", "the answer has 11 bytes, and this side takes at most 10"),
        (sizes(99_999, 99_999), 65_537, "request", r"the peer takes at most 65536 \(its bytes of requests\)"),
        (sizes(99_999, 70_000, 80_000), 70_001, "request", r"the peer takes at most 70000 \(its max_message\)"),
    ],
)
def test_what_is_over_a_limit(made: Sizes, size: int, what: str, text: str) -> None:
    with pytest.raises(LocalProtocolError, match=text + ".*: nothing was sent$") as caught:
        made.check(size, what)
    assert (caught.value.size, caught.value.limit) == (size, size - 1)
    made.check(size - 1, what)


def test_until_the_peer_has_said_hello_it_takes_what_every_peer_takes() -> None:
    made = sizes(1 << 30)
    assert (made.questions, made.question_bytes) == (16, 65_536)
    assert made.refusal(1 << 30, "request") is None
    made.theirs = Hello(requests=17, request_bytes=70_000)
    assert (made.questions, made.question_bytes) == (17, 70_000)


def test_the_largest_is_what_both_sides_take() -> None:
    assert [made.largest for made in (sizes(10), sizes(10, 5), sizes(5, 10))] == [10, 5, 5]


def test_a_message_is_bytes() -> None:
    message = b"abc"
    assert sound(message) is message
    assert sound(bytearray(message)) == message
    assert bytes(sound(memoryview(message).cast("c").cast("B"))) == message
    with pytest.raises(TypeError, match="this is text"):
        sound("abc")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
