"""What holds bytes, on their way in and out: each twin against a simple model, and what only one could do wrong."""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from copy import deepcopy
from types import ModuleType
from typing import Any

import pytest
from framing.plainly import plainly
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from stuffed_framings import InPieces, Stuffed

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
    Run,
    Skip,
    VarintPrefixed,
)
from mezha.limits import Limits
from mezha.testing import laws
from mezha.testing.strategies import FRAMINGS, messages, signs

LARGE = 64 << 10  # from here on a message may be given memory of its own


def pattern(size: int) -> bytes:
    """Bytes that show when they are in the wrong place; no line feed among them."""
    return (bytes(range(14, 14 + 241)) * (size // 241 + 1))[:size]


# -- receiving: any order of calls -------------------------------------------------------------------------------------


#: Copies of them use the twin under test.
RECEIVED: list[Framing] = [
    LengthPrefixed(),
    LengthPrefixed(3, "little", offset=1, strip=6, fixed=b"<>>", adjust=0),
    LengthPrefixed(4, offset=2, strip=0),  # the header is a part of the message
    LengthPrefixed(8, offset=3, adjust=-11, strip=2, fixed=b"ab"),
    VarintPrefixed(),
    Netstring(),
    Delimited(b"\n--"),
    Lines(b"\r\n"),
    Stuffed(),
    InPieces(100),
    FixedSize(3),
    FixedSize(LARGE + 1),
]


def carried(framing: Framing, size: int) -> bytes:
    """A message of about this size that the framing carries."""
    match framing:
        case LengthPrefixed(width) if framing.strip < framing.offset + width:
            size = min(size, 256**width - 1 + framing.adjust)
            value = size - framing.adjust
            return pattern(framing.offset - framing.strip) + value.to_bytes(width, framing.byteorder) + pattern(size)
        case Lines() | Delimited():
            return pattern(size).replace(b"\r", b"_").replace(b"\n", b"_")
        case FixedSize():
            return pattern(framing.size)
        case InPieces():
            return pattern(min(size, 9000))  # of which it makes ninety
        case _:
            return pattern(size)


SIZES = st.integers(0, 40) | st.sampled_from((8191, 8192, 20000, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE, 5 * LARGE))
PIECES = st.integers(1, 40) | st.sampled_from((4096, 8192, 8200, 3 * 8192, 40000, LARGE, 10 * LARGE))


class Receiving(RuleBasedStateMachine):
    """A decoder against a model: all that was fed and not handed out, and split()."""

    kind: type[Decoder]

    def __init__(self) -> None:
        super().__init__()
        self.wire = b""  # on its way
        self.pending = b""  # fed, not handed out
        self.skipped = 0
        self.ended = self.failed = self.shut = False
        self.budget: int | None = None  # None: there is no end of it
        self.count = 0

    @initialize(framing=st.sampled_from(RECEIVED), limit=st.sampled_from((100, LARGE, LARGE + 12, 1 << 20, 2**80)))
    def begin(self, framing: Framing, limit: int) -> None:
        self.framing, self.limit = deepcopy(framing), limit
        self.decoder = self.kind(self.framing, limit=limit)

    def verdict(self) -> Frame | laws.Fault | None:
        """Say what stands at the front."""
        if not self.pending:
            return None
        try:
            verdict = self.framing.split(bytearray(self.pending), self.limit)
        except (FramingError, MessageTooLarge) as error:
            return laws.fault_of(error)
        if isinstance(verdict, Frame):
            return verdict
        if isinstance(verdict, Skip):
            self.pending = self.pending[verdict.end :]
            self.skipped += verdict.end
            return self.verdict()
        if not self.ended:
            return None
        size = len(self.pending)
        text = (
            f"the stream ended inside a message: {size} bytes of it had arrived, and it needed {verdict.size} or more"
        )
        return laws.fault_of(TruncatedMessage(text, received=size, needed=verdict.size))

    def cut(self) -> bytes:
        """Cut the message at the front of the model."""
        verdict = self.verdict()
        assert isinstance(verdict, Frame), f"a message was handed out, and there is {verdict}"
        message = verdict.cut(self.pending)
        self.pending = self.pending[verdict.end :]
        self.count += 1
        if self.budget is not None:
            self.budget -= verdict.end
        return message

    @rule(sizes=st.lists(SIZES, min_size=1, max_size=4))
    def send(self, sizes: Sequence[int]) -> None:
        for size in sizes:
            self.wire += b"".join(self.framing.encode(carried(self.framing, size)))

    @rule(data=st.data())
    def send_noise(self, data: st.DataObject) -> None:
        self.wire += bytes(data.draw(st.lists(signs(self.framing), max_size=12)))

    @rule(size=PIECES, lent=st.booleans(), kind=st.sampled_from((bytes, bytearray, memoryview)))
    def feed(self, size: int, lent: bool, kind: Callable[[bytes], Data]) -> None:
        space = self.decoder.space() if lent else None
        if space is not None:
            assert not self.shut
            assert space.nbytes
            size = min(size, space.nbytes)
        piece, self.wire = self.wire[:size], self.wire[size:]
        if not piece:
            return
        if self.ended:
            with pytest.raises(ValueError, match="after the end"):
                self.decoder.feed(piece)
            return
        if space is None:
            self.decoder.feed(kind(piece))
        else:
            space[: len(piece)] = piece
            self.decoder.feed(space[: len(piece)])
        if not (self.shut or self.failed):
            self.pending += piece

    @rule()
    def look_at_space(self) -> None:
        space = self.decoder.space()
        if space is not None:
            space[-1] = 0  # nothing that was received

    @rule()
    def pop(self) -> None:
        message = self.decoder.pop()
        if message is not None:
            assert not self.shut
            assert message == self.cut()
            assert self.budget is None or self.budget >= 0

    @rule(size=st.none() | st.integers(0, 60) | st.integers(0, 4 * LARGE))
    def set_the_budget(self, size: int | None) -> None:
        self.decoder.budget = sys.maxsize if size is None else size
        self.budget = size

    @rule(count=st.integers(0, 4) | st.just(2**80))
    def cut_what_is_easy(self, count: int) -> None:
        for message in self.decoder.cut(count):
            assert not self.shut
            assert message == self.cut()
            assert self.budget is None or self.budget >= 0

    @precondition(lambda self: not self.shut)
    @rule(count=st.integers(0, 4) | st.just(2**80))
    def take(self, count: int) -> None:
        fault, taken = None, list[bytes]()
        try:
            taken = self.decoder.take(count)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is compared
            fault = laws.fault_of(error)
        if fault:
            assert fault == self.verdict()
            self.failed = True
            return
        assert all(type(message) is bytes for message in taken)
        assert taken == [self.cut() for _ in taken]
        behind = self.verdict() if len(taken) < count else None
        assert behind is None or (taken and not isinstance(behind, Frame))

    @precondition(lambda self: not self.shut)
    @rule()
    def look(self) -> None:
        assert self.decoder.ready == (self.verdict() is not None)

    @rule()
    def keep_what_is_unused(self) -> None:
        self.kept = self.decoder.unused()
        assert self.kept == self.pending

    @rule()
    def end(self) -> None:
        self.decoder.feed(b"")
        self.ended = True

    @precondition(lambda self: self.pending)
    @rule()
    def shut_it(self) -> None:
        self.decoder.shut = self.shut = True

    @invariant()
    def counts(self) -> None:
        assert self.decoder.buffered == len(self.pending)
        assert self.decoder.ended == self.ended
        assert self.decoder.skipped == self.skipped
        assert self.decoder.count == self.count
        assert self.budget is None or self.decoder.budget == self.budget

    def teardown(self) -> None:
        self.set_the_budget(None)
        if not (self.shut or self.failed or self.ended):
            self.feed(len(self.wire), False, bytes)
            self.end()
            while self.pending:
                self.take(3)
                if self.failed:
                    break


def test_any_order_of_calls(decoder_of: type[Decoder]) -> None:
    class Machine(Receiving):
        kind = decoder_of

    run_state_machine_as_test(Machine, settings=settings(stateful_step_count=40))


# -- receiving: large messages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", RECEIVED, ids=plainly)
@pytest.mark.parametrize("piece", [1000, 8192, 3 * 8192, 100_000])
@pytest.mark.parametrize("lent", [False, True])
def test_a_large_message_arrives_in_any_pieces(
    decoder_of: type[Decoder], framing: Framing, piece: int, lent: bool
) -> None:
    some = [carried(framing, size) for size in (5, LARGE + 7, 3, 4 * LARGE, 300_000, LARGE - 1, 0)]
    wire = b"".join(b"".join(framing.encode(message)) for message in some)
    decoder = decoder_of(deepcopy(framing))
    got: list[bytes] = []
    while wire:
        space = decoder.space() if lent else None
        size = piece if space is None else min(piece, space.nbytes)
        part, wire = wire[:size], wire[size:]
        if space is None:
            decoder.feed(part)
        else:
            space[: len(part)] = part
            decoder.feed(space[: len(part)])
        got += decoder.take(9)
    assert got == some
    assert decoder.buffered == 0


@pytest.mark.parametrize("framing", [LengthPrefixed(4), LengthPrefixed(4, strip=0)], ids=str)
def test_what_is_unused_is_a_copy(decoder_of: type[Decoder], framing: LengthPrefixed) -> None:
    # The memory of the message is full just then, and it grows behind.
    wire = b"".join(framing.encode(carried(framing, 500_000)))
    head = framing.strip
    decoder = decoder_of(deepcopy(framing))
    decoder.feed(wire[: head + 8192])
    assert decoder.take() == []
    decoder.feed(wire[head + 8192 : head + 4 * 8192])
    kept = decoder.unused()
    assert kept == wire[: head + 4 * 8192]
    decoder.space()
    decoder.feed(wire[head + 4 * 8192 :])
    assert kept == wire[: head + 4 * 8192]
    assert [len(message) for message in decoder.take(2)] == [len(wire) - head]


@pytest.mark.parametrize("arrived", [100, 8192, 64 << 10])
def test_a_length_that_lies_costs_no_memory(decoder_of: type[Decoder], arrived: int) -> None:
    decoder = decoder_of(LengthPrefixed(4), limit=1 << 30)
    piece = bytes(1024)
    tracemalloc.start()
    try:
        decoder.feed((1 << 30).to_bytes(4, "big"))
        for _ in range(0, arrived, len(piece)):
            assert decoder.pop() is None
            decoder.space()
            decoder.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * arrived + (8 << 10)


@pytest.mark.parametrize("arrived", [0, 1, 8191, 8192, 8193, 100_000, (1 << 20) - 1])
def test_a_large_message_cut_off_says_how_much_of_it_had_arrived(decoder_of: type[Decoder], arrived: int) -> None:
    decoder = decoder_of(LengthPrefixed(4))
    decoder.feed(b"\0\0\0\1a" + (1 << 20).to_bytes(4, "big"))
    assert decoder.take(1) == [b"a"]
    assert decoder.pop() is None
    for start in range(0, arrived, 8192):
        decoder.feed(bytes(min(8192, arrived - start)))
        assert decoder.pop() is None
    decoder.feed(b"")
    assert decoder.ready
    for _ in range(2):
        with pytest.raises(TruncatedMessage) as caught:
            decoder.take()
        assert caught.value.received == 4 + arrived
    assert decoder.space() is None
    assert decoder.buffered == 4 + arrived


@pytest.mark.parametrize("quickly", [False, True])
def test_a_large_message_is_within_the_budget_or_stays(decoder_of: type[Decoder], quickly: bool) -> None:
    wire = (2 * LARGE).to_bytes(4, "big") + pattern(2 * LARGE)
    decoder = decoder_of(LengthPrefixed(4))
    decoder.feed(wire[:10_000])
    assert decoder.pop() is None
    decoder.feed(wire[10_000:])
    for budget in (len(wire) - 1, len(wire)):
        decoder.budget = budget
        messages = [decoder.pop()] if quickly else decoder.cut(9)
        assert [message for message in messages if message is not None] == [pattern(2 * LARGE)] * (budget == len(wire))
    assert (decoder.budget, decoder.count) == (0, 1)


def test_large_messages_before_a_fault_come_first(decoder_of: type[Decoder]) -> None:
    decoder = decoder_of(LengthPrefixed(4), limit=LARGE)
    wire = LARGE.to_bytes(4, "big") + pattern(LARGE)
    decoder.feed(wire[:10000])
    assert decoder.pop() is None
    decoder.feed(wire[10000:] + wire + (LARGE + 1).to_bytes(4, "big"))
    assert decoder.take(9) == [pattern(LARGE)] * 2
    with pytest.raises(MessageTooLarge):
        decoder.take()


def test_a_limit_beyond_all_memory_is_one(decoder_of: type[Decoder]) -> None:
    decoder = decoder_of(LengthPrefixed(8), limit=2**80)
    decoder.feed(b"\xff" * 8 + b"abc")
    assert decoder.take() == []
    assert not decoder.ready
    decoder.feed(b"")
    with pytest.raises(TruncatedMessage) as caught:
        decoder.take()
    assert caught.value.needed == 2**64 + 7


# -- receiving: framings that are wrong --------------------------------------------------------------------------------


class Own(Lines):
    """Lines that go about it in another way."""

    __slots__ = ("own_run", "own_split")

    own_split: Callable[[bytearray], Frame | Need] | None
    own_run: Run

    def __init__(self, run: Run, split: Callable[[bytearray], Frame | Need] | None = None) -> None:
        super().__init__()
        object.__setattr__(self, "own_split", split)
        object.__setattr__(self, "own_run", run)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        return super().split(buffer, limit, resume) if self.own_split is None else self.own_split(buffer)

    def run(self) -> Run:
        return self.own_run


def cuts_nothing(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
    return [], start


def test_whoever_holds_on_to_the_buffer_spoils_nothing(decoder_of: type[Decoder]) -> None:
    held: list[memoryview] = []

    def hold(buffer: bytearray) -> Frame | Need:
        held.append(memoryview(buffer))
        return Lines().split(buffer, 100)

    decoder = decoder_of(Own(cuts_nothing, hold))
    decoder.feed(b"a\n")
    assert decoder.take() == [b"a"]
    decoder.feed(b"bcd")
    assert decoder.take() == []
    with pytest.raises(BufferError):
        decoder.feed(b"e")
    held.clear()
    decoder.feed(b"f\n")
    assert decoder.take(2) == [b"bcdf"]


def test_a_split_that_empties_the_buffer_reads_nothing_outside(native: ModuleType) -> None:
    buffer = native.Buffer(None, 100)
    buffer.feed(b"abc")
    buffer.front().clear()
    for start, stop, end in ((0, 1, 1), (-1, 0, 0), (1, 0, 0), (0, 0, 2**62)):
        for message in (None, b"message"):
            with pytest.raises(ValueError, match="changed"):
                buffer.cut_at(start, stop, end, message)
    for end in (-1, 1, 2**62):
        with pytest.raises(ValueError, match="changed"):
            buffer.skip(end)
    buffer.feed(b"d")
    assert buffer.unused() == b"d"
    buffer.front()[:] = b""
    buffer.feed(b"e" * 9)
    assert buffer.unused() == b"e" * 9


@pytest.mark.parametrize("place", [-1, 0, 7, 2**62])
def test_a_run_of_ones_own_cannot_lead_outside_the_buffer(native: ModuleType, place: int) -> None:
    cut = [b"message"]

    def run(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        return cut, place

    buffer = native.Buffer(run, 100)
    buffer.feed(b"a\nb\nc\n")
    cut.clear()
    assert buffer.cut(9) == []
    assert buffer.unused() == b"a\nb\nc\n"
    cut.append(b"message")
    if place == 0:
        assert buffer.cut(9) == cut
    else:
        with pytest.raises(ValueError, match="is wrong: it went to"):
            buffer.cut(9)
    assert buffer.unused() == b"a\nb\nc\n"


# -- sending -----------------------------------------------------------------------------------------------------------

FREE = Limits().outbox
every_framing = pytest.mark.parametrize("kind", FRAMINGS, ids=lambda kind: kind.__name__)


@st.composite
def any_messages(draw: st.DrawFn, framing: Framing) -> bytes:
    """A message that this framing carries, or refuses; some of a size at which a length grows by a byte, or ends."""
    some = messages(framing) | st.lists(signs(framing), max_size=9).map(bytes)
    if draw(st.booleans()):
        return draw(some)
    size = draw(st.sampled_from((127, 128, 255, 256, 8191, 8192, 16383, 16384, 65535, 65536))) + draw(
        st.integers(-9, 9)
    )
    return pattern(size)


@pytest.mark.usefixtures("twin")
@every_framing
@given(data=st.data())
def test_push_encodes_or_changes_nothing(kind: type[Framing], twin: ModuleType, data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    outgoing = twin.Outgoing(framing, Limits().max_message, FREE)
    wire = b""
    for message in data.draw(st.lists(any_messages(framing), min_size=1, max_size=4)):
        if outgoing.push(message):
            wire += b"".join(framing.encode(message))
        assert outgoing.size == len(wire)
    assert b"".join(outgoing.collect()) == wire
    assert outgoing.collect() == []


@pytest.mark.parametrize(
    "framing", [LengthPrefixed(), LengthPrefixed(3, offset=1, fixed=b"a"), *RECEIVED[4:]], ids=plainly
)
def test_what_is_usual_is_pushed(twin: ModuleType, framing: Framing) -> None:
    framing = deepcopy(framing)
    if isinstance(framing, FixedSize) or (twin.__name__.endswith("_native") and framing.run() is None):
        return
    outgoing = twin.Outgoing(framing, 1000, FREE)
    assert outgoing.push(b"Hello!")
    assert outgoing.push(b"")
    assert b"".join(outgoing.collect()) == b"".join([*framing.encode(b"Hello!"), *framing.encode(b"")])


def test_push_refuses_what_is_for_others_to_judge(twin: ModuleType) -> None:
    class Text(bytes):
        __slots__ = ()

    outgoing = twin.Outgoing(LengthPrefixed(1), 300, 20)
    for wrong in (bytearray(b"a"), memoryview(b"a"), "a", None, Text(b"a"), bytes(301), bytes(256)):
        assert not outgoing.push(wrong)
    assert outgoing.push(bytes(18))
    assert outgoing.push(b"a")  # below the mark, by one
    assert outgoing.size == 21
    assert not outgoing.push(b"")
    assert b"".join(outgoing.collect()) == b"\x12" + bytes(18) + b"\1a"
    assert outgoing.push(b"")
    outgoing.shut = True
    assert not outgoing.push(b"")
    assert outgoing.collect() == [b"\0"]


def joined(parts: Sequence[Data]) -> list[Data]:
    """What is to come out: small parts joined, the large as they are."""
    out: list[Data] = []
    small = b""
    for part in parts:
        if len(part) < 8192:
            small += part
        else:
            out += [small, part] if small else [part]
            small = b""
    return [*out, small] if small else out


SMALL_OR_LARGE = st.integers(0, 20) | st.sampled_from((4000, 4096, 8100, 8191, 8192, 8193, 20000))
KINDS = st.sampled_from((bytes, bytearray, memoryview))
#: A message to push; parts to put; or to collect what there is.
STEPS = SMALL_OR_LARGE | st.lists(st.tuples(SMALL_OR_LARGE, KINDS), max_size=4) | st.none()


@given(steps=st.lists(STEPS, max_size=20))
def test_any_order_of_push_and_put_and_collect(
    twin: ModuleType, steps: list[int | list[tuple[int, Callable[[bytes], Data]]] | None]
) -> None:
    framing = VarintPrefixed()
    largest, high = 8100, 30_000
    outgoing = twin.Outgoing(framing, largest, high)
    put: list[Data] = []
    for step in [*steps, None]:
        if step is None:
            collected = [part for part in outgoing.collect() if len(part)]
            assert collected == joined(put)
            large = [part for part in put if len(part) >= 8192]
            assert sum(any(part is one for part in collected) for one in large) == len(large)
            put.clear()
        elif isinstance(step, int):
            message = pattern(step)
            pushed = outgoing.push(message)
            assert pushed == (sum(map(len, put)) < high and step <= largest)
            if pushed:
                put += framing.encode(message)
        else:
            parts = [kind(pattern(size)) for size, kind in step]
            outgoing.put(parts)
            put += parts
        assert outgoing.size == sum(map(len, put))


@given(credit=st.integers(0, 30), messages=st.lists(st.binary(max_size=12), max_size=8))
def test_what_is_spent_is_within_the_credit(twin: ModuleType, credit: int, messages: list[bytes]) -> None:
    framing = LengthPrefixed(2, strip=3, fixed=b"!")
    outgoing = twin.Outgoing(framing, 10, 100)
    assert (outgoing.credit, outgoing.count) == (0, 0)
    outgoing.credit = credit
    spent: list[bytes] = []
    for message in messages:
        size = len(message) + 3
        fits = len(message) <= 10 and size <= outgoing.credit
        assert outgoing.spend(message) == fits
        if fits:
            spent.append(message)
    assert outgoing.count == len(spent)
    assert outgoing.credit == credit - sum(map(len, spent)) - 3 * len(spent)
    assert b"".join(outgoing.collect()) == b"".join(b"".join(framing.encode(message)) for message in spent)


def test_what_is_not_easy_is_not_spent_on(twin: ModuleType) -> None:
    outgoing = twin.Outgoing(Delimited(b"--"), 10, 20)
    outgoing.credit = 100
    for message in (bytearray(b"a"), b"a--", bytes(11)):
        assert not outgoing.spend(message)
    outgoing.credit = 11
    assert not outgoing.spend(b"1234567890")
    outgoing.credit = 100
    assert outgoing.spend(b"1234567890")
    assert outgoing.spend(b"123456")
    assert not outgoing.spend(b"enough is here")
    assert not outgoing.spend(b"")
    outgoing.collect()
    outgoing.shut = True
    assert not outgoing.spend(b"")
    assert (outgoing.credit, outgoing.count) == (80, 2)


def test_the_largest_message_may_become_smaller_and_never_larger(twin: ModuleType) -> None:
    outgoing = twin.Outgoing(LengthPrefixed(), 10, 1000)
    outgoing.credit = 1000
    for limit, largest in ((20, 10), (5, 5), (7, 5)):
        outgoing.limit(limit)
        for add in (outgoing.push, outgoing.spend):
            assert add(bytes(largest))
            assert not add(bytes(largest + 1))


def test_a_message_is_put_as_a_whole_or_not_at_all(native: ModuleType) -> None:
    outgoing = native.Outgoing(LengthPrefixed(), 100, 100)
    outgoing.put([b"a"])
    for wrong in ("text", 1, None, memoryview(b"abcd")[::2]):
        with pytest.raises((TypeError, BufferError)):
            outgoing.put([b"header", bytes(10000), wrong])
    assert outgoing.size == 1
    assert outgoing.collect() == [b"a"]


def test_a_kernel_that_does_not_know_the_header_encodes_nothing(native: ModuleType) -> None:
    for offset, strip, before, after in ((2, 6, b"", b""), (2, 6, b"a", b""), (0, 6, b"", b""), (0, 6, b"", b"abc")):
        assert native.length_kernel(4, "big", offset, 0, strip, before, after).overhead == -1
    assert native.length_kernel(4, "big", 1, 0, 6, b"a", b"b").overhead == 6


# -- frames ------------------------------------------------------------------------------------------------------------


FRAMES = st.lists(st.tuples(st.sampled_from((1, 1, 1, 2)), st.binary(max_size=5)), max_size=8)


@given(frames=FRAMES, rest=st.binary(max_size=6), before=st.integers(0, 3), kind=st.sampled_from((bytes, memoryview)))
def test_a_run_of_frames_ends_where_another_begins_or_the_bytes_end(
    twin: ModuleType, frames: list[tuple[int, bytes]], rest: bytes, before: int, kind: Callable[[bytes], Data]
) -> None:
    written = [(1 + len(body)).to_bytes(4, "big") + bytes([of]) + body for of, body in frames]
    run = 0
    while run < len(frames) and frames[run][0] == 1 and len(frames[run][1]) <= 4:
        run += 1
    end = before + sum(map(len, written[:run]))
    data = bytes(before) + b"".join(written)
    if run < len(frames):
        assert twin.skip_frames(kind(data + rest), before, 1, 4) == end
    else:
        assert twin.skip_frames(kind(data), before, 1, 4) == end == len(data)
        if rest:
            assert twin.skip_frames(kind(data + b"\0\0\0\5\1" + rest[:3]), before, 1, 4) == end


def test_frames_that_cannot_be_are_not_skipped(twin: ModuleType) -> None:
    for wire in (b"", b"\0\0\0", bytes(5), b"\0\0\0\0\1", b"\xff\xff\xff\xff\1abc", b"\0\0\0\7\1abcdef"):
        assert twin.skip_frames(wire, 0, 1, 5) == 0
    assert twin.skip_frames(b"\0\0\0\1\1", 0, 1, 0) == 5
    assert twin.skip_frames(b"\0\0\0\1\1", 9, 1, 0) == 9


# -- what only the compiled ones could do wrong ------------------------------------------------------------------------


@pytest.fixture
def prefixed(native: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Framing:
    """A framing on the compiled kernel, also where plain Python was chosen."""
    monkeypatch.setattr("mezha.framing.length.length_kernel", native.length_kernel)
    return LengthPrefixed()


def test_what_was_never_initialized_is_empty(native: ModuleType) -> None:
    buffer = native.Buffer.__new__(native.Buffer)
    buffer.feed(b"abc")
    assert (buffer.pop(), buffer.cut(9), buffer.whole(), buffer.space()) == (None, [], False, None)
    assert buffer.unused() == buffer.front() == b"abc"
    assert buffer.cut_at(0, 1, 3) == b"a"
    outgoing = native.Outgoing.__new__(native.Outgoing)
    assert not outgoing.push(b"")
    outgoing.put([b"a"])
    assert outgoing.collect() == [b"a"]
    for made in (buffer, outgoing):
        with pytest.raises(TypeError):
            made.__reduce__()


def test_an_unfinished_message_is_not_handed_out_whoever_says_it_is_time(native: ModuleType, prefixed: Framing) -> None:
    buffer = native.Buffer(prefixed.run(), 1 << 20)
    wire = b"".join(prefixed.encode(pattern(100_000)))
    buffer.feed(wire[:50_000])
    assert buffer.pop() is None
    assert buffer.space() is not None
    buffer.need = 0
    assert (buffer.pop(), buffer.cut(9), buffer.whole()) == (None, [], False)
    buffer.feed(wire[50_000:])
    assert buffer.whole()
    assert buffer.cut(9) == [pattern(100_000)]


@pytest.fixture
def _nothing_finalized() -> Generator[None]:
    """Collect no garbage: what a collection without memory has to finalize, CPython 3.12 may try to for ever."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_nothing_finalized")
@pytest.mark.parametrize("at", range(6))
def test_without_memory_nothing_is_lost(native: ModuleType, prefixed: Framing, at: int) -> None:
    # But where a large message outgrows its memory: then its stream is given up.
    testcapi = pytest.importorskip("_testcapi")

    def scarce(step: Callable[..., Any], *arguments: object) -> Any:
        testcapi.set_nomemory(at, at + 1)
        try:
            return step(*arguments)
        except MemoryError:
            pass
        finally:
            testcapi.remove_mem_hooks()
        return step(*arguments)

    some = [b"a", pattern(100), pattern(100_000), b"", pattern(LARGE), pattern(70)]
    outgoing = native.Outgoing(prefixed, 8191, 1 << 20)
    for message in some:
        if not scarce(outgoing.push, message):
            outgoing.put(prefixed.encode(message))
    wire = b"".join(outgoing.collect())
    assert wire == b"".join(b"".join(prefixed.encode(message)) for message in some)

    popping, cutting = (native.Buffer(prefixed.run(), 1 << 20) for _ in range(2))
    popped: list[bytes] = []
    cut: list[bytes] = []
    for start in range(0, len(wire), 30_000):
        scarce(popping.feed, wire[start : start + 30_000])
        scarce(cutting.feed, wire[start : start + 30_000])
        while (message := scarce(popping.pop)) is not None:
            popped.append(message)
        while messages := scarce(cutting.cut, 2):
            cut += messages
    assert popped == cut == some


@pytest.mark.usefixtures("_nothing_finalized")
def test_a_large_message_that_outgrows_all_memory_ends_its_stream(native: ModuleType, prefixed: Framing) -> None:
    testcapi = pytest.importorskip("_testcapi")
    buffer = native.Buffer(prefixed.run(), 1 << 30)
    buffer.feed((1 << 20).to_bytes(4, "big") + bytes(8192))
    assert buffer.pop() is None
    much = bytes(30_000)
    testcapi.set_nomemory(0, 0)
    try:
        buffer.feed(much)
    except MemoryError:
        failed = True
    else:
        failed = False
    finally:
        testcapi.remove_mem_hooks()
    assert failed
    assert buffer.shut
    buffer.feed(much)
    assert (buffer.pop(), buffer.cut(9), buffer.space(), buffer.buffered) == (None, [], None, 4)


CALLS: dict[str, Callable[[Decoder], object]] = {
    "take": lambda decoder: decoder.take(9),
    "feed": lambda decoder: decoder.feed(bytes(LARGE)),
    "pop": lambda decoder: decoder.pop(),
    "unused": lambda decoder: decoder.unused(),
    "ready": lambda decoder: decoder.ready,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_split_that_calls_back_does_no_harm(decoder_of: type[Decoder], name: str) -> None:
    framing = LengthPrefixed()
    wire = b"".join(framing.encode(pattern(LARGE)))
    calls: list[object] = []

    def call_back(buffer: bytearray) -> Frame | Need:
        if not calls:
            calls.append(name)
            CALLS[name](decoder)
        return framing.split(buffer, LARGE)

    decoder = decoder_of(Own(cuts_nothing, call_back), limit=LARGE)
    decoder.feed(wire + wire[:10000])
    with suppress(ValueError, BufferError):
        decoder.take()
    assert calls
    assert decoder.buffered == len(decoder.unused())


def use_all(native: ModuleType, decoder: type[Decoder], message: bytes, wire: bytes) -> None:
    framing = LengthPrefixed()
    for size in (4, 8196, 40000, 100_000, len(wire)):
        receiving = decoder(framing)
        receiving.feed(wire[:size])
        receiving.take(9)
        receiving.feed(wire[size : size + 100] or b"\0")
        receiving.space()
        receiving.unused()
        receiving.pop()
        receiving.front()
        receiving.feed(b"")
        assert receiving.ready or not receiving.buffered
    outgoing = native.Outgoing(framing, 1 << 20, 1 << 20)
    for _ in range(3):
        outgoing.push(message[:10])
        outgoing.push(message)
        outgoing.put([b"a", message, b"b"])
        outgoing.collect()
    outgoing.push(message[:10])


def test_the_compiled_buffers_leak_nothing(native: ModuleType, decoder_of: type[Decoder]) -> None:
    message = pattern(LARGE * 2)
    wire = b"".join(LengthPrefixed().encode(message)) * 2
    counts = sys.getrefcount(message), sys.getrefcount(wire)
    used: list[int] = []
    tracemalloc.start()
    try:
        for _ in range(4):
            use_all(native, decoder_of, message, wire)
            gc.collect()
            used.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert abs(used[-1] - used[-2]) < 1000
    assert (sys.getrefcount(message), sys.getrefcount(wire)) == counts


def test_a_cycle_through_a_buffer_is_collected(decoder_of: type[Decoder]) -> None:
    class Holder:
        decoder: Any

        def __call__(self, data: object, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
            return [], start

    def alive() -> int:
        return sum(isinstance(one, Holder) for one in gc.get_objects())

    holder = Holder()
    holder.decoder = decoder_of(Own(holder))
    holder.decoder.feed(b"abc")
    assert alive() == 1
    del holder
    gc.collect()
    assert alive() == 0
