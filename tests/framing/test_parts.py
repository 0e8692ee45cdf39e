"""The front of a message, the rest, and its pieces are those of the message, in whatever parts it is handed in."""

from hypothesis import given
from hypothesis import strategies as st

from mezha.framing.parts import behind, front, pieces
from mezha.testing.strategies import in_parts

messages = st.binary(max_size=12)


@given(messages, st.integers(0, 14), st.data())
def test_front_and_rest_make_the_message(message: bytes, size: int, data: st.DataObject) -> None:
    parts = data.draw(in_parts(message))
    assert front(parts, size) == message[:size]
    assert b"".join(behind(parts, size)) == message[size:]


@given(messages, st.integers(1, 14), st.data())
def test_pieces_make_the_message(message: bytes, size: int, data: st.DataObject) -> None:
    parts = data.draw(in_parts(message))
    found = [b"".join(piece) for piece in pieces(parts, size)]
    assert b"".join(found) == message
    assert [len(piece) for piece in found[:-1]] == [size] * (len(found) - 1)
    assert len(found) == max(-(-len(message) // size), 1)


def test_large_parts_come_back_as_they_are_or_as_views() -> None:
    large = bytes(100)
    assert next(pieces([large], 100))[0] is large
    assert next(behind([large], 0)) is large
    (first,), (second,) = pieces([large], 60)
    assert isinstance(first, memoryview)
    assert isinstance(second, memoryview)
    assert first.obj is second.obj is large
