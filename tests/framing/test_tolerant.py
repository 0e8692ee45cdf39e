"""Going on behind a fault: the same for every cut, counted and told, without memory for what is thrown away."""

import copy
import pickle
import re
import tracemalloc

import pytest
from forgiving import TOO_LARGE, cut_off, told
from framing.plainly import plainly
from hypothesis import given
from hypothesis import strategies as st
from stuffed_framings import END, Stuffed

from mezha.errors import MessageTooLarge, RemoteProtocolError, TruncatedMessage
from mezha.framing import (
    Decoder,
    Delimited,
    FixedSize,
    Forgiving,
    Frame,
    Framing,
    Garbage,
    LengthPrefixed,
    Lines,
    Need,
    Netstring,
    Recover,
    Resyncing,
    Skipping,
    VarintPrefixed,
    parse_framing,
    past_mark,
)
from mezha.testing import check_framing, laws
from mezha.testing.strategies import FRAMINGS, cuttings, messages, streams


class Marked(Stuffed):
    """Stuffing that finds its way back."""

    def past_too_large(self) -> Recover:
        return past_mark(END)

    past_garbage = past_too_large


MAGIC = LengthPrefixed(1, offset=2, fixed=b"OK")
SKIP = [kind for kind in FRAMINGS if kind.past_too_large is not Framing.past_too_large]

# -- laws --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SKIP, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_message_within_the_limit_comes(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    some = data.draw(st.lists(messages(framing), max_size=5))
    laws.check_skipping(framing, some, data.draw(st.sampled_from((0, 1, 2, 3, 9, 10, *map(len, some)))))


@pytest.mark.parametrize("kind", SKIP, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_skipping_is_the_same_for_every_cut(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    stream, limit = data.draw(streams(framing))
    limit = data.draw(st.sampled_from((limit, 0, 1, 2)))
    laws.check_forgiving(Skipping(framing), stream, limit, [data.draw(cuttings(stream))])


NOISE: dict[str, tuple[Framing, list[bytes]]] = {
    "magic": (MAGIC, [b"OK\1a", b"OK\0", b"OK\2OK", b"OK\7", b"O", b"K", b"xy", b"OK"]),
    "more magic": (LengthPrefixed(1, offset=3, fixed=b"aab"), [b"aab\1a", b"aab", b"a", b"b", b"\1", b"\5"]),
    "stuffed": (Marked(), [b"|", b"ab|", b"\\p|", b"\\x|", b"\\", b"abcdef"]),
    "delimited": (Delimited(b"--"), [b"-", b"--", b"a", b"abc--"]),
    "lines": (Lines(), [b"\n", b"\r", b"\r\n", b"a", b"abc\n"]),
}


@pytest.mark.parametrize("name", NOISE)
@given(data=st.data())
def test_resyncing_is_the_same_for_every_cut(name: str, data: st.DataObject) -> None:
    framing, some = NOISE[name]
    stream = b"".join(data.draw(st.lists(st.sampled_from(some), max_size=8)))
    cutting = [data.draw(cuttings(stream))]
    for limit in (0, 1, 2, 9):
        outcome = laws.check_forgiving(Resyncing(framing), stream, limit, cutting)
        assert outcome.fault is None or outcome.fault.kind is TruncatedMessage


@pytest.mark.parametrize("framing", [MAGIC, Marked(), Netstring()], ids=str)
def test_check_framing_checks_that_too(framing: Framing) -> None:
    check_framing(framing)


@pytest.mark.parametrize("framing", [Skipping(Lines()), Resyncing(MAGIC), Skipping(Netstring())], ids=str)
def test_it_is_a_framing_like_any_other(framing: Framing) -> None:
    same = parse_framing(str(framing))
    for twin in (same, pickle.loads(pickle.dumps(framing)), copy.copy(framing), copy.deepcopy(framing)):
        assert twin == framing
        assert hash(twin) == hash(framing)
    assert framing != Lines()
    assert isinstance(framing, (Skipping, Resyncing))
    assert framing.timeouts == framing.framing.timeouts
    assert (framing.run() is None) == (framing.framing.run() is None)
    assert framing.decoder().limit == 1 << 20
    with pytest.raises(ValueError, match=r"^limit must be 0 or more bytes, not -1$"):
        framing.decoder(limit=-1)
    laws.check_inverse(framing, b"Hello!")
    laws.check_split(framing, b"".join(framing.encode(b"Hello!")) * 2, 9)


def test_the_framing_inside_has_a_word_in_it() -> None:
    class Picky(Lines):
        def decoder(self, *, limit: int = 0) -> Decoder:
            raise ValueError(f"no line has {limit} bytes")

    with pytest.raises(ValueError, match=r"^no line has 7 bytes$"):
        Skipping(Picky()).decoder(limit=7)


@pytest.mark.parametrize(
    ("framing", "beginning"),
    [
        (LengthPrefixed(), (1 << 24).to_bytes(4, "big")),
        (VarintPrefixed(), b"\x80\x80\x80\x08"),
        (Netstring(), b"16777216:"),
        (Delimited(b"--"), b""),
        (Lines(), b""),
        (Marked(), b""),
    ],
    ids=plainly,
)
@pytest.mark.parametrize("taking", [True, False])
def test_what_is_skipped_costs_no_memory(framing: Framing, beginning: bytes, taking: bool) -> None:
    decoder = Skipping(framing).decoder(limit=1000)
    piece = bytes(1 << 14)
    decoder.feed(beginning + piece)
    assert decoder.take() == []
    tracemalloc.start()
    try:
        for _ in range(200):
            decoder.feed(piece)
            assert decoder.take() == [] if taking else not decoder.ready
            assert decoder.buffered <= 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(piece)
    assert decoder.dropped + decoder.buffered == len(beginning) + 201 * len(piece)
    assert decoder.forgiven == 1


def test_byte_by_byte_is_linear() -> None:
    looked = 0

    class Watched(Lines):
        def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
            nonlocal looked
            looked += len(buffer) - int(resume)
            return super().split(buffer, limit, resume)

        def past_too_large(self) -> Recover:
            recover = super().past_too_large()

            def watch(buffer: bytearray, limit: int, resume: int) -> Garbage:
                nonlocal looked
                looked += len(buffer)
                return recover(buffer, limit, resume)

            return watch

    decoder = Skipping(Watched()).decoder(limit=1000)
    for _ in range(10_000):
        decoder.feed(b"a")
        assert decoder.take() == []
    assert looked <= 2 * 10_000


# -- examples ----------------------------------------------------------------------------------------------------------


def test_a_line_that_is_too_long_is_skipped() -> None:
    decoder = Skipping(Lines()).decoder(limit=5)
    faults: list[RemoteProtocolError] = []
    decoder.tell = faults.append
    decoder.feed(b"one\na line that is too lo")
    assert decoder.take(9) == [b"one"]
    assert (decoder.forgiven, decoder.dropped, decoder.ready) == (0, 0, True)
    assert decoder.take(9) == []
    assert (decoder.forgiven, decoder.dropped, decoder.ready, decoder.buffered) == (1, 21, False, 0)
    decoder.feed(b"ng\ntwo\n")
    assert decoder.ready
    assert decoder.take(9) == [b"two"]
    assert (decoder.forgiven, decoder.dropped, decoder.buffered) == (1, 24, 0)
    (fault,) = faults
    assert isinstance(fault, MessageTooLarge)
    assert str(fault).startswith(
        "the peer sent more than 5 bytes without ending the message; this side takes at most 5"
    )


@pytest.mark.parametrize(
    ("framing", "stream", "found"),
    [
        (MAGIC, b"OK\1aODD OK\3oneO", [b"a", "FramingError", b"one", "TruncatedMessage: "]),
        (MAGIC, b"OK\6abOK\1a", [TOO_LARGE, b"a"]),
        (MAGIC, b"no message", ["FramingError"]),
        (MAGIC, b"noO", ["FramingError"]),
        (MAGIC, b"OK\1aOK", [b"a", "TruncatedMessage: "]),
        (MAGIC, b"OOK\1a", ["FramingError", b"a"]),
        (Marked(), b"a|\\x|b|", [b"a", "FramingError", b"b"]),
        (Marked(), b"abcdef|b|", [TOO_LARGE, b"b"]),
        (Marked(), b"\\x|abcdefghijkl", ["FramingError", TOO_LARGE, cut_off(12, 13)]),
        (Lines(), b"abcdefgh\none\n", [TOO_LARGE, b"one"]),
    ],
)
def test_what_is_no_message_is_searched_for_one(framing: Framing, stream: bytes, found: list[bytes | str]) -> None:
    got = told(Resyncing(framing), stream)
    if found[-1] == "TruncatedMessage: ":
        assert str(got[-1]).startswith("TruncatedMessage: ")
        assert got[:-1] == found[:-1]
    else:
        assert got == found


def test_garbage_at_the_end_is_no_message_that_is_lacking() -> None:
    decoder = Resyncing(MAGIC).decoder()
    decoder.feed(b"OK\1anoise O")
    assert decoder.take(9) == [b"a"]
    assert decoder.take(9) == []
    assert (decoder.buffered, decoder.ready) == (1, False)
    decoder.feed(b"")
    assert not decoder.ready
    assert decoder.take(9) == []
    assert (decoder.buffered, decoder.dropped, decoder.forgiven) == (0, 7, 1)


def test_a_kernel_stays_away_from_what_is_being_skipped() -> None:
    decoder = Skipping(LengthPrefixed(1)).decoder(limit=5)
    decoder.feed(b"\x09abc")
    assert decoder.take() == []
    decoder.feed(b"\1a")  # which would be a message
    assert decoder.pop() is None
    assert not decoder.whole()
    assert decoder.cut(9) == []
    assert decoder.take() == []
    decoder.feed(b"\1a\1a\1b\1c")
    assert decoder.pop() is None
    assert decoder.take() == [b"b"]
    assert decoder.pop() == b"c"
    assert (decoder.dropped, decoder.buffered) == (10, 0)


def test_what_is_told_may_fail_and_nothing_is_lost() -> None:
    decoder = Skipping(Lines()).decoder(limit=3)
    decoder.feed(b"one\nthree\ntwo\n")

    def fail(error: RemoteProtocolError) -> None:
        raise ZeroDivisionError

    decoder.tell = fail
    assert decoder.take(9) == [b"one"]
    with pytest.raises(ZeroDivisionError):
        decoder.take(9)
    assert decoder.take(9) == [b"two"]
    assert decoder.forgiven == 1


def test_who_was_shut_stays_so() -> None:
    decoder = Skipping(Lines()).decoder(limit=3)
    decoder.feed(b"three\n")
    decoder.shut = True
    assert decoder.take() == []
    assert decoder.shut
    decoder.feed(b"one\n")
    assert decoder.buffered == 0


def test_nothing_is_forgiven_for_nothing() -> None:
    decoder = Skipping(Lines()).decoder(limit=3)
    decoder.feed(b"three\n")
    assert decoder.take(0) == []
    assert decoder.forgiven == 0


# -- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", [FixedSize(3), Stuffed(), Skipping(Lines()), Resyncing(Lines())], ids=str)
def test_who_does_not_know_where_a_message_ends_cannot_skip_it(framing: Framing) -> None:
    text = f"{framing} cannot skip a message over the limit: nothing says where it ends"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Skipping(framing)


@pytest.mark.parametrize(
    "framing",
    [FixedSize(3), Stuffed(), LengthPrefixed(), LengthPrefixed(1, strip=2, fixed=b"a"), Netstring(), VarintPrefixed()],
    ids=str,
)
def test_who_has_no_marks_does_not_find_the_way_back(framing: Framing) -> None:
    text = f"{framing} cannot find its way back: nothing in it tells where a message begins"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Resyncing(framing)


class Misled(Lines):
    """Answers as it is told."""

    answers: list[Garbage | Exception]
    asked: list[int]

    def past_too_large(self) -> Recover:
        def recover(buffer: bytearray, limit: int, resume: int) -> Garbage:
            self.asked.append(resume)
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return recover


def misled(*answers: Garbage | Exception) -> Forgiving:
    framing = Misled()
    Misled.answers, Misled.asked = list(answers), []
    decoder = Skipping(framing).decoder(limit=3)
    decoder.feed(b"abcdefghi\nj\n")
    return decoder


@pytest.mark.parametrize("answers", [[Garbage(0)], [Garbage(-1, 1)], [Garbage(0, 1), Garbage(0)]])
def test_who_makes_no_progress_is_wrong(answers: list[Garbage]) -> None:
    decoder = misled(*answers, *answers[-1:] * 3)
    if len(answers) == 2:
        assert decoder.take() == []
    for _ in range(2):
        assert decoder.ready
        with pytest.raises(ValueError, match=r"^Skipping\(.*\) is wrong: behind a fault it goes on at Garbage\("):
            decoder.take()
        decoder.feed(b"more")
    assert decoder.buffered == 12


def test_who_looks_in_vain_is_asked_again() -> None:
    decoder = misled(Garbage(0, 7), Garbage(2, 8), Garbage(7, 9), Garbage(0))
    assert decoder.take(9) == []
    assert decoder.dropped == 0
    assert decoder.take(9) == [b"", b"j"]
    assert decoder.dropped == 9
    assert Misled.asked == [0, 7, 8, 9]


def test_who_fails_to_go_on_has_failed() -> None:
    decoder = misled(*(ZeroDivisionError("oops") for _ in range(5)))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            decoder.take()
        assert decoder.ready
        decoder.feed(b"more")
    assert (decoder.buffered, decoder.forgiven, decoder.dropped) == (12, 1, 0)
