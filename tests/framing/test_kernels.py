"""The kernels: whatever they cut is what ``split`` alone would have said, and they leave the rest alone.

Everything here holds for both twins, plain Python and compiled, and where they could differ they are compared.
"""

import subprocess
import sys
import tracemalloc
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mezha
from mezha.framing import (
    Delimited,
    FixedSize,
    Framing,
    LengthPrefixed,
    Lines,
    Netstring,
    Run,
    VarintPrefixed,
    _plain,
    kernels,
)
from mezha.testing import laws
from mezha.testing.strategies import FRAMINGS, messages, streams

KERNELS: list[type[Framing]] = [LengthPrefixed, VarintPrefixed, Netstring, Delimited, Lines, FixedSize]
every_kernel = pytest.mark.parametrize("kind", KERNELS, ids=lambda kind: kind.__name__)


def kernel_of(framing: Framing) -> Run:
    run = framing.run()
    assert run
    return run


# -- each twin against split() -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("twin")
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


@pytest.mark.usefixtures("twin")
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


def test_a_length_kernel_stops_in_front_of_what_is_not_its_business(twin: ModuleType) -> None:
    run = twin.length_kernel(1, "big", 1, 0, 3, b"<", b">")
    sound = b"<\2>a<\1>"
    assert run(sound, 0, 1, 9) == ([b"a", b""], 7)
    assert run(sound + b"<", 4, 1, 9) == ([b""], 7)
    for fault in (b"<\0", b"<\0>", b"<\3>ab", b"(\1>", b"<\1)", b"<\2>"):
        assert run(sound + fault, 0, 1, 9) == ([b"a", b""], 7)
    only_before = twin.length_kernel(1, "big", 1, 0, 2, b"<", b"")
    assert only_before(b"<\0(\0", 0, 1, 9) == ([b""], 2)
    only_behind = twin.length_kernel(1, "big", 0, 0, 2, b"", b">")
    assert only_behind(b"\1>\1)", 0, 1, 9) == ([b""], 2)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("byteorder", ["big", "little"])
def test_a_length_kernel_reads_every_width(twin: ModuleType, width: int, byteorder: Literal["big", "little"]) -> None:
    run = twin.length_kernel(width, byteorder, 0, 0, width, b"", b"")
    for size in (0, 1, 255, 256, 65535, 65536, 1 << 24):
        if size < 256**width:
            frame = size.to_bytes(width, byteorder) + bytes(size)
            assert run(frame + frame[:-1], 0, size, 2) == ([bytes(size)], len(frame))


@pytest.mark.parametrize("adjust", [0, -1, 1, -(2**64 - 3), 2**63 - 9, -(2**63), 2**64, -(2**64), 2**80, -(2**80)])
@pytest.mark.parametrize("limit", [0, 5, sys.maxsize, 2**80])
def test_a_length_that_lies_is_left_to_split(twin: ModuleType, adjust: int, limit: int) -> None:
    run = twin.length_kernel(8, "big", 0, adjust, 8, b"", b"")
    for value in (2**64 - 1, 2**64 - 8, 2**64 - 9, 2**63, 2**63 - 1, 2**63 - 9, 1 << 40, 4, 2, 1, 0):
        data = value.to_bytes(8, "big") + b"abc"
        size = value + adjust
        whole = 0 <= size <= min(3, limit)
        assert run(data, 0, limit, 1) == (([b"abc"[:size]], 8 + size) if whole else ([], 0))


def test_a_varint_kernel_leaves_long_lengths_and_faults_to_split(twin: ModuleType) -> None:
    sizes = {1: b"\1", 127: b"\x7f", 128: b"\x80\1", 16383: b"\xff\x7f", 16384: b"\x80\x80\1", 32769: b"\x81\x80\2"}
    sound = b"".join(header + bytes(size) for size, header in sizes.items())
    expected = ([bytes(size) for size in sizes], len(sound))
    too_large = b"\x82\x80\2" + bytes(32770)
    for rest in (b"", b"\2a", b"\x80", b"\x80\0", b"\x80\x80", b"\x80\x80\0", b"\x80\x80\x80\1", too_large):
        assert twin.varint_run(sound + rest, 0, 32769, 9) == expected
    assert twin.varint_run(b"\x80\x80\x80\1" + bytes(1 << 21), 0, 1 << 21, 9) == ([], 0)


def test_a_netstring_kernel_leaves_faults_and_what_is_unfinished_to_split(twin: ModuleType) -> None:
    sound = b"0:,5:1:2,3,10:abcdefghij,1:,,"
    expected = ([b"", b"1:2,3", b"abcdefghij", b","], len(sound))
    unfinished = (b"", b"1", b"1:", b"1:a", b"12:hello world!")
    for rest in (
        *unfinished,
        b"1:ab",
        b"01:a,",
        b"00:,",
        b":,",
        b"+1:a,",
        b" 1:a,",
        b"1_0:abcdefghij,",
        b"11:abcdefghijk,",
    ):
        assert twin.netstring_run(sound + rest, 0, 10, 9) == expected
    assert twin.netstring_run(sound, 0, 9, 9) == (expected[0][:2], 11)
    for digits in (17, 18, 19, 20, 400):
        assert twin.netstring_run(b"9" * digits + b":a,", 0, 2**80, 9) == ([], 0)
    assert twin.netstring_run(b"\xd9\xa3:abc,", 0, 9, 9) == ([], 0)


def test_a_fixed_kernel_counts(twin: ModuleType) -> None:
    run = twin.fixed_kernel(3)
    assert run(b"onetwosi", 0, 3, 9) == ([b"one", b"two"], 6)
    assert run(b"onetwosix", 3, 3, 9) == ([b"two", b"six"], 9)
    assert run(b"onetwosix", 0, 3, 2) == ([b"one", b"two"], 6)
    assert run(b"on", 0, 3, 9) == ([], 0)
    assert twin.fixed_kernel(2**80)(b"one", 0, 3, 9) == ([], 0)
    assert twin.fixed_kernel(sys.maxsize)(b"one", 1, 3, 9) == ([], 1)


def test_a_delimited_kernel_looks_no_further_than_the_limit(twin: ModuleType) -> None:
    run = twin.delimited_kernel(b"--", carriage_return=False, written=b"--")
    assert run(b"abc--abcd--", 0, 3, 9) == ([b"abc"], 5)
    assert run(b"abc--ab\r--", 0, 3, 9) == ([b"abc", b"ab\r"], 10)
    run = twin.delimited_kernel(b"\n", carriage_return=True, written=b"\n")
    assert run(b"abc\r\nabcd\n", 0, 3, 9) == ([b"abc"], 5)
    assert run(b"abc\nabc\r\r\n", 0, 3, 9) == ([b"abc"], 4)
    assert run(b"\n\r\n\r\r\n", 0, 3, 9) == ([b"", b"", b"\r"], 6)
    assert run(b"\nabc\r", 0, 3, 9) == ([b""], 1)


def test_a_delimited_kernel_is_not_led_astray_by_false_beginnings(twin: ModuleType) -> None:
    run = twin.delimited_kernel(b"aab", carriage_return=False, written=b"aab")
    for false in (0, 1, 7, 8, 9, 100):
        message = b"a" * false
        assert run(message + b"aab" + message, 0, 100, 9) == ([message], false + 3)
        assert run(message + b"aab", 0, false, 9) == ([message], false + 3)
        assert run(message + b"aab", 0, false - 1, 9) == ([], 0)


def test_a_plain_length_kernel_can_write() -> None:
    usual = _plain.length_kernel(1, "big", 0, 0, 1, b"", b"")
    assert isinstance(usual, _plain.Kernel)
    assert usual.write(b"a" * 255) == b"\xff" + b"a" * 255
    assert usual.write(b"a" * 256) is None
    assert usual(b"\1a\0", 0, 9, 9) == ([b"a", b""], 3)


# -- the twins against each other --------------------------------------------------------------------------------------


class Call(NamedTuple):
    """What a kernel is called with."""

    data: bytes
    start: int
    limit: int
    most: int


@st.composite
def calls(draw: st.DrawFn, stream: st.SearchStrategy[bytes]) -> Call:
    """Any call, though most of them such that there is something to cut."""
    data = draw(stream)
    start, limit, most = 0, 1000, 1000
    usual = st.integers(-2, 12)
    match draw(st.integers(0, 6)):
        case 0 if data:
            place = draw(st.integers(0, len(data) - 1))
            data = data[:place] + draw(st.binary(max_size=2)) + data[place + draw(st.integers(0, 2)) :]
        case 1:
            start = draw(st.integers(0, len(data) + 3))
        case 2:
            limit = draw(usual)
        case 3:
            most = draw(usual)
        case 4:
            limit = draw(st.integers(sys.maxsize - 12, sys.maxsize + 12) | st.just(2**80))
            most = draw(st.sampled_from((sys.maxsize, sys.maxsize + 1, 2**80, -(2**80))))
        case _:
            pass
    return Call(data, start, limit, most)


class Length(NamedTuple):
    """The parameters of a length kernel."""

    width: int
    byteorder: Literal["big", "little"]
    offset: int
    adjust: int
    strip: int
    before: bytes
    after: bytes


@st.composite
def sound_lengths(draw: st.DrawFn) -> Length:
    """Parameters of which frames can be made, though LengthPrefixed would refuse some of them."""
    width = draw(st.sampled_from((1, 2, 3, 4, 8)))
    offset = draw(st.integers(0, 4))
    strip = draw(st.integers(0, offset + width + 4))
    # small frames have a length of about this much
    usual = draw(st.sampled_from((0, 0, 0, 100, 256**width // 2, 256**width - 20)))
    before = draw(st.just(b"") | st.just(b"<<<<"[:offset]))
    after = draw(st.just(b"") | st.just(b">>>>"[: max(strip - offset - width, 0)]))
    adjust = draw(st.integers(-9, 9)) - usual
    return Length(width, draw(st.sampled_from(("big", "little"))), offset, adjust, strip, before, after)


@st.composite
def wild_lengths(draw: st.DrawFn) -> Length:
    """Parameters that are numbers, at least."""
    around = st.sampled_from((0, sys.maxsize, 2**64, 2**80))
    small = st.integers(-9, 9)
    return draw(sound_lengths())._replace(
        offset=abs(draw(around) + draw(small)),
        adjust=draw(around) * draw(st.sampled_from((1, -1))) + draw(small),
        strip=abs(draw(around) + draw(small)),
        before=draw(st.sampled_from((b"", b"<", b"<<<<"))),
        after=draw(st.sampled_from((b"", b">", b">>>>"))),
    )


@st.composite
def framed(draw: st.DrawFn, length: Length) -> bytes:
    """Frames with such a length in them, most of them sound, where that can be."""
    stream = b""
    for size in draw(st.lists(st.integers(0, 16), max_size=5)):
        body = length.after + bytes(size)
        value = len(body) - length.adjust + draw(st.sampled_from((0, 0, 0, 0, 0, 0, 1, -1)))
        header = min(max(value, 0), 256**length.width - 1).to_bytes(length.width, length.byteorder)
        stream += length.before.ljust(min(length.offset, 9), b"<") + header + body
    return stream


def check_same(pure: Run, compiled: Run, call: Call) -> None:
    data, start, limit, most = call
    expected = pure(data, start, limit, most)
    assert compiled(data, start, limit, most) == expected
    buffer = bytearray(data)
    assert pure(buffer, start, limit, most) == expected
    assert compiled(buffer, start, limit, most) == expected
    buffer.append(0)  # nobody holds on to it


@given(data=st.data())
def test_the_length_kernels_are_the_same(native: ModuleType, data: st.DataObject) -> None:
    length = data.draw(sound_lengths() | sound_lengths() | sound_lengths() | wild_lengths())
    noise = st.just(b"") | st.binary(max_size=20)
    call = data.draw(calls(st.builds(bytes.__add__, framed(length), noise)))
    check_same(_plain.length_kernel(*length), native.length_kernel(*length), call)


@given(data=st.data())
def test_the_varint_kernels_are_the_same(native: ModuleType, data: st.DataObject) -> None:
    sizes = st.lists(st.integers(0, 3) | st.sampled_from((126, 127, 128, 129, 16383, 16384)), max_size=4)
    sound = sizes.map(lambda some: b"".join(b"".join(VarintPrefixed().encode(bytes(size))) for size in some))
    noise = st.lists(st.sampled_from((0, 1, 2, 0x7F, 0x80, 0x81, 0xFF)), max_size=40).map(bytes)
    call = data.draw(calls(sound | noise))
    limit = data.draw(st.sampled_from((call.limit, 1 << 14, (1 << 14) - 1)))
    check_same(_plain.varint_run, native.varint_run, call._replace(limit=limit))


@given(data=st.data(), carriage_return=st.booleans())
def test_the_delimited_kernels_are_the_same(native: ModuleType, data: st.DataObject, carriage_return: bool) -> None:
    marker = data.draw(
        st.text("ab", min_size=1, max_size=4).map(str.encode)
        | st.sampled_from((b"\n", b"\r\n", b"\0", b"\r"))
        | st.binary(min_size=1, max_size=20)
    )
    pieces = st.sampled_from((marker, marker, marker[:1], marker[:-1], marker[1:], b"a", b"\r", b"xyz"))
    call = data.draw(calls(st.lists(pieces, max_size=30).map(b"".join)))
    pure = _plain.delimited_kernel(marker, carriage_return=carriage_return, written=marker)
    check_same(pure, native.delimited_kernel(marker, carriage_return=carriage_return, written=marker), call)


@given(data=st.data())
def test_the_netstring_kernels_are_the_same(native: ModuleType, data: st.DataObject) -> None:
    pieces = st.sampled_from((b"1:a,", b"0:,", b"10:abcdefghij,", b"3:", b"1", b"0", b",", b":", b"a", b"-", b"_"))
    call = data.draw(calls(st.lists(pieces, max_size=12).map(b"".join)))
    check_same(_plain.netstring_run, native.netstring_run, call)


@given(data=st.data(), size=st.integers(1, 9) | st.sampled_from((sys.maxsize - 1, sys.maxsize, sys.maxsize + 1, 2**80)))
def test_the_fixed_kernels_are_the_same(native: ModuleType, data: st.DataObject, size: int) -> None:
    call = data.draw(calls(st.binary(max_size=40)))
    check_same(_plain.fixed_kernel(size), native.fixed_kernel(size), call)


# -- what only the compiled one could do wrong -------------------------------------------------------------------------


def every_run(native: ModuleType) -> list[Run]:
    return [
        native.varint_run,
        native.length_kernel(1, "big", 0, 0, 1, b"", b""),
        native.length_kernel(1, "big", 0, 0, 1, b"", b"."),
        native.delimited_kernel(b"\1", carriage_return=True, written=b"\1"),
        native.delimited_kernel(b"\1\2", carriage_return=False, written=b"\1\2"),
        native.netstring_run,
        native.fixed_kernel(1),
        native.fixed_kernel(9),
    ]


def test_the_compiled_kernels_read_nothing_outside_the_buffer(native: ModuleType) -> None:
    for run in every_run(native):
        for start in (-1, -(2**63), 5, 2**63 - 1):
            assert run(b"\1\2\1\2", start, 9, 9) == ([], start)
        with pytest.raises(OverflowError):
            run(b"\1\2\1\2", 2**63, 9, 9)


def test_the_compiled_kernels_refuse_what_is_not_bytes(native: ModuleType) -> None:
    for run in every_run(native):
        for wrong in ("text", None, [1], memoryview(b"abcd")[::2]):
            with pytest.raises((TypeError, BufferError)):
                run(wrong, 0, 9, 9)  # type: ignore[arg-type]
        buffer = bytearray(b"\1\2")
        with pytest.raises(TypeError):
            run(buffer, 0, 9, "many")  # type: ignore[arg-type]
        buffer.append(0)


def test_the_compiled_kernels_refuse_parameters_that_make_no_sense(native: ModuleType) -> None:
    for width, offset, strip in ((5, 0, 0), (0, 0, 0), (-1, 0, 0), (4, -1, 0), (4, 0, -1), (4, -(2**80), 0)):
        with pytest.raises(ValueError, match="no such frame"):
            native.length_kernel(width, "big", offset, 0, strip, b"", b"")
    with pytest.raises(TypeError):
        native.length_kernel(4, "big", 0, 0, 0, None, b"")
    with pytest.raises(TypeError):
        native.length_kernel(4, "big", 0, 0, 0, b"", None)
    with pytest.raises(TypeError):
        native.delimited_kernel(None, carriage_return=False, written=b"")
    for size in (0, -1, -(2**80)):
        with pytest.raises(ValueError, match="no such frame"):
            native.fixed_kernel(size)
    with pytest.raises(ValueError, match="one byte or more"):
        native.delimited_kernel(b"", carriage_return=False, written=b"")


def test_the_compiled_kernels_leak_nothing(native: ModuleType) -> None:
    runs = every_run(native)
    data, buffer = b"\1\2" * 50, bytearray(b"\1\2" * 50)
    counts = sys.getrefcount(data), sys.getrefcount(buffer)

    def use() -> None:
        for run in (*runs, *every_run(native)):
            for _ in range(20):
                run(data, 0, 9, 99)
                run(buffer, 0, 9, 99)
                with suppress(TypeError):
                    run(buffer, 0, None, 99)  # type: ignore[arg-type]

    use()
    tracemalloc.start()
    try:
        use()
        before, _ = tracemalloc.get_traced_memory()
        use()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert abs(after - before) < 1000
    assert (sys.getrefcount(data), sys.getrefcount(buffer)) == counts


# -- the choice --------------------------------------------------------------------------------------------------------


def choice(*settings: str, before: str = "") -> str:
    """Say which twin a new interpreter chooses, with these in the environment."""
    code = f"""if True:
        import os, sys, types
        os.environ.pop("MEZHA_PURE", None)
        os.environ.update(word.split("=") for word in {settings!r})
        {before}
        import mezha
        print(mezha.accelerated, type(mezha.VarintPrefixed().run()).__name__)
    """
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=30)
    return ran.stdout.strip() or ran.stderr.strip().splitlines()[-1]


def test_what_runs_is_what_was_chosen() -> None:
    assert mezha.accelerated == kernels.accelerated
    chosen = import_module("mezha.framing._native" if mezha.accelerated else "mezha.framing._plain")
    for name in set(kernels.__all__) - {"accelerated"}:
        assert getattr(kernels, name) is getattr(chosen, name)


@pytest.mark.usefixtures("native")
def test_the_environment_can_force_plain_python() -> None:
    compiled = "True _Varint"
    assert choice() == choice("MEZHA_PURE=") == choice("MEZHA_PURE=0") == compiled
    assert choice("MEZHA_PURE=1") == "False function"


@pytest.mark.parametrize(
    ("setting", "accelerated"), [(None, True), ("", True), ("0", True), ("1", False), ("no", False)]
)
def test_what_is_compiled_is_taken_unless_the_environment_says_otherwise(
    setting: str | None, accelerated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = ModuleType("mezha.framing._native")
    spec = compiled.__spec__ = find_spec("mezha.framing.kernels")  # it can be found
    assert spec
    assert spec.loader
    names = set(kernels.__all__) - {"accelerated"}
    for name in names:
        setattr(compiled, name, f"compiled {name}")
    monkeypatch.setitem(sys.modules, "mezha.framing._native", compiled)
    monkeypatch.delenv("MEZHA_PURE", raising=False)
    if setting is not None:
        monkeypatch.setenv("MEZHA_PURE", setting)
    anew = module_from_spec(spec)
    spec.loader.exec_module(anew)
    assert anew.accelerated is accelerated
    chosen = compiled if accelerated else _plain
    assert all(getattr(anew, name) is getattr(chosen, name) for name in names)


def test_plain_python_does_where_nothing_was_compiled() -> None:
    assert choice(before="sys.modules['mezha.framing._native'] = None") == "False function"


def test_a_compiled_part_that_does_not_load_is_no_secret() -> None:
    broken = "module = sys.modules['mezha.framing._native'] = types.ModuleType('broken'); module.__spec__ = 'found'"
    assert choice(before=broken).startswith("ImportError: cannot import name 'Buffer'")
