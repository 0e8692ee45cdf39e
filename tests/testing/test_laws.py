"""Each law lets pass what is right, and names what is wrong: for every one of its assertions there is a fault."""

import re
from collections.abc import Callable
from types import SimpleNamespace

import faulty_framings as faulty
import pytest
from faulty_framings import Byte, DecodedBy, ForgivenBy, Past
from stuffed_framings import InPieces, Stuffed

from mezha.engine import Framed
from mezha.errors import LocalProtocolError, MessageTooLarge
from mezha.framing import Data, Decoder, Forgiving, Frame, Framing, Lines, Need, Skipping
from mezha.testing import laws

SOUND = b"\1a\2bc"
CUT_OFF = b"\1a\2b"
TOO_LARGE = b"\1a\7bcd"
LIMIT = 5


def inverse(framing: Framing) -> None:
    laws.check_inverse(framing, b"a", b"bc")


def split(framing: Framing) -> None:
    laws.check_split(framing, SOUND, LIMIT)


def any_cut(stream: bytes) -> Callable[[Framing], None]:
    return lambda framing: laws.check_any_cut(framing, stream, LIMIT)


def limit(framing: Framing) -> None:
    laws.check_limit(framing, b"abc")


def linear(framing: Framing) -> None:
    laws.check_linear(framing, b"a" * 200)


def memory(framing: Framing) -> None:
    laws.check_takes_no_memory(framing, b"\xc8abc", limit=200)


def more_memory(framing: Framing) -> None:
    laws.check_takes_no_memory(framing, b"\0\x0f\xff\xffabc", limit=1 << 20)


def reverse(framing: Framing) -> None:
    laws.check_reverse(framing, b"\1a\x82bc", LIMIT)


def forgiving(stream: bytes) -> Callable[[Framing], None]:
    def check(framing: Framing) -> None:
        laws.check_forgiving(framing, stream, LIMIT)

    return check


def skipping(framing: Framing) -> None:
    laws.check_skipping(framing, [b"a", b"abcdef", b"abcdefg", b"bc"], LIMIT)


FORGIVEN = b"\1a\6abcdef\2bc"
UNFORGIVEN = b"\1a\6abcde"

LAWS = [inverse, split, any_cut(SOUND), any_cut(CUT_OFF), any_cut(TOO_LARGE), limit, linear, memory]

FAULTS: list[tuple[Callable[[Framing], None], Framing, str]] = [
    (inverse, faulty.ShowsParts(), "the parts of a message must not show"),
    (inverse, faulty.ShowsBytearrays(), "a bytearray is written otherwise than bytes"),
    (inverse, faulty.ShowsViews(), "a memoryview is written otherwise than bytes"),
    (inverse, faulty.NeverWhole(), "for a whole message"),
    (inverse, faulty.EndsLater(), "ends at 5"),
    (inverse, faulty.LosesAByte(), "which is read as b'ab'"),
    (inverse, faulty.SkipsNothing(), "Skip(end=0) for a whole message"),
    (inverse, faulty.SkipsAll(), "Skip(end=4) for a whole message"),
    (inverse, faulty.LosesTheNext(), "three times b'abc' is read as"),
    (reverse, faulty.ReadsMore(), r"read b'\x82bc', wrote b'\x02bc'"),
    (split, faulty.EatsTheBuffer(), "split() must not change the buffer"),
    (split, faulty.LooksAhead(), "more bytes have changed the answer"),
    (split, faulty.SkipsLess(), "more bytes have changed the answer"),
    (split, faulty.SkipsNothing(), "bytes that belong to no message are one or more"),
    (split, faulty.StandsStill(), "a frame has one byte or more"),
    (split, faulty.AsksTooMuch(), "asked too late"),
    (split, faulty.AsksForNothing(), "asks for no more"),
    (split, faulty.TrustsResume(), "resumed from"),
    (any_cut(SOUND), faulty.Hurries(), "is known"),
    (any_cut(SOUND), DecodedBy(faulty.KeepsViews), "is known"),
    (any_cut(SOUND), DecodedBy(faulty.AlwaysReady), "with nothing to take"),
    (any_cut(SOUND), DecodedBy(faulty.LeavesNothing), "unused() says b''"),
    (any_cut(SOUND), DecodedBy(faulty.NeverReady), "ready is False, and take() returns [b'a']"),
    (any_cut(SOUND), DecodedBy(faulty.TakesMore), "take(1) returns 2 messages"),
    (any_cut(SOUND), DecodedBy(faulty.LeavesSome), "has left a whole message behind"),
    (any_cut(SOUND), DecodedBy(faulty.TiresWhenFed), "where split() alone reads"),
    (any_cut(SOUND), DecodedBy(faulty.NeverEndsWell), "nothing is left at the end, and it is"),
    (any_cut(SOUND), DecodedBy(faulty.HoldsOn), "nothing is left at the end, and 1 bytes are held"),
    (any_cut(TOO_LARGE), DecodedBy(faulty.BlindWhenFed), "where split() alone finds"),
    (any_cut(TOO_LARGE), DecodedBy(faulty.NotReadyToFail), "a fault is something to take"),
    (any_cut(TOO_LARGE), DecodedBy(faulty.Forgets), "a fault was forgotten"),
    (any_cut(TOO_LARGE), DecodedBy(faulty.RaisesTheSame), "each raise makes a fresh exception"),
    (any_cut(TOO_LARGE), DecodedBy(faulty.ChangesItsMind), "a fault has changed"),
    (any_cut(TOO_LARGE), DecodedBy(faulty.GrowsWhenShut), "what is fed after an error is thrown away"),
    (any_cut(TOO_LARGE), DecodedBy(faulty.EndsWithAnotherFault), "at the end the fault is"),
    (any_cut(CUT_OFF), DecodedBy(faulty.EndsWithAMessage), "the end of a stream makes no message"),
    (any_cut(CUT_OFF), DecodedBy(faulty.EndsSilently), "nobody says so"),
    (any_cut(CUT_OFF), DecodedBy(faulty.EndsOtherwise), "2 bytes are left at the end, and it is"),
    (any_cut(CUT_OFF), DecodedBy(faulty.EndsWithWrongNumbers), "2 bytes left, Need(size=3"),
    (any_cut(CUT_OFF), DecodedBy(faulty.EndsInOtherWords), "cuts have changed how it ends"),
    (limit, DecodedBy(faulty.TooStrict), "3 bytes of 3 allowed are refused"),
    (limit, DecodedBy(faulty.Doubles), "b'abc' comes as [b'abc', b'abc']"),
    (limit, DecodedBy(faulty.TooLax), "3 bytes pass where 2 are allowed"),
    (limit, faulty.TakesOneMore(), "3 bytes pass where 2 are allowed"),
    (limit, DecodedBy(faulty.RefusesOtherwise), "a byte too much is"),
    (limit, DecodedBy(faulty.NamesAnotherLimit), "the limit is 2, and the error says"),
    (limit, DecodedBy(faulty.NamesAnotherSize), "the size is 3, and the error says"),
    (limit, DecodedBy(faulty.RefusesTooLate), "[b'?'] comes in front of the error"),
    (forgiving(FORGIVEN), ForgivenBy(faulty.ForgivesLosing, Past()), "where split() reads [b'a']"),
    (forgiving(FORGIVEN), ForgivenBy(faulty.ForgivesInOtherWords, Past()), "where split() finds Fault"),
    (forgiving(SOUND), ForgivenBy(faulty.ForgivesMuch, Past()), "where there is nothing to forgive"),
    (forgiving(FORGIVEN), ForgivenBy(faulty.ForgivesMoreThanItTells, Past()), "2 faults are forgiven, and 1 were told"),
    (forgiving(FORGIVEN), ForgivenBy(faulty.ForgivesReadily, Past()), "ready is True, and take() returns []"),
    (forgiving(UNFORGIVEN), ForgivenBy(faulty.ForgivesUnwillingly, Past(faulty.past_nothing)), "a fault is something"),
    (forgiving(UNFORGIVEN), ForgivenBy(faulty.ForgivesAll, Past(faulty.past_nothing)), "a fault was forgotten"),
    (forgiving(UNFORGIVEN), ForgivenBy(faulty.ForgivesDifferently, Past(faulty.past_nothing)), "a fault has changed"),
    (forgiving(FORGIVEN), Skipping(Past(faulty.past_all)), "and in one piece Forgiveness("),
    (forgiving(FORGIVEN), DecodedBy(Decoder), "it does not forgive"),
    (skipping, Past(faulty.past_three), "of [b'a', b'abcdef', b'abcdefg', b'bc'] come [b'a']"),
    (skipping, Past(faulty.past_nothing), "a message over the limit is skipped, and Fault"),
    (skipping, Past(faulty.past_two), "2 are skipped, and [Fault"),
    (linear, faulty.TooSoon(), "a message comes from 1 of 201 bytes"),
    (linear, faulty.LosesAByte(), "the message does not come out whole"),
    (linear, faulty.NeverWhole(), "the message does not come out whole"),
    (memory, DecodedBy(faulty.Invents), "a message comes from its beginning"),
    (memory, DecodedBy(faulty.AlwaysReady), "ready, with nothing to take"),
    (more_memory, faulty.Trusts(4), "bytes for 7 that arrived"),
]


@pytest.mark.parametrize("law", LAWS)
def test_what_is_right_passes(law: Callable[[Framing], None]) -> None:
    law(Byte())
    law(DecodedBy(Decoder))


@pytest.mark.parametrize(("law", "framing", "says"), FAULTS, ids=[says for _, _, says in FAULTS])
def test_what_is_wrong_is_named(law: Callable[[Framing], None], framing: Framing, says: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(says)):
        law(framing)


@pytest.mark.parametrize("stream", [SOUND, CUT_OFF, FORGIVEN, UNFORGIVEN])
def test_who_forgives_rightly_passes(stream: bytes) -> None:
    forgiving(stream)(Skipping(Past()))
    forgiving(stream)(ForgivenBy(Forgiving, Past()))
    skipping(Past())


def test_what_comes_of_a_stream_with_a_fault() -> None:
    found = laws.check_forgiving(Skipping(Past()), FORGIVEN, LIMIT)
    fault = laws.fault_of(MessageTooLarge("too large", size=6, limit=LIMIT))
    assert found == laws.Forgiveness([b"a", fault, b"bc"], None, 7, 0)
    found = laws.check_forgiving(Skipping(Past()), UNFORGIVEN, LIMIT)
    assert found.fault
    assert found._replace(fault=None) == laws.Forgiveness([b"a", fault], None, 6, 0)


@pytest.mark.parametrize(
    ("dropped", "skipped", "right"),
    [(7, 0, True), (6, 1, True), (7, 1, True), (6, 0, False), (8, 0, False), (5, 1, False)],
)
def test_what_is_skipped_is_all_that_is_dropped(
    dropped: int, skipped: int, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = laws.check_forgiving(Skipping(Past()), b"\6abcdef", LIMIT)

    def other(framing: Framing, stream: bytes, limit: int) -> laws.Forgiveness:
        return outcome._replace(dropped=dropped, skipped=skipped)

    monkeypatch.setattr(laws, "check_forgiving", other)
    if right:
        laws.check_skipping(Past(), [b"abcdef"], LIMIT)
        return
    with pytest.raises(AssertionError, match=f"of 7 bytes over the limit {dropped} are dropped"):
        laws.check_skipping(Past(), [b"abcdef"], LIMIT)


def test_a_broken_cut_is_shown() -> None:
    with pytest.raises(AssertionError, match=re.escape(r"cut as [b'\x01a\x02', b'bc']: after 3 bytes")):
        any_cut(SOUND)(faulty.Hurries())


def test_one_s_own_cuts_are_tried_too() -> None:
    seen: list[int] = []

    class Watching(Decoder):
        def feed(self, data: Data) -> None:
            seen.append(len(data))
            super().feed(data)

    laws.check_any_cut(DecodedBy(Watching), SOUND * 4, LIMIT, [[SOUND * 2 + SOUND[:1], SOUND[1:] + SOUND]])
    assert seen[-3:] == [11, 9, 0]


# -- what an engine does with a limit ----------------------------------------------------------------------------------


class Otherwise(Framed):
    def outgoing(self) -> list[Data]:
        return [*super().outgoing(), b"!"]


class SendsAll(Framed):
    def send(self, message: Data) -> None:
        pass

    def outgoing(self) -> list[Data]:
        return [b"\3abc"]


class NamesOther(Framed):
    def send(self, message: Data) -> None:
        try:
            super().send(message)
        except LocalProtocolError as error:
            raise LocalProtocolError("too large", size=error.size, limit=999) from None


class WritesBeforeItRefuses(Framed):
    refused: tuple[Data, ...] = ()

    def send(self, message: Data) -> None:
        try:
            super().send(message)
        except LocalProtocolError:
            self.refused = (b"\3",)
            raise

    def outgoing(self) -> list[Data]:
        return [*self.refused, *super().outgoing()]


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        (Otherwise, "an engine writes it otherwise"),
        (SendsAll, "3 bytes are sent where 2 are allowed"),
        (NamesOther, "the refusal says 3, 999"),
        (WritesBeforeItRefuses, "something is written of a message that is refused"),
    ],
)
def test_an_engine_that_is_wrong_is_named(engine: type[Framed], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "Framed", engine)
    with pytest.raises(AssertionError, match=says):
        limit(Byte())


# -- work --------------------------------------------------------------------------------------------------------------


def test_too_many_calls_are_too_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chatty(Decoder):
        def take(self, count: int = 1) -> list[bytes]:
            for _ in range(3):
                self._framing.split(bytearray(b"\0"), 9)
            return super().take(count)

    def decoder(framing: Framing, *, limit: int) -> Decoder:
        return Chatty(framing, limit=limit)

    monkeypatch.setattr(laws.Metered, "decoder", decoder)
    with pytest.raises(AssertionError, match="calls for 201 pieces"):
        linear(Byte())


def test_a_search_from_the_start_is_too_much_work() -> None:
    class StartsAnew(Lines):
        def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
            verdict = super().split(buffer, limit)
            return Need(verdict.size) if isinstance(verdict, Need) else verdict

    linear(Lines())
    with pytest.raises(AssertionError, match="101 looks a byte"):
        linear(StartsAnew())


@pytest.mark.parametrize("copies", [True, False])
def test_a_backlog_that_is_copied_is_noticed_by_the_clock(copies: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def use(decoder: Decoder, wire: bytes) -> None:
        nonlocal now
        now += decoder.buffered * 1e-9 if copies else 1e-6

    monkeypatch.setattr(laws, "time", SimpleNamespace(process_time=lambda: now))
    if copies:
        with pytest.raises(AssertionError, match="each became"):
            laws.check_backlog_is_cheap(Byte(), b"a" * 200, use)
    else:
        laws.check_backlog_is_cheap(Byte(), b"a" * 200, use)


# -- what is known -----------------------------------------------------------------------------------------------------


def test_what_is_known_of_a_stream_and_when() -> None:
    reading = laws.known(Byte(), TOO_LARGE, LIMIT)
    assert reading.messages == [b"a"]
    assert (reading.known_at, reading.starts, reading.fault_at) == ([2], [0, 2], 3)
    assert reading.fault == laws.fault_of(MessageTooLarge("too large", size=7, limit=LIMIT))
    assert [reading.after(size) for size in range(4)] == [(0, None), (0, None), (1, None), (1, reading.fault)]


def test_what_is_known_of_what_belongs_to_no_message() -> None:
    reading = laws.known(Stuffed(), b"||a\\p||b", LIMIT)
    assert reading.messages == [b"a|"]
    assert (reading.known_at, reading.starts, reading.ends) == ([6], [2, 7], [6])
    assert reading.fronts == [0, 1, 2, 2, 2, 2, 6, 7, 7]
    reading = laws.known(Stuffed(), b"|abcdef|||", LIMIT - 4)
    assert (reading.starts, reading.ends, reading.fault_at) == ([1], [], 4)
    assert reading.fronts == [0] + [1] * 10


def test_a_message_that_is_put_together_is_looked_at_twice() -> None:
    metered = laws.Metered(InPieces(2))
    decoder = metered.decoder()
    for byte in b"\2ab\2cd\x81e":
        decoder.feed(bytes((byte,)))
        decoder.take()
    # the head of a piece, then all of it, from where the piece begins; and behind the last, the whole frame once more
    assert metered.looked == (1 + 3) + (1 + 3) + (1 + 2) + 8
    assert metered.calls == 6


def test_refuses() -> None:
    assert laws.refuses(Byte(), bytes(200), bytes(56))
    assert not laws.refuses(Byte(), bytes(255))
