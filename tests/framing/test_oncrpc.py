"""OncRpc: records in fragments, as RFC 5531 marks them, joined, and cut where one asks for it."""

import pytest
from forgiving import TOO_LARGE, told
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Frame, Need, OncRpc, Skipping
from mezha.testing import laws

framing = OncRpc()
ANY = 1 << 62
LONGEST = 2**31 - 1


def split(data: str | bytes, limit: int = ANY) -> Frame | Need:
    return framing.split(bytearray(bytes.fromhex(data) if isinstance(data, str) else data), limit)


def test_one_fragment_is_a_record() -> None:
    assert framing.encode(b"Hello", b"!") == [b"\x80\0\0\6", b"Hello", b"!"]
    assert split(b"\x80\0\0\6Hello!\x80") == Frame(4, 10, 10)
    assert framing.encode() == framing.encode(b"")[:1] == [b"\x80\0\0\0"]
    assert split("80 00 00 00") == Frame(4, 4, 4)
    large = bytearray(1 << 20)
    assert framing.encode(large)[1] is large


def test_fragments_are_joined() -> None:
    in_two = b"\0\0\0\4Hell\x80\0\0\2o!"
    assert b"".join(OncRpc(4).encode(b"Hel", b"lo!")) == in_two
    assert split(in_two) == Frame(0, len(in_two), len(in_two), b"Hello!")
    closed_by_nothing = b"\0\0\0\2ab\x80\0\0\0"
    assert split(closed_by_nothing) == Frame(0, 10, 10, b"ab")
    laws.check_any_cut(framing, in_two + closed_by_nothing + b"\x80\0\0\1c" + in_two, 6)


@given(st.binary(max_size=30), st.integers(1, 12))
def test_fragments_have_the_size_asked_for(message: bytes, fragment: int) -> None:
    wire = b"".join(OncRpc(fragment).encode(message))
    assert len(wire) == len(message) + 4 * max(-(-len(message) // fragment), 1)
    laws.check_inverse(OncRpc(fragment), message)
    assert laws.known(framing, wire, 30).messages == [message]


@pytest.mark.parametrize(
    ("data", "need"),
    [
        ("00", 4),
        ("80 00 00", 4),
        ("80 00 00 03", 7),
        ("80 00 00 03 61 62", 7),
        ("00 00 00 03", 7),
        ("00 00 00 03 61 62 63", 11),
        ("00 00 00 03 61 62 63 80 00 00 01", 12),
    ],
)
def test_what_it_needs(data: str, need: int) -> None:
    verdict = split(data)
    assert isinstance(verdict, Need)
    assert verdict.size == need


def test_a_record_cannot_go_on_without_going_on() -> None:
    for data in ("00 00 00 00", "00 00 00 01 61 00 00 00 00"):
        with pytest.raises(FramingError, match=r"^a fragment that is empty, and not the last of its record$"):
            split(data)
        laws.check_any_cut(framing, bytes.fromhex("80 00 00 00" + data), 100)


@pytest.mark.parametrize(
    ("data", "limit", "size", "text"),
    [
        ("80 00 00 03", 2, 3, "a message of 3 bytes"),
        ("00 00 00 03", 2, None, "a message of 3 bytes or more"),
        ("00 00 00 02 61 62 80 00 00 01", 2, 3, "a message of 3 bytes"),
        ("00 00 00 02 61 62 00 00 00 01", 2, None, "a message of 3 bytes or more"),
        ("ff ff ff ff", LONGEST - 1, LONGEST, f"a message of {LONGEST} bytes"),
    ],
)
def test_what_is_over_the_limit_is_refused_as_soon_as_it_shows(
    data: str, limit: int, size: int | None, text: str
) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        split(data, limit)
    assert (caught.value.size, caught.value.limit) == (size, limit)
    assert str(caught.value) == f"the peer announced {text}; this side takes at most {limit} (max_message)"
    assert isinstance(split(data, limit + 1), Need)
    laws.check_any_cut(framing, bytes.fromhex(data), limit)


def test_many_fragments_are_not_read_again() -> None:
    laws.check_linear(OncRpc(1), bytes(5000))
    laws.check_linear(OncRpc(100), bytes(1 << 15))


def test_a_length_costs_no_memory() -> None:
    laws.check_takes_no_memory(framing, b"\x83\xff\xff\xff abc", 1 << 30)
    laws.check_takes_no_memory(framing, b"\0\0\0\1a\3\xff\xff\xff abc", 1 << 30)


def test_a_record_over_the_limit_can_be_skipped() -> None:
    one, large = b"\x80\0\0\1a", b"\0\0\0\2ab\0\0\0\4abcd\x80\0\0\2ab"
    assert told(Skipping(framing), one + large + one, 5) == [b"a", TOO_LARGE, b"a"]
    laws.check_forgiving(Skipping(framing), one + large + one, 5)
    endless = b"\0\0\0\6abcdef" + bytes(4)
    assert told(Skipping(framing), endless)[1:] == [
        "FramingError: a fragment that is empty, and not the last of its record"
    ]
    laws.check_forgiving(Skipping(framing), endless, 5)


def test_the_string_form() -> None:
    assert (str(framing), str(OncRpc(8192))) == ("oncrpc", "oncrpc:8192")
    assert OncRpc.parse([]) == framing
    assert OncRpc.parse(["8192"]) == OncRpc(8192)
    with pytest.raises(ValueError, match=r"^its one option is the largest fragment to write, in bytes$"):
        OncRpc.parse(["1", "2"])


@pytest.mark.parametrize("fragment", [0, -1, 2**31])
def test_no_fragment_has_that_size(fragment: int) -> None:
    with pytest.raises(ValueError, match=rf"^a fragment has 1 to {LONGEST} bytes, not {fragment}$"):
        OncRpc(fragment)
