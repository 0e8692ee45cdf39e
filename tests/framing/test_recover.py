"""Marks to go on at, or behind: the first one, wherever the bytes are cut."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stuffed_framings import Stuffed

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Garbage, LengthPrefixed, Netstring, Recover, at_mark, past_announced, past_frame, past_mark
from mezha.testing.strategies import cuttings

MARKS = st.text("ab", min_size=1, max_size=4).map(str.encode)
NOISE = st.text("abc", min_size=1, max_size=20).map(str.encode)


def lost(recover: Recover, pieces: list[bytes]) -> tuple[int, bytes]:
    """Feed the pieces; say how many bytes are lost, and what is left of those that came."""
    buffer, resume, end, finished = bytearray(), 0, 0, False
    for piece in pieces:
        buffer += piece
        if buffer and not finished:
            garbage = recover(buffer, 9, resume)
            assert 0 <= garbage.end <= len(buffer)
            del buffer[: garbage.end]
            end += garbage.end
            resume, finished = garbage.resume, not garbage.resume
    return end, bytes(buffer)


@given(MARKS, NOISE, st.data())
def test_the_first_mark_is_the_end_of_what_is_lost(mark: bytes, noise: bytes, data: st.DataObject) -> None:
    pieces = data.draw(cuttings(noise))
    end, rest = lost(past_mark(mark), pieces)
    assert noise.endswith(rest)
    if mark in noise:
        assert end == noise.index(mark) + len(mark)
    else:
        assert mark.startswith(rest)
        assert len(rest) < len(mark)


@given(MARKS, NOISE, st.data())
@example(b"aba", b"ab", None)
def test_the_first_mark_behind_the_first_byte_may_begin_a_message(
    mark: bytes, noise: bytes, data: st.DataObject | None
) -> None:
    end, rest = lost(at_mark(mark), data.draw(cuttings(noise)) if data else [noise])
    found = noise.find(mark, 1)
    if found >= 0:
        assert end == found
    else:
        assert end >= 1
        assert end + len(rest) == len(noise)
        assert mark.startswith(rest)


@pytest.mark.parametrize(
    ("recover", "buffer", "resume", "garbage"),
    [
        (past_mark, b"abXYcd", 0, Garbage(4)),
        (past_mark, b"XY", 0, Garbage(2)),
        (past_mark, b"abX", 0, Garbage(2, 1)),
        (past_mark, b"X", 1, Garbage(0, 1)),
        (past_mark, b"ab", 1, Garbage(2, 1)),
        (at_mark, b"abXYcd", 0, Garbage(2)),
        (at_mark, b"XYXY", 0, Garbage(2)),
        (at_mark, b"XYXY", 1, Garbage(0)),
        (at_mark, b"XaX", 0, Garbage(2, 1)),
        (at_mark, b"X", 0, Garbage(1, 1)),
        (at_mark, b"X", 1, Garbage(0, 1)),
        (at_mark, b"ab", 0, Garbage(2, 1)),
    ],
)
def test_where_to_go_on(recover: Callable[[bytes], Recover], buffer: bytes, resume: int, garbage: Garbage) -> None:
    assert recover(b"XY")(bytearray(buffer), 9, resume) == garbage


def test_a_length_is_believed_whatever_of_the_message_is_here() -> None:
    recover = past_announced(LengthPrefixed(8))
    for here in (b"", b"abc", b"abcde", b"abcdefgh"):
        assert recover(bytearray(bytes(7) + b"\5" + here), 3, 0) == Garbage(13)
    assert recover(bytearray(b"\xff" * 8), 3, 0) == Garbage(8 + 2**64 - 1)


# -- behind a frame of another framing ---------------------------------------------------------------------------------


def half(limit: int) -> int:
    return limit // 2


def test_a_frame_whose_inside_is_wrong_is_passed_over() -> None:
    recover = past_frame(LengthPrefixed(1), half)
    assert recover(bytearray(b"\4abcdef"), 8, 0) == Garbage(5)
    assert recover(bytearray(b"\5abc"), 8, 0) == Garbage(6)  # it is over the limit, and its length is believed
    recover = past_frame(Netstring(), half)
    assert recover(bytearray(b"4:abcd,"), 8, 0) == Garbage(7)
    assert recover(bytearray(b"5:abcd"), 8, 0) == Garbage(7, 2)
    assert recover(bytearray(b",6"), 8, 2) == Garbage(1)
    with pytest.raises(FramingError):
        recover(bytearray(b"x"), 8, 0)


def test_who_cannot_pass_over_a_frame_raises_again() -> None:
    recover = past_frame(Stuffed(), half)
    assert recover(bytearray(b"ab|c"), 8, 0) == Garbage(3)
    with pytest.raises(MessageTooLarge):
        recover(bytearray(b"a" * 9), 8, 0)
    with pytest.raises(MessageTooLarge):
        recover(bytearray(b"a" * 9), 8, 1)
    with pytest.raises(AssertionError, match="found when the frame is whole"):
        recover(bytearray(b"ab"), 8, 0)
