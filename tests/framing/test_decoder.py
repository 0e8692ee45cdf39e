"""The decoder: any cut, same outcome; one limit; linear; and what it says of a framing that is wrong."""

import re
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from framing.plainly import plainly
from hypothesis import given
from hypothesis import strategies as st
from stuffed_framings import Stuffed

from mezha.errors import FramingError, MessageTooLarge, TruncatedMessage
from mezha.framing import (
    Data,
    Decoder,
    Delimited,
    FixedSize,
    Frame,
    Framing,
    LengthPrefixed,
    Lines,
    Need,
    Netstring,
    Resume,
    Skip,
    VarintPrefixed,
    Verdict,
)
from mezha.testing import cuts, laws
from mezha.testing.strategies import FRAMINGS, cuttings, messages, streams

every_framing = pytest.mark.parametrize("kind", FRAMINGS, ids=lambda kind: kind.__name__)

# -- laws --------------------------------------------------------------------------------------------------------------


@every_framing
@given(data=st.data())
def test_any_cut_same_outcome(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    stream, limit = data.draw(streams(framing))
    laws.check_any_cut(framing, stream, limit, [data.draw(cuttings(stream)) for _ in range(3)])


@every_framing
@given(data=st.data())
def test_one_limit(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    laws.check_limit(framing, data.draw(messages(framing)))


#: Each framing with a message of some size that it carries, and signs that make the search for its end hard.
LARGE: dict[str, tuple[Callable[[int], Framing], Callable[[int], bytes]]] = {
    "length": (lambda size: LengthPrefixed(), bytes),
    "length with more around": (lambda size: LengthPrefixed(2 + 2 * (size > 65535), offset=1, fixed=b"\xab"), bytes),
    "varint": (lambda size: VarintPrefixed(), bytes),
    "netstring": (lambda size: Netstring(), bytes),
    "delimited": (lambda size: Delimited(b"aab"), lambda size: b"a" * (size - 1) + b"c"),
    "delimited by one byte": (lambda size: Delimited(b"\0"), lambda size: b"a" * size),
    "lines": (lambda size: Lines(), lambda size: b"\r" * (size - 1) + b"a"),
    "fixed": (FixedSize, bytes),
}
every_large = pytest.mark.parametrize("name", LARGE)


def large(name: str, size: int) -> tuple[Framing, bytes]:
    framing, message = LARGE[name]
    return framing(size), message(size)


@every_large
@pytest.mark.parametrize("size", [1 << 14, 1 << 15])
def test_byte_by_byte_is_linear(name: str, size: int) -> None:
    # Twice the size is allowed twice the looks: the bound is per byte.
    laws.check_linear(*large(name, size))


@every_large
def test_16_mib_in_small_pieces_are_linear(name: str) -> None:
    # In pieces of 1 KiB, because Python takes ten seconds for a loop of 16 million steps, whatever is in it. The
    # test above shows that single bytes cost no more each; were it quadratic, this would be 128 GiB looked at.
    laws.check_linear(*large(name, 16 << 20), piece=1 << 10)


@pytest.mark.parametrize("name", ["length", "lines"])
def test_a_mib_byte_by_byte(name: str) -> None:
    framing, message = large(name, 1 << 20)
    decoder = framing.decoder()
    for byte in memoryview(b"".join(framing.encode(message))):
        assert not decoder.take()
        decoder.feed(bytes((byte,)))
    assert decoder.take() == [message]


def feed_and_take(decoder: Decoder, wire: bytes) -> None:
    decoder.feed(wire)
    assert len(decoder.take()) == 1


def feed_and_look(decoder: Decoder, wire: bytes) -> None:
    decoder.feed(wire[:1])
    assert decoder.ready
    decoder.feed(wire[1:])
    assert decoder.ready


def feed_and_iterate(decoder: Decoder, wire: bytes) -> None:
    decoder.feed(wire)
    assert next(iter(decoder))


@every_large
@pytest.mark.parametrize("use", [feed_and_take, feed_and_look, feed_and_iterate])
def test_a_backlog_is_cheap(name: str, use: Callable[[Decoder, bytes], None]) -> None:
    laws.check_backlog_is_cheap(*large(name, 50), use)


SIXTY_MIB = 60 << 20


@pytest.mark.parametrize(
    ("framing", "header"),
    [
        (LengthPrefixed(4), SIXTY_MIB.to_bytes(4, "big")),
        (LengthPrefixed(8, "little", strip=0), SIXTY_MIB.to_bytes(8, "little")),
        (VarintPrefixed(), b"\x80\x80\x80\x1e"),
        (Netstring(), b"%d:" % SIXTY_MIB),
        (FixedSize(SIXTY_MIB), b""),
    ],
    ids=plainly,
)
def test_a_length_costs_no_memory(framing: Framing, header: bytes) -> None:
    laws.check_takes_no_memory(framing, header + b"x", limit=64 << 20)


def test_a_message_taken_leaves_no_memory_behind() -> None:
    size = 4 << 20
    decoder = LengthPrefixed().decoder(limit=size)
    wire = size.to_bytes(4, "big") + bytes(size)
    tracemalloc.start()
    try:
        for start in range(0, len(wire), 1 << 16):
            decoder.feed(wire[start : start + (1 << 16)])
        assert len(decoder.take()[0]) == size
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 64 << 10


# -- examples ----------------------------------------------------------------------------------------------------------


def test_the_example_of_the_design() -> None:
    decoder = Lines().decoder(limit=1000)
    decoder.feed(b"one\ntw")
    assert list(decoder) == [b"one"]
    assert (decoder.buffered, decoder.unused(), decoder.ready, decoder.ended) == (2, b"tw", False, False)
    decoder.feed(b"o\n")
    assert decoder.ready
    assert list(decoder) == [b"two"]
    decoder.feed(b"")
    assert list(decoder) == []
    assert (decoder.buffered, decoder.unused(), decoder.ready, decoder.ended) == (0, b"", False, True)


def test_the_limit_has_a_default_and_a_floor() -> None:
    assert Decoder(Lines()).limit == 1 << 20
    assert Decoder(Lines(), limit=0).limit == 0
    with pytest.raises(ValueError, match=r"^limit must be 0 or more bytes, not -1$"):
        Decoder(Lines(), limit=-1)


def test_nothing_may_follow_the_end() -> None:
    decoder = Lines().decoder()
    decoder.feed(b"one\ntwo")
    decoder.feed(b"")
    decoder.feed(b"")
    with pytest.raises(ValueError, match=r"^3 bytes fed after the end of the stream$"):
        decoder.feed(b"abc")
    assert decoder.take(5) == [b"one"]
    with pytest.raises(TruncatedMessage) as caught:
        decoder.take()
    assert (caught.value.received, caught.value.needed) == (3, 4)
    assert str(caught.value) == "the stream ended inside a message: 3 bytes of it had arrived, and it needed 4 or more"
    with pytest.raises(ValueError, match="fed after the end"):
        decoder.feed(b"abc")


@pytest.mark.parametrize("framing", [Lines(), Stuffed()], ids=str)  # with a kernel, and without
@pytest.mark.parametrize("count", [0, -1])
def test_nothing_wanted_is_nothing_taken(framing: Framing, count: int) -> None:
    decoder = framing.decoder()
    decoder.feed(b"".join(framing.encode(b"one")))
    assert decoder.take(count) == []
    assert decoder.take() == [b"one"]


@pytest.mark.parametrize("framing", [LengthPrefixed(), VarintPrefixed(), Lines(), Netstring()], ids=str)
def test_more_may_be_wanted_than_a_machine_word_holds(framing: Framing) -> None:
    decoder = framing.decoder()
    for _ in range(2):
        decoder.feed(b"".join(framing.encode(b"a")) * 3)
        assert decoder.take(2**80) == [b"a"] * 3


def test_a_run_goes_on_behind_what_the_kernel_leaves_to_split() -> None:
    framing = VarintPrefixed()
    large = bytes(1 << 21)  # whose length has four bytes
    some = [b"one", large, b"two", large, large, b"", b"three"]
    decoder = framing.decoder(limit=1 << 22)
    decoder.feed(b"".join(b"".join(framing.encode(message)) for message in some))
    assert decoder.take(3) == some[:3]
    assert decoder.take(100) == some[3:]


def test_a_run_stops_in_front_of_a_fault() -> None:
    decoder = LengthPrefixed(1).decoder(limit=3)
    decoder.feed(b"\1a\2bc\4defg\1h")
    assert decoder.take(100) == [b"a", b"bc"]
    for _ in range(2):
        with pytest.raises(MessageTooLarge):
            decoder.take(100)
    assert decoder.unused() == b"\4defg\1h"


def test_feeding_after_an_error_costs_nothing() -> None:
    decoder = Netstring().decoder()
    decoder.feed(b"GET")
    with pytest.raises(FramingError):
        decoder.take()
    tracemalloc.start()
    try:
        for _ in range(100):
            decoder.feed(bytes(1 << 16))
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 4 << 10
    assert peak < 128 << 10  # one piece
    assert decoder.unused() == b"GET"


def test_bytes_of_any_kind_are_copied() -> None:
    decoder = FixedSize(2).decoder()
    buffer = bytearray(b"abcd")
    decoder.feed(memoryview(buffer)[:3])
    buffer[:] = b"----"
    decoder.feed(buffer)
    buffer[:] = b"****"
    assert decoder.take(9) == [b"ab", b"c-", b"--"]
    assert decoder.unused() == b"-"


# -- framings that are wrong -------------------------------------------------------------------------------------------


class Wrong(Framing):
    """Answers as it is told."""

    def __init__(self, *verdicts: Verdict | Exception) -> None:
        self.verdicts = list(verdicts)
        self.asked: list[tuple[bytes, Resume]] = []

    def encode(self, *parts: Data) -> tuple[Data, ...]:
        return parts

    def split(self, buffer: bytearray, limit: int, resume: Resume = 0) -> Verdict:
        self.asked.append((bytes(buffer), resume))
        verdict = self.verdicts[0] if len(self.verdicts) == 1 else self.verdicts.pop(0)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def __repr__(self) -> str:
        return "Wrong()"


@pytest.mark.parametrize(
    "verdict",
    [
        Frame(0, 0, 0),  # no progress: a loop without end
        Frame(0, 3, 4),  # past what is there
        Frame(0, 4, 3),
        Frame(-1, 2, 3),
        Frame(2, 1, 3),
        Frame(0, -1, 3),
        Frame(0, 0, -1),
        Frame(0, 0, 0, b"message"),
        Frame(0, 3, 4, b"message"),
        Frame(0, 3, 3, bytearray(b"message")),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        Skip(0),
        Skip(-1),
        Skip(4),
        (0, 1, 1),  # what only looks like one
        None,
    ],
)
def test_an_impossible_answer_is_the_fault_of_the_framing(verdict: Verdict) -> None:
    decoder = Wrong(verdict).decoder()
    decoder.feed(b"abc")
    assert decoder.ready
    takes: list[Callable[[], object]] = [decoder.take, lambda: list(decoder)]
    for take in takes:
        with pytest.raises(
            ValueError, match=rf"^Wrong\(\) is wrong: its split\(\) returned {re.escape(str(verdict))} for 3"
        ):
            take()
    assert decoder.unused() == b"abc"
    assert decoder.skipped == 0


@pytest.mark.parametrize("size", [-1, 0, 3])
def test_a_need_of_no_more_than_is_there_waits_for_one_byte(size: int) -> None:
    framing = Wrong(Need(size), Need(size), Frame(0, 5, 5))
    decoder = framing.decoder()
    decoder.feed(b"abc")
    assert decoder.take() == decoder.take() == []
    decoder.feed(b"d")
    assert decoder.take() == decoder.take() == []
    decoder.feed(b"e")
    assert decoder.take() == [b"abcde"]
    assert len(framing.asked) == 3


def test_split_is_asked_when_it_wants_to_be_and_told_where_it_was() -> None:
    framing = Wrong(Need(4, 2), Need(6, 3), Frame(1, 2, 5), Frame(1, 2, 5), Frame(0, 1, 1))
    decoder = framing.decoder()
    for byte in cuts.byte_by_byte(b"abcdef"):
        decoder.feed(byte)
        assert decoder.ready == (byte == b"f")
        if byte != b"f":
            assert decoder.take() == []
    framing.asked.pop()  # by ready, which takes nothing
    assert decoder.take() == [b"b"]
    assert framing.asked == [(b"a", 0), (b"abcd", 2), (b"abcdef", 3)]
    assert decoder.take() == [b"f"]
    assert framing.asked[3:] == [(b"f", 0)]


def test_split_may_remember_more_than_a_place() -> None:
    framing = Wrong(Need(2, (1, 7)), Need(3, (2, 8)), Frame(0, 3, 3), Need(9))
    decoder = framing.decoder()
    for byte in cuts.byte_by_byte(b"abc"):
        decoder.feed(byte)
        assert decoder.take() == ([b"abc"] if byte == b"c" else [])
    decoder.feed(b"d")
    assert decoder.take() == []
    assert framing.asked == [(b"a", 0), (b"ab", (1, 7)), (b"abc", (2, 8)), (b"d", 0)]


def test_a_message_may_be_another_than_the_bytes() -> None:
    decoder = Wrong(Frame(0, 2, 2, b"A"), Frame(1, 1, 3, b"")).decoder()
    decoder.feed(b"abcde")
    assert decoder.take(2) == [b"A", b""]
    assert decoder.buffered == 0


def test_what_belongs_to_no_message_is_left_out_and_counted() -> None:
    framing = Wrong(Skip(1), Skip(2), Need(2), Frame(0, 2, 2), Skip(1), Skip(1))
    decoder = framing.decoder()
    decoder.feed(b"abcd")
    assert (decoder.skipped, decoder.buffered, decoder.unused()) == (0, 4, b"abcd")
    assert not decoder.ready  # which has to look
    assert (decoder.skipped, decoder.buffered, decoder.unused()) == (3, 1, b"d")
    decoder.feed(b"ef")
    decoder.feed(b"")
    assert decoder.take(9) == [b"de"]
    assert decoder.take(9) == []  # an orderly end
    assert (decoder.skipped, decoder.buffered) == (4, 0)
    assert [asked for asked, _ in framing.asked] == [b"abcd", b"bcd", b"d", b"def", b"f"]


def test_what_belongs_to_no_message_is_as_much_a_step_as_a_message() -> None:
    decoder = Wrong(Skip(1), Need(2)).decoder()
    decoder.feed(b"ab")
    assert decoder.take() == []
    assert decoder.moved


def test_an_error_of_another_kind_stays_what_it_is() -> None:
    decoder = Wrong(Frame(0, 1, 1), ZeroDivisionError("oops")).decoder()
    decoder.feed(b"ab")
    assert decoder.take(2) == [b"a"]
    assert decoder.ready
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="oops"):
            decoder.take()
    decoder.feed(b"more")
    assert decoder.buffered == 1


def test_iteration_ends_and_may_begin_again() -> None:
    decoder = FixedSize(1).decoder()
    iterator: Iterator[bytes] = iter(decoder)
    decoder.feed(b"ab")
    assert next(iterator) == b"a"
    assert list(decoder) == [b"b"]
    assert list(decoder) == []
