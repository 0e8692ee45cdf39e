"""VarintPrefixed: a length in base 128, minimal and of 32 bits at most."""

import pytest
from forgiving import TOO_LARGE, cut_off, told
from hypothesis import example, given
from hypothesis import strategies as st
from vast import Vast

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Need, Skipping, VarintPrefixed
from mezha.testing import laws

framing = VarintPrefixed()
LONGEST = 2**32 - 1

#: Lengths and how they are written; 150 and 300 are Protocol Buffers' own examples.
WRITTEN = [
    (0, "00"),
    (1, "01"),
    (127, "7f"),
    (128, "80 01"),
    (150, "96 01"),
    (300, "ac 02"),
    (16383, "ff 7f"),
    (16384, "80 80 01"),
    (2097151, "ff ff 7f"),
    (2097152, "80 80 80 01"),
    (268435455, "ff ff ff 7f"),
    (268435456, "80 80 80 80 01"),
    (LONGEST, "ff ff ff ff 0f"),
]


@pytest.mark.parametrize(("size", "header"), WRITTEN)
def test_a_length_and_how_it_is_written(size: int, header: str) -> None:
    written = bytes.fromhex(header)
    assert framing.encode(Vast(size))[0] == written
    whole = len(written) + size
    if size < 1 << 20:
        wire = bytearray(written + bytes(size))
        assert framing.split(wire, size) == Frame(len(written), whole, whole)
        assert framing.run()(wire + wire, 0, size, 9) == ([bytes(size)] * 2, 2 * whole)
    else:
        assert framing.split(bytearray(written), LONGEST) == Need(whole)
    for there in range(1, len(written)):
        assert framing.split(bytearray(written[:there]), LONGEST) == Need(there + 1)
    if size:
        with pytest.raises(MessageTooLarge) as caught:
            framing.split(bytearray(written), size - 1)
        assert (caught.value.size, caught.value.limit) == (size, size - 1)
        assert str(caught.value) == (
            f"the peer announced a message of {size} bytes; this side takes at most {size - 1} (max_message). "
            f"Its header is {header}: does the peer use another framing?"
        )


@given(st.integers(0, LONGEST))
def test_every_length_is_read_back(size: int) -> None:
    header = bytes(framing.encode(Vast(size))[0])
    knowledge = laws.known(framing, header, LONGEST)
    assert knowledge.fault is None
    assert framing.split(bytearray(header), LONGEST) == (Need(len(header) + size) if size else Frame(1, 1, 1))


def test_parts_come_back_as_they_are() -> None:
    one, two = bytes(100_000), bytearray(100_000)
    header, *parts = framing.encode(one, two)
    assert header == bytes.fromhex("c0 9a 0c")
    assert parts[0] is one
    assert parts[1] is two


def test_33_bits_cannot_be_written() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        framing.encode(Vast(LONGEST), b"x")
    assert str(caught.value) == "a message of 4294967296 bytes does not fit a varint of 32 bits: nothing was sent"
    assert (caught.value.size, caught.value.limit) == (LONGEST + 1, LONGEST)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("80 00", "a varint written in more bytes than it needs: 80 00"),
        ("ff 80 00", "a varint written in more bytes than it needs: ff 80 00"),
        ("80 80 80 80 00", "a varint written in more bytes than it needs: 80 80 80 80 00"),
        ("ff ff ff ff 10", "a varint of more than 32 bits: ff ff ff ff 10"),
        ("80 80 80 80 7f", "a varint of more than 32 bits: 80 80 80 80 7f"),
        ("80 80 80 80 80", "a varint of more than 5 bytes: 80 80 80 80 80"),
        ("ff ff ff ff ff", "a varint of more than 5 bytes: ff ff ff ff ff"),
    ],
)
def test_bytes_that_are_no_varint(header: str, text: str) -> None:
    wrong = bytes.fromhex(header)
    for behind in (b"", b"more"):
        with pytest.raises(FramingError) as caught:
            framing.split(bytearray(wrong + behind), LONGEST)
        assert type(caught.value) is FramingError
        assert str(caught.value) == text
        laws.check_any_cut(framing, b"\1a" + wrong + behind, LONGEST)


@given(st.lists(st.sampled_from((0, 1, 2, 0x7F, 0x80, 0x81, 0xFF)), max_size=12).map(bytes), st.integers(0, 300))
@example(b"\x80\x80\x01", 16383)
def test_any_bytes_are_judged_alike_at_every_cut(stream: bytes, limit: int) -> None:
    laws.check_any_cut(framing, stream, limit)


def test_it_has_no_options() -> None:
    assert str(framing) == "varint"
    assert VarintPrefixed.parse([]) == framing
    with pytest.raises(ValueError, match=r"^it takes no options$"):
        VarintPrefixed.parse(["32"])


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"\6abcdef\x80\1" + bytes(128) + b"\1b", [TOO_LARGE, TOO_LARGE, b"b"]),
        (b"\x80\1" + bytes(127), [TOO_LARGE, cut_off(129, 130)]),
        (b"\xff\xff\xff\xff\x0f", [TOO_LARGE, cut_off(5, 2**32 + 4)]),
    ],
)
def test_what_is_over_the_limit_is_skipped(stream: bytes, found: list[bytes | str]) -> None:
    assert told(Skipping(VarintPrefixed()), stream) == found
