"""Stuffing: where stuffed bytes stop, told from a few bytes at a time, against reading them one by one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mezha.errors import MessageTooLarge
from mezha.framing import Need
from mezha.framing.stuffing import Stop, Stuffing

#: `|` ends, `\` escapes: only `\1` and `\2` mean something; or everything does, the escape itself too, but the end.
few = Stuffing(b"|", b"\\", b"12")
all_but_the_end = Stuffing(b"|", b"\\", bytes(set(range(256)) - {ord("|")}))


def one_by_one(stuffed: bytes, seconds: bytes) -> Stop | int:
    """Return where they stop, or how many bytes are meant by those that have not."""
    place = size = 0
    while place < len(stuffed) and stuffed[place : place + 1] != b"|":
        if stuffed[place : place + 1] == b"\\":
            if place + 1 == len(stuffed):
                break
            if stuffed[place + 1] not in seconds:
                return Stop(place, size)
            place += 1
        place += 1
        size += 1
    return Stop(place, size) if stuffed[place : place + 1] == b"|" else size


@given(st.lists(st.sampled_from(b"||\\\\\\12ab"), max_size=14).map(bytes), st.data())
@example(b"a\\", None)
def test_it_finds_what_reading_byte_by_byte_finds(stuffed: bytes, data: st.DataObject | None) -> None:
    for stuffing, seconds in ((few, b"12"), (all_but_the_end, b"\\12ab")):
        resume: int | tuple[int, ...] = 0
        for size in range(1, len(stuffed) + 1) if data is None else sorted(data.draw(st.sets(st.integers(1, 14)))):
            buffer = bytearray(stuffed[:size])
            found = stuffing.find(buffer, 100, resume)  # type: ignore[arg-type]
            expected = one_by_one(stuffed[:size], seconds)
            if isinstance(found, Need):
                assert isinstance(expected, int)
                assert found.size == len(buffer) + 1
                resume = found.resume
                assert isinstance(resume, tuple)
                assert resume[1] == expected
            else:
                assert found == expected
                break


@pytest.mark.parametrize(("stuffed", "size"), [(b"abcd", 4), (rb"a\1b\2", 4), (rb"a\1b\2|", 4), (rb"abcd\3", 4)])
def test_the_limit_counts_what_is_meant(stuffed: bytes, size: int) -> None:
    few.find(bytearray(stuffed), size, 0)
    few.find(bytearray(stuffed), 1, 0, beside=size - 1)
    for limit, beside in ((size - 1, 0), (1, size - 2)):
        with pytest.raises(MessageTooLarge) as caught:
            few.find(bytearray(stuffed), limit, 0, beside=beside)
        assert caught.value.limit == limit
