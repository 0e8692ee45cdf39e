"""The outbox: messages keep their order and their credit, and what is urgent has never much in front of it."""

import sys
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mezha.errors import LocalProtocolError, RemoteProtocolError
from mezha.session.frames import (
    HEADER,
    PIECE,
    AnyFrame,
    Body,
    Close,
    Counted,
    Drop,
    End,
    Failure,
    Frames,
    Kind,
    Numbered,
    Ping,
    Pong,
    parse_frame,
)
from mezha.session.hello import ALLOWANCE, MOST_CREDIT
from mezha.session.outbox import Outbox

HIGH = 60_000
SIZES = st.integers(0, 40) | st.sampled_from((5000, 9000, PIECE - 1, PIECE, PIECE + 1, 200_000))
#: The most that one collect() returns: pieces at once, one more of each line, and what is ready.
AT_ONCE = 65_536 + 2 * (PIECE + 9)


def collected(outbox: Outbox) -> list[AnyFrame]:
    """What goes out next, as frames."""
    due = outbox.size
    wire = b"".join(outbox.collect())
    assert bool(wire) == bool(due)
    assert len(wire) >= due
    decoder = Frames().decoder()
    decoder.feed(wire)
    frames = [parse_frame(frame) for frame in decoder]
    assert decoder.buffered == 0
    return frames


def bodies(frames: list[AnyFrame]) -> list[tuple[Kind, int]]:
    return [(frame.kind, len(frame.body)) for frame in frames if isinstance(frame, Body | Numbered)]


class LifeOfAnOutbox(RuleBasedStateMachine):
    """An outbox, and who reads what comes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(1 << 20, HIGH)
        self.credit = ALLOWANCE
        self.number = 0
        self.accepted: deque[bytes] = deque()  # to come
        self.stream: bytes | None = None  # the one being written
        self.ended = False
        self.urgent: list[AnyFrame] = []  # to come with the next collect()
        self.bodies: dict[tuple[Kind, int], bytes] = {}
        self.begun: dict[tuple[Kind, int], bytes] = {}
        self.middle: bytes | None = None  # of a message in pieces
        self.sent = 0

    def new(self, size: int) -> bytes:
        self.number += 1
        return (b"%d " % self.number + bytes(size))[: max(size, 1)] if size else b""

    @precondition(lambda self: not self.ended and self.stream is None)
    @rule(sizes=st.lists(SIZES, min_size=1, max_size=5), push=st.booleans())
    def message(self, sizes: list[int], push: bool) -> None:
        for size in sizes:
            message = self.new(size)
            if push:
                before = self.outbox.credit
                waiting = self.outbox.waiting
                pushed = self.outbox.push(message)
                assert not pushed or (not waiting and HEADER + size <= before)
                if pushed:
                    assert self.outbox.credit == before - HEADER - size
                    self.accepted.append(message)
                    continue
            self.outbox.message(message)
            self.accepted.append(message)

    @precondition(lambda self: not self.ended and self.stream is None)
    @rule()
    def begin_stream(self) -> None:
        self.outbox.begin_stream()
        self.stream = b""
        with pytest.raises(LocalProtocolError, match="already"):
            self.outbox.begin_stream()

    @precondition(lambda self: self.stream is not None)
    @rule(size=SIZES)
    def add_piece(self, size: int) -> None:
        piece = self.new(size)
        self.outbox.add_piece(memoryview(piece))
        assert self.stream is not None
        self.stream += piece
        assert self.outbox.stream_size == len(self.stream)
        assert 0 <= self.outbox.room <= PIECE

    @precondition(lambda self: self.stream is not None)
    @rule(dropped=st.booleans())
    def end_stream(self, dropped: bool) -> None:
        assert self.stream is not None
        if dropped:
            self.outbox.drop_stream(Drop(300, "never mind"))
        else:
            self.outbox.end_stream()
            self.accepted.append(self.stream)
        self.stream = None

    @rule(credit=st.integers(1, 100_000))
    def grant(self, credit: int) -> None:
        self.outbox.hear_credit(credit)
        self.credit += credit

    @precondition(lambda self: not self.outbox.waiting)
    @rule(sizes=st.lists(st.integers(0, 100), max_size=4))
    def somebody_else_sends(self, sizes: list[int]) -> None:
        before = self.outbox.credit
        credit = lent = self.outbox.lend()
        assert (lent, self.outbox.credit) == (before, 0)
        spent = count = 0
        for size in sizes:
            if HEADER + size <= credit:
                credit -= HEADER + size
                spent += HEADER + size
                count += 1
        assert self.outbox.lent == (lent > 0)
        sent = self.outbox.bytes_sent
        self.outbox.settle(credit, count)
        assert self.outbox.bytes_sent == sent + spent
        assert not self.outbox.lent
        self.credit -= spent
        self.sent += count
        self.others = getattr(self, "others", 0) + count

    @rule(sizes=st.lists(SIZES, min_size=1, max_size=5), kind=st.sampled_from((Kind.REQUEST, Kind.REPLY)))
    def numbered(self, sizes: list[int], kind: Kind) -> None:
        for size in sizes:
            body = self.new(size)
            self.outbox.numbered(kind, self.number, body)
            self.bodies[kind, self.number] = body
            if size <= PIECE:
                self.urgent.append(Numbered(kind, self.number, body))

    @rule(place=st.integers(0, 9))
    def withdraw(self, place: int) -> None:
        questions = [key for key in self.bodies if key[0] is Kind.REQUEST and len(self.bodies[key]) > PIECE]
        if questions:
            key = questions[place % len(questions)]
            assert self.outbox.withdraw(key[1]) == (key not in self.begun)
            del self.bodies[key]
            self.begun.pop(key, None)
        assert not self.outbox.withdraw(0)

    @rule(frame=st.sampled_from((Ping(b"12345678"), Failure(7, 300, "no"))))
    def control(self, frame: AnyFrame) -> None:
        if isinstance(frame, Failure):
            self.outbox.failure(frame)
        else:
            self.outbox.control(frame)
        self.urgent.append(frame)

    @precondition(lambda self: not self.ended)
    @rule(really=st.integers(0, 9))
    def end(self, really: int) -> None:
        if not really:
            self.outbox.end()
            self.ended = True
            self.stream = None

    @rule()
    def collect(self) -> None:
        waited = self.outbox.waiting
        frames = collected(self.outbox)
        rest = [frame for frame in frames if frame not in self.urgent or frame.kind in (Kind.MESSAGE, Kind.PART)]
        for frame in self.urgent:
            assert frame in frames, f"{frame.kind.name} waits"
        self.urgent.clear()
        if waited:
            assert sum(HEADER + len(frame.body) for frame in rest if isinstance(frame, Body)) <= AT_ONCE
        for frame in frames:
            self.heard(frame)
        self.outbox.handed_over = None

    def heard(self, frame: AnyFrame) -> None:
        match frame:
            case Body(kind, body):
                self.credit -= HEADER + len(body)
                assert self.credit >= 0, "it was overdrawn"
                assert (kind is Kind.MESSAGE) <= (self.middle is None)
                if kind is Kind.PART:
                    assert body
                    self.middle = (self.middle or b"") + body
                    return
                message, self.middle = (self.middle or b"") + body, None
                assert message == self.accepted.popleft()
                self.sent += 1
            case Drop():
                assert self.middle is not None
                self.middle = None
            case End():
                assert self.ended
                assert not self.accepted
            case Numbered(kind, number, body):
                whole = {Kind.REQUEST_PART: Kind.REQUEST, Kind.REPLY_PART: Kind.REPLY}.get(kind, kind)
                came = self.begun.get((whole, number), b"") + body
                assert self.bodies[whole, number].startswith(came)
                if whole is kind:
                    assert self.bodies.pop((whole, number)) == came
                    self.begun.pop((whole, number), None)
                else:
                    self.begun[whole, number] = came
            case _:
                pass

    @invariant()
    def numbers_are_right(self) -> None:
        assert self.outbox.sent == self.sent
        assert self.outbox.unsent == len(self.accepted)

    def teardown(self) -> None:
        """With credit for all of it, all of it goes; then the last frame, and nothing else."""
        if sys.exception() is not None:
            return
        if self.stream is not None:
            self.end_stream(False)
        self.outbox.close(Close(0, 0, "bye"))
        self.grant(10_000_000)
        frames: list[AnyFrame] = []
        while self.outbox.size:
            assert not self.outbox.said
            frames = collected(self.outbox)
            for frame in frames:
                self.heard(frame)
        assert frames[-1] == Close(0, 0, "bye")
        assert self.outbox.said
        assert not self.accepted
        assert not self.bodies
        assert self.outbox.queued == 0
        self.outbox.control(Ping(b"12345678"))
        self.outbox.pong(Pong(b"12345678", 0))
        assert not self.outbox.push(b"")
        assert collected(self.outbox) == []


LifeOfAnOutbox.TestCase.settings = settings(stateful_step_count=40)
TestLifeOfAnOutbox = LifeOfAnOutbox.TestCase


# -- examples ---------------------------------------------------------------------------------------------------------


def test_a_large_message_goes_piece_by_piece_and_others_between() -> None:
    outbox = Outbox(1 << 30, HIGH)
    outbox.grant(10_000_000)
    outbox.message(bytes(200_000))
    outbox.numbered(Kind.REPLY, 7, bytes(150_000))
    outbox.message(b"behind")
    assert outbox.queued == 350_006
    first = collected(outbox)
    assert bodies(first) == [(Kind.REPLY_PART, PIECE), (Kind.PART, PIECE)]
    assert outbox.sending == PIECE
    outbox.control(Ping(b"12345678"))
    outbox.numbered(Kind.REPLY, 8, b"small")
    second = collected(outbox)
    assert second[0].kind is Kind.PING
    assert bodies(second) == [(Kind.REPLY, 5), (Kind.REPLY_PART, PIECE), (Kind.PART, PIECE)]
    rest = bodies(collected(outbox)) + bodies(collected(outbox))
    assert rest == [
        (Kind.REPLY, 150_000 - 2 * PIECE),
        (Kind.PART, PIECE),
        (Kind.LAST, 200_000 - 3 * PIECE),
        (Kind.MESSAGE, 6),
    ]
    assert (outbox.size, outbox.sending) == (0, 0)
    assert outbox.handed_over == [(Kind.REPLY, 8), (Kind.REPLY, 7)]


def test_what_waits_for_credit_is_not_overtaken() -> None:
    outbox = Outbox(1 << 20, HIGH)
    outbox.message(bytes(ALLOWANCE - HEADER - 10))
    assert outbox.credit == 10
    outbox.message(b"123456")
    assert outbox.waiting
    assert not outbox.push(b"")
    assert outbox.lend() == 0
    outbox.settle(0, 0)
    assert len(bodies(collected(outbox))) == 1
    assert outbox.size == 0
    outbox.hear_credit(1)
    assert bodies(collected(outbox)) == [(Kind.MESSAGE, 6)]
    assert outbox.credit == 0
    outbox.hear_credit(5)
    assert outbox.push(b"")


@pytest.mark.parametrize("credit", [0, MOST_CREDIT - ALLOWANCE + 1, 2**64 - 1])
def test_credit_that_cannot_be(credit: int) -> None:
    outbox = Outbox(10, HIGH)
    with pytest.raises(RemoteProtocolError, match=f"granted {credit} bytes of credit on top of 65536"):
        outbox.hear_credit(credit)
    outbox.hear_credit(MOST_CREDIT - ALLOWANCE)
    assert outbox.credit == MOST_CREDIT


def test_credit_is_given_until_the_last_frame() -> None:
    outbox = Outbox(10, HIGH)
    outbox.give(MOST_CREDIT)
    outbox.close(Close(0, 0, ""))
    outbox.give(1)
    assert collected(outbox) == [Counted(Kind.CREDIT, MOST_CREDIT), Close(0, 0, "")]


def test_one_pong_answers_all_pings() -> None:
    outbox = Outbox(10, HIGH)
    for token in (b"first one", b"another ", b"the last"):
        outbox.pong(Pong(token, 0))
    assert outbox.size == 21
    assert collected(outbox) == [Pong(b"the last", 0)]
    assert collected(outbox) == []


def test_credit_that_is_lent_is_not_here() -> None:
    outbox = Outbox(10, HIGH)
    assert (outbox.lend(), outbox.lend(), outbox.credit, outbox.lent) == (ALLOWANCE, 0, 0, True)
    outbox.hear_credit(5)
    assert outbox.lend() == 5
    outbox.settle(ALLOWANCE, 1)
    assert outbox.bytes_sent == 5
    assert (outbox.credit, outbox.lent, outbox.sent, outbox.unsent) == (ALLOWANCE, False, 1, 0)


def test_an_end_stands_behind_what_waits() -> None:
    outbox = Outbox(1 << 20, HIGH)
    outbox.end()
    assert collected(outbox) == [End()]
    outbox = Outbox(1 << 20, HIGH)
    outbox.message(bytes(100_000))
    outbox.end()
    assert [frame.kind for frame in collected(outbox)] == []
    outbox.grant(100_000)
    assert [frame.kind for frame in collected(outbox)] == [Kind.PART]
    assert [frame.kind for frame in collected(outbox)] == [Kind.LAST, Kind.END]


def test_a_stream_that_was_not_ended_is_dropped_if_the_peer_has_some_of_it() -> None:
    outbox = Outbox(1 << 20, HIGH)
    outbox.begin_stream()
    assert (outbox.room, outbox.size) == (PIECE, 0)
    outbox.add_piece(memoryview(b"abc"))
    assert outbox.room == PIECE - 3
    assert bodies(collected(outbox)) == [(Kind.PART, 3)]
    outbox.close(Close(0, 0, ""))
    assert collected(outbox) == [Drop(9, "the stream was not ended"), Close(0, 0, "")]
    outbox = Outbox(1 << 20, HIGH)
    outbox.begin_stream()
    outbox.add_piece(memoryview(b"abc"))
    outbox.close(Close(0, 0, ""))
    assert collected(outbox) == [Close(0, 0, "")]
    assert outbox.unsent == 0


def test_a_stream_may_be_given_up() -> None:
    outbox = Outbox(1 << 20, HIGH)
    for begun in (False, True):
        outbox.begin_stream()
        outbox.add_piece(memoryview(b"abc"))
        if begun:
            collected(outbox)
        outbox.drop_stream(Drop(300, "never mind"))
        assert collected(outbox) == ([Drop(300, "never mind")] if begun else [])
        assert not outbox.waiting


def test_without_a_stream_nothing_can_be_added_to_it() -> None:
    outbox = Outbox(1 << 20, HIGH)
    for waits in (False, True):
        if waits:
            outbox.message(bytes(100_000))
        for ask in (lambda: outbox.room, lambda: outbox.stream_size, outbox.end_stream):
            with pytest.raises(LocalProtocolError, match="no message is being sent as a stream"):
                ask()


def test_what_was_not_handed_over_is_forgotten() -> None:
    outbox = Outbox(1 << 20, HIGH)
    outbox.greet([b""])
    outbox.push(b"abc")
    collected(outbox)
    outbox.push(b"def")
    outbox.message(bytes(100_000))
    outbox.numbered(Kind.REPLY, 7, b"answer")
    outbox.pong(Pong(b"12345678", 0))
    assert (outbox.sent, outbox.unsent) == (1, 2)
    outbox.clear()
    assert (outbox.sent, outbox.unsent, outbox.size, outbox.queued, outbox.handed_over) == (1, 2, 0, 0, None)
    assert not outbox.push(b"")
    assert not outbox.said
    outbox.clear(Close(1, 2, "bye"))
    assert (outbox.said, outbox.size > 0) == (False, True)
    outbox.clear(Close(3, 4, "cross"))
    assert collected(outbox) == [Close(3, 4, "cross")]
    assert (outbox.sent, outbox.unsent, outbox.said) == (1, 2, True)
    outbox.clear(Close(5, 6, "too late"))
    assert collected(outbox) == []


def test_an_answer_that_is_none_is_an_answer() -> None:
    outbox = Outbox(10, HIGH)
    outbox.failure(Failure(7, 300, "no"))
    assert collected(outbox) == [Failure(7, 300, "no")]
    assert outbox.handed_over == [(Kind.REPLY, 7)]


def test_the_peers_limit_shuts_the_quick_door() -> None:
    outbox = Outbox(10, HIGH)
    outbox.limit(3)
    assert not outbox.push(b"1234")
    assert outbox.push(b"123")


def test_what_the_peer_says_it_took_never_shrinks_and_is_never_more_than_was_sent() -> None:
    outbox = Outbox(10, HIGH)
    for _ in range(3):
        outbox.push(b"a")
    collected(outbox)
    for taken in (0, 2, 2):
        outbox.hear_taken(taken)
        assert outbox.delivered == taken
    with pytest.raises(RemoteProtocolError, match="it took 1 messages, and said 2 before"):
        outbox.hear_taken(1)
    with pytest.raises(RemoteProtocolError, match="it took 4 messages, and 3 were sent"):
        outbox.hear_taken(4)
    outbox.lend()
    outbox.hear_taken(4)  # somebody else may have sent it
    assert outbox.delivered == 3
