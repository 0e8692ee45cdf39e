"""The kernels: whatever they cut is what ``split`` alone would have said, and they leave the rest alone."""

import laws
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FRAMINGS, messages, streams

from mezha.framing import Delimited, Framing, LengthPrefixed, Lines, Run, VarintPrefixed
from mezha.framing._kernels import delimited_kernel, length_kernel, varint_run

KERNELS: list[type[Framing]] = [LengthPrefixed, VarintPrefixed, Delimited, Lines]
every_kernel = pytest.mark.parametrize("kind", KERNELS, ids=lambda kind: kind.__name__)


def kernel_of(framing: Framing) -> Run:
    run = framing.run()
    assert run
    return run


@every_kernel
@given(data=st.data())
def test_a_kernel_cuts_what_split_would(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    stream, limit = data.draw(streams(framing))
    skipped = data.draw(st.binary(max_size=5))
    count = data.draw(st.integers(0, 6))
    run = kernel_of(framing)
    cut, position = run(skipped + stream, len(skipped), limit, count)
    reading = laws.known(framing, stream, limit)
    assert cut == reading.messages[: len(cut)]
    assert len(cut) <= count
    assert position == len(skipped) + reading.starts[len(cut)]
    assert run(bytearray(skipped + stream), len(skipped), limit, count) == (cut, position)
    assert all(type(message) is bytes for message in cut)


@every_kernel
@given(data=st.data())
def test_a_kernel_cuts_all_that_is_whole_and_usual(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    some = data.draw(st.lists(messages(framing), max_size=5))
    stream = b"".join(b"".join(framing.encode(message)) for message in some)
    run = kernel_of(framing)
    assert run(stream, 0, 1000, 9) == (some, len(stream))
    for count in range(len(some)):
        assert run(stream, 0, 1000, count)[0] == some[:count]


def byte(data: bytes | bytearray, start: int) -> tuple[int]:
    """Read a length of one byte."""
    return (data[start],)


def test_a_length_kernel_stops_in_front_of_what_is_not_its_business() -> None:
    run = length_kernel(byte, 1, 2, 0, 3, b"<", b">")
    sound = b"<\2>a<\1>"
    assert run(sound, 0, 1, 9) == ([b"a", b""], 7)
    assert run(sound + b"<", 4, 1, 9) == ([b""], 7)
    for fault in (b"<\0>", b"<\3>ab", b"(\1>", b"<\1)", b"<\2>"):
        assert run(sound + fault, 0, 1, 9) == ([b"a", b""], 7)
    only_before = length_kernel(byte, 1, 2, 0, 2, b"<", b"")
    assert only_before(b"<\0(\0", 0, 1, 9) == ([b""], 2)
    only_behind = length_kernel(byte, 0, 1, 0, 2, b"", b">")
    assert only_behind(b"\1>\1)", 0, 1, 9) == ([b""], 2)


def test_a_varint_kernel_leaves_long_lengths_and_faults_to_split() -> None:
    sizes = {1: b"\1", 127: b"\x7f", 128: b"\x80\1", 16383: b"\xff\x7f", 16384: b"\x80\x80\1", 32769: b"\x81\x80\2"}
    sound = b"".join(header + bytes(size) for size, header in sizes.items())
    expected = ([bytes(size) for size in sizes], len(sound))
    too_large = b"\x82\x80\2" + bytes(32770)
    for rest in (b"", b"\2a", b"\x80", b"\x80\0", b"\x80\x80", b"\x80\x80\0", b"\x80\x80\x80\1", too_large):
        assert varint_run(sound + rest, 0, 32769, 9) == expected
    assert varint_run(b"\x80\x80\x80\1" + bytes(1 << 21), 0, 1 << 21, 9) == ([], 0)


def test_a_delimited_kernel_looks_no_further_than_the_limit() -> None:
    run = delimited_kernel(b"--", carriage_return=False)
    assert run(b"abc--abcd--", 0, 3, 9) == ([b"abc"], 5)
    assert run(b"abc--ab\r--", 0, 3, 9) == ([b"abc", b"ab\r"], 10)
    run = delimited_kernel(b"\n", carriage_return=True)
    assert run(b"abc\r\nabcd\n", 0, 3, 9) == ([b"abc"], 5)
    assert run(b"abc\nabc\r\r\n", 0, 3, 9) == ([b"abc"], 4)
    assert run(b"\n\r\n\r\r\n", 0, 3, 9) == ([b"", b"", b"\r"], 6)
    assert run(b"\nabc\r", 0, 3, 9) == ([b""], 1)
