"""The words in which a framing answers."""

from mezha.framing import Frame, Need


def test_a_frame_names_three_places() -> None:
    frame = Frame(start=2, stop=5, end=6)
    buffer = b"5:hello,"
    assert (frame.start, frame.stop, frame.end) == tuple(frame) == (2, 5, 6)
    assert buffer[frame.start : frame.stop] == b"hel"


def test_a_need_begins_its_search_at_the_front_unless_it_says_otherwise() -> None:
    assert Need(4) == Need(size=4, resume=0)
    assert Need(4, 3).resume == 3
