"""The welcome: the magic and a HELLO, at any cut; anything else is named."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import HandshakeError
from mezha.session.frames import Body, Code, Kind, Ping, encode_frame
from mezha.session.greeting import MAGIC
from mezha.session.hello import Hello
from mezha.session.welcome import Welcome

HELLO = Hello(max_message=5, agent="somebody")


def opening(hello: Hello = HELLO) -> bytes:
    return MAGIC + b"".join(encode_frame(Body(Kind.HELLO, hello.encode())))


def met(stream: bytes, size: int) -> tuple[Hello | None, bytes]:
    """Feed a welcome, pieces of so many bytes; return the HELLO, and what followed it."""
    welcome = Welcome((1,))
    for start in range(0, len(stream), size):
        if hello := welcome.feed(stream[start : start + size]):
            return hello, welcome.rest + stream[start + size :]
    return None, b""


@given(behind=st.binary(max_size=20), size=st.integers(1, 100))
def test_any_cut_the_same_hello(behind: bytes, size: int) -> None:
    assert met(opening() + behind, size) == (HELLO, behind)


@given(missing=st.integers(1, 39), size=st.integers(1, 100))
def test_it_waits_for_all_of_it(missing: int, size: int) -> None:
    assert met(opening()[:-missing], size) == (None, b"")


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"GET / HTTP/1.1\r\n", "an HTTP request"),
        (MAGIC + bytes(4) + b"\0", "not with a HELLO: a frame of length 0"),
        (MAGIC + b"\0\0\0\5\xff", "not with a HELLO: a frame of kind 255"),
        (MAGIC + b"\0\0\x10\2\0", "not with a HELLO: a HELLO frame with a body of 4097 bytes"),
        (
            MAGIC + b"".join(encode_frame(Ping(bytes(8)))),
            "began with a PING frame, and a HELLO must come first",
        ),
        (MAGIC + b"\0\0\0\1\0", "names no VERSIONS"),
    ],
)
def test_anything_else_is_refused_at_any_cut(stream: bytes, text: str) -> None:
    for size in range(1, len(stream)):
        with pytest.raises(HandshakeError, match=text):
            met(stream, size)


def test_another_version_is_refused() -> None:
    with pytest.raises(HandshakeError, match="no version of the mezha protocol in common") as caught:
        met(opening(Hello(versions=(2, 3))), 100)
    assert caught.value.code == Code.VERSION


@pytest.mark.parametrize(
    ("first", "stranger", "text"),
    [
        (b"", False, "has sent nothing"),
        (MAGIC[:3], False, "went no further: 3 of the first 8 bytes"),
        (b"\r\n", True, "does not speak the mezha protocol"),
        (opening()[:20], False, "did not finish its HELLO: 12 bytes of it have arrived"),
    ],
)
def test_what_did_not_come(first: bytes, stranger: bool, text: str) -> None:
    welcome = Welcome((1,))
    assert welcome.due == math.inf
    assert welcome.feed(first) is None
    assert welcome.stranger == stranger
    assert welcome.missing().code == Code.PROTOCOL_ERROR
    late = welcome.late(2.5)
    assert str(late) == f"{welcome.missing()}, in 2.5 s (Timeouts.handshake)"
    assert late.code == Code.TIMEOUT
    for error in (welcome.missing(), late):
        with pytest.raises(HandshakeError, match=text):
            raise error


def test_what_many_say_is_kept_once() -> None:
    assert met(opening(), 100)[0] is met(opening(), 7)[0]
