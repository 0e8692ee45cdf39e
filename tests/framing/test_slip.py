"""Slip: RFC 1055's two special bytes, and what it leaves open."""

import pytest
from forgiving import TOO_LARGE, told
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Need, Resyncing, Skip, Skipping, Slip
from mezha.testing import laws

framing = Slip()
END, ESC = b"\xc0", b"\xdb"
signs = st.lists(st.sampled_from(b"\xc0\xdb\xdc\xdda"), max_size=16).map(bytes)


def split(data: bytes, limit: int = 100, resume: int | tuple[int, int] = 0) -> Frame | Need | Skip:
    return framing.split(bytearray(data), limit, resume)


def test_two_bytes_are_written_as_two() -> None:
    assert framing.encode(b"Hello", b"!") == (b"Hello!", END)
    assert framing.encode(END, ESC) == (b"\xdb\xdc\xdb\xdd", END)
    assert framing.encode(b"\xdb\xdc\xdd\xc0") == (b"\xdb\xdd\xdc\xdd\xdb\xdc", END)
    assert split(b"Hello!" + END + b"more") == Frame(0, 6, 7)
    assert split(b"\xdb\xdc\xdb\xdd" + END) == Frame(0, 4, 5, b"\xc0\xdb")
    assert split(b"\xdb\xdd\xdc\xdd\xdb\xdc" + END) == Frame(0, 6, 7, b"\xdb\xdc\xdd\xc0")


def test_an_end_in_front_is_written_if_one_likes() -> None:
    assert Slip(both=True).encode(b"a") == (END, b"a", END)
    assert split(END + b"a" + END) == Skip(1)
    assert split(END * 3 + b"a" + END) == Skip(3)


def test_nothing_is_no_message() -> None:
    for message in ((), (b"",), (b"", b"")):
        with pytest.raises(LocalProtocolError, match=r"^SLIP has no empty messages: nothing was sent$"):
            framing.encode(*message)


@pytest.mark.parametrize("second", [0x61, 0xDB, 0xC0, 0x0A])
def test_an_escape_in_front_of_anything_else_is_refused(second: int) -> None:
    wrong = b"a\xdb\xdc\xdb" + bytes((second,))
    for behind in (b"", b"\xdb", END, b"\xdb\xdc" + END):
        with pytest.raises(FramingError) as caught:
            split(wrong + behind)
        assert str(caught.value) == f"SLIP escapes c0 and db, as db dc and db dd, and this is db {second:02x}"
    laws.check_any_cut(framing, b"a" + END + wrong + END, 100)


@pytest.mark.parametrize(
    ("data", "resume"), [(b"a", (1, 1)), (b"a\xdb", (1, 1)), (b"a\xdb\xdc", (3, 2)), (b"\xdb\xdc\xdb", (2, 1))]
)
def test_the_search_goes_on_where_it_stopped(data: bytes, resume: tuple[int, int]) -> None:
    assert split(data) == Need(len(data) + 1, resume)
    rest = b"\xdd" if data.endswith(ESC) else b"b"
    assert split(data + rest + END, 100, resume) == split(data + rest + END)


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    assert split(b"a\xc0\xdb!" + b"b", 100, (4, 3)) == Need(6, (5, 4))


def test_the_limit_counts_the_message_and_not_its_stuffing() -> None:
    assert split(b"\xdb\xdc" * 3 + END, 3) == Frame(0, 6, 7, END * 3)
    assert split(b"\xdb\xdc" * 3 + ESC, 3) == Need(8, (6, 3))
    for data in (b"abcd", b"\xdb\xdc" * 4, b"abcd" + END, b"abcd\xdba", b"abc\xdb\xdc"):
        with pytest.raises(MessageTooLarge) as caught:
            split(data, 3)
        assert (caught.value.size, caught.value.limit) == (None, 3)
        laws.check_any_cut(framing, data, 3)
    with pytest.raises(FramingError, match="SLIP escapes"):
        split(b"abc\xdba", 3)


@given(signs, st.integers(0, 9))
def test_any_bytes_are_judged_alike_at_every_cut(stream: bytes, limit: int) -> None:
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit)


@given(signs.filter(bool), st.booleans())
def test_what_is_stuffed_with_awkward_bytes_comes_back(message: bytes, both: bool) -> None:
    laws.check_inverse(Slip(both), message)


@pytest.mark.parametrize("message", [END * 5000, ESC * 5000, b"\xdb\xdd" * 5000, b"a" * 5000])
def test_stuffing_is_linear(message: bytes) -> None:
    laws.check_linear(framing, message)
    laws.check_linear(framing, message * 20, piece=999)


def test_behind_the_next_end_it_goes_on() -> None:
    assert told(Skipping(framing), b"a\xc0" + b"abcdef\xc0" + b"b\xc0") == [b"a", TOO_LARGE, b"b"]
    stream = b"a\xc0" + b"abc\xdbdef\xc0" + b"b\xc0"
    assert told(Resyncing(framing), stream) == [b"a", "FramingError", b"b"]
    laws.check_forgiving(Resyncing(framing), stream, 5)


def test_the_string_form() -> None:
    assert (str(Slip()), str(Slip(True))) == ("slip", "slip:both")
    assert Slip.parse([]) == Slip()
    assert Slip.parse(["both"]) == Slip(both=True)
    for options in (["end"], ["both", "both"]):
        with pytest.raises(ValueError, match=r"^its one option is 'both': an end in front of each message as well$"):
            Slip.parse(options)
