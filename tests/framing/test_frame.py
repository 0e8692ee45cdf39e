"""The words in which a framing answers."""

import pytest

from mezha.framing import Frame, Need, Skip


def test_a_frame_names_three_places() -> None:
    frame = Frame(start=2, stop=5, end=6)
    buffer = b"5:hello,"
    assert (frame.start, frame.stop, frame.end, frame.message) == tuple(frame) == (2, 5, 6, None)
    assert buffer[frame.start : frame.stop] == b"hel"


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_message_stands_there_as_it_is_or_has_been_put_together(kind: type[bytes | bytearray]) -> None:
    for frame, message in ((Frame(2, 5, 6), b"hel"), (Frame(2, 5, 6, b"HE"), b"HE"), (Frame(2, 5, 6, b""), b"")):
        assert frame.cut(kind(b"5:hello,")) == message
        assert type(frame.cut(kind(b"5:hello,"))) is bytes


def test_what_belongs_to_no_message_ends_somewhere() -> None:
    assert Skip(end=3) == Skip(3)
    assert Skip(3).end == 3


def test_a_need_begins_its_search_at_the_front_unless_it_says_otherwise() -> None:
    assert Need(4) == Need(size=4, resume=0)
    assert Need(4, 3).resume == 3
    assert Need(4, (3, 2)).resume == (3, 2)
