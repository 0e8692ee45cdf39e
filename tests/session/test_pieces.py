"""Large messages in pieces: cut anywhere and put together again they are the same, and cost what is here."""

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mezha.errors import MessageTooLarge
from mezha.session.pieces import Assembly, Cutting


@example([b"a", b"", b"", b"bc"], [2, 1])
@given(st.lists(st.binary(max_size=20), max_size=10), st.lists(st.integers(0, 30), max_size=40))
def test_what_is_cut_is_what_was_added(parts: list[bytes], sizes: list[int]) -> None:
    cutting = Cutting(*(memoryview(part) for part in parts[:2]), whole=False)
    for part in parts[2:]:
        cutting.add(memoryview(part))
    whole = b"".join(parts)
    assert cutting.size == cutting.rest == len(whole)
    assert not cutting.begun
    gone = b""
    for size in sizes:
        piece = b"".join(cutting.cut(min(size, cutting.rest)))
        gone += piece
        assert len(piece) == min(size, len(whole) - len(gone) + len(piece))
        assert cutting.begun
        assert (cutting.gone, cutting.rest) == (len(gone), len(whole) - len(gone))
    assert whole.startswith(gone)


def test_nothing_is_copied() -> None:
    message = bytes(100)
    cutting = Cutting(memoryview(message))
    assert cutting.whole
    assert all(piece.obj is message for piece in (*cutting.cut(30), *cutting.cut(70)))


@given(st.lists(st.binary(max_size=20), max_size=10), st.lists(st.booleans(), max_size=10))
def test_what_is_put_together_is_what_came(pieces: list[bytes], takes: list[bool]) -> None:
    assembly = Assembly("a message", 1000)
    taken = b""
    for place, piece in enumerate(pieces):
        assembly.add(memoryview(piece))
        if place < len(takes) and takes[place]:
            taken += assembly.take()
    assert taken + assembly.take() == b"".join(pieces)
    assert assembly.size == len(b"".join(pieces))
    assert assembly.take() == b""


def test_the_limit_holds_for_all_of_it_also_for_what_was_taken() -> None:
    assembly = Assembly("an answer", 10)
    assembly.add(b"12345")
    assembly.take()
    assembly.add(b"67890")
    with pytest.raises(
        MessageTooLarge, match="sends an answer of 11 bytes or more; this side takes at most 10"
    ) as caught:
        assembly.add(b"1")
    assert (caught.value.size, caught.value.limit) == (None, 10)


def test_memory_grows_with_what_is_here() -> None:
    assembly = Assembly("a message", 1 << 30)
    piece = bytes(1000)
    tracemalloc.start()
    try:
        for _ in range(1000):
            assembly.add(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_500_000
