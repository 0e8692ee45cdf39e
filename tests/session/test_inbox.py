"""The inbox: messages come out as they came in, whole and in order, and what has left is given back, to the byte."""

import sys
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mezha.errors import LocalProtocolError, MessageDropped, MessageTooLarge
from mezha.session.frames import HEADER, PIECE
from mezha.session.inbox import MESSAGES, Inbox

LIMIT = 200_000
SIZES = st.integers(0, 40) | st.sampled_from((8192, PIECE))
PIECES = st.sampled_from((1, 1, 7, 40_000, PIECE))


def frame(message: bytes) -> bytes:
    return b"".join(MESSAGES.encode(message))


@dataclass
class Came:
    """A message that has come, as far as it has, and the credit that it costs."""

    body: bytes
    cost: int
    whole: bool = True


class LifeOfAnInbox(RuleBasedStateMachine):
    """An inbox against a model: a list of messages, of which the last may be arriving."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox(LIMIT)
        self.here: list[Came] = []
        self.count = 0
        self.read: bytes | None = None  # of the stream that is open; of what is here[0]
        self.dropped = False
        self.skipping = False  # the one arriving
        self.number = 0
        self.spent = self.freed = 0

    @property
    def arriving(self) -> Came | None:
        return self.here[-1] if self.here and not self.here[-1].whole else None

    def body(self, size: int) -> bytes:
        self.number += 1
        return (b"%d " % self.number + bytes(size))[: max(size, 1)] if size else b""

    # -- what arrives -------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.arriving and not self.skipping)
    @rule(sizes=st.lists(SIZES, min_size=1, max_size=30))
    def messages_come(self, sizes: list[int]) -> None:
        bodies = [self.body(size) for size in sizes]
        frames = b"".join(map(frame, bodies))
        self.inbox.feed(frames)
        self.here += [Came(body, HEADER + len(body)) for body in bodies]
        self.spent += len(frames)

    @rule(size=PIECES)
    def a_piece_comes(self, size: int) -> None:
        size = min(size, LIMIT - len(self.arriving.body) if self.arriving else LIMIT)
        if not size or (self.skipping and self.inbox.unfinished + size > LIMIT):
            return
        piece = self.body(size)[:size]
        self.inbox.part(piece)
        self.spent += HEADER + len(piece)
        if self.skipping:
            return
        if not self.arriving:
            self.here.append(Came(b"", 0, whole=False))
        self.here[-1].body += piece
        self.here[-1].cost += HEADER + len(piece)

    @precondition(lambda self: self.arriving or self.skipping)
    @rule(size=st.sampled_from((0, 0, 5)))
    def the_last_piece_comes(self, size: int) -> None:
        if self.inbox.unfinished + size > LIMIT:
            size = 0
        piece = self.body(size)[:size]
        self.inbox.last(piece)
        self.spent += HEADER + len(piece)
        if self.skipping:
            self.skipping = False
            self.count += 1
            return
        self.here[-1].body += piece
        self.here[-1].cost += HEADER + len(piece)
        self.here[-1].whole = True

    @precondition(lambda self: self.arriving or self.skipping)
    @rule()
    def it_is_dropped(self) -> None:
        self.inbox.drop(MessageDropped("never mind", code=300))
        if self.skipping:
            self.skipping = False
        elif self.read is not None and len(self.here) == 1:
            self.dropped = True
            self.here.pop()
        else:
            self.here.pop()

    # -- what is handed out -------------------------------------------------------------------------------------------

    def hand_out(self, message: bytes) -> None:
        """Check a message that was handed out."""
        assert self.here, f"{message[:20]!r} was handed out, and nothing is here"
        came = self.here.pop(0)
        assert came.whole
        assert message == came.body
        self.count += 1

    @rule(budget=st.integers(0, 200_000) | st.just(sys.maxsize), count=st.integers(1, 20))
    def pop(self, budget: int, count: int) -> None:
        self.inbox.allow(budget)
        left = budget
        for _ in range(count):
            message = self.inbox.pop()
            if message is None:
                break
            assert self.read is None
            self.hand_out(message)
            left -= HEADER + len(message)
        assert left >= 0

    @precondition(lambda self: self.read is None)
    @rule(count=st.integers(0, 40))
    def take(self, count: int) -> None:
        messages = self.inbox.take(count)
        assert len(messages) <= count
        for message in messages:
            self.hand_out(message)
        assert len(messages) == count or not (self.here and self.here[0].whole)

    @precondition(lambda self: self.read is None)
    @rule()
    def open_stream(self) -> None:
        assert self.inbox.open_stream() == bool(self.here)
        if self.here:
            self.read = b""

    @precondition(lambda self: self.read is not None)
    @rule()
    def read_on(self) -> None:
        if self.dropped:
            with pytest.raises(MessageDropped, match="never mind"):
                self.inbox.read()
            self.read, self.dropped = None, False
            return
        assert self.read is not None
        piece = self.inbox.read()
        came = self.here[0]
        if piece:
            self.read += piece
            assert self.read == came.body
        elif piece is None:
            assert not came.whole
            assert self.read == came.body
        else:
            assert self.read == came.body
            self.hand_out(came.body)
            self.read = None

    @precondition(lambda self: self.read is not None)
    @rule()
    def leave_stream(self) -> None:
        self.inbox.leave_stream()
        if self.dropped:
            self.dropped = False
        else:
            came = self.here.pop(0)
            self.skipping = not came.whole
            self.count += came.whole
        self.read = None

    @precondition(lambda self: self.read is not None)
    @rule()
    def nothing_else_is_handed_out_meanwhile(self) -> None:
        for ask in (lambda: self.inbox.take(1), self.inbox.open_stream):
            with pytest.raises(LocalProtocolError, match="received as a stream"):
                ask()

    @invariant()
    def what_is_here_is_accounted_for(self) -> None:
        self.freed += self.inbox.freed()
        assert self.spent - self.freed == self.inbox.size
        assert self.inbox.count == self.count
        assert self.inbox.empty == (not any(came.whole for came in self.here) and self.read is None)
        assert self.inbox.vacant == (self.inbox.empty and not self.arriving and not self.skipping)
        if self.inbox.idle():
            assert self.inbox.size == 0
            assert self.inbox.empty
        arriving = self.arriving
        if not self.skipping:
            assert self.inbox.unfinished == (len(arriving.body) if arriving else 0)

    def teardown(self) -> None:
        """Discard it all: nothing is held any more, and what still comes is given back."""
        held = self.inbox.size
        self.inbox.discard()
        assert self.inbox.freed() == held
        if self.arriving or self.skipping:
            self.inbox.drop(MessageDropped())
        self.inbox.feed(frame(b"abc"))
        self.inbox.part(b"abc")
        self.inbox.last(b"")
        assert self.inbox.pop() is None
        assert self.inbox.size == 0
        assert self.inbox.count == self.count
        assert self.inbox.freed() == 3 * HEADER + 6


LifeOfAnInbox.TestCase.settings = settings(stateful_step_count=40)
TestLifeOfAnInbox = LifeOfAnInbox.TestCase


# -- examples ---------------------------------------------------------------------------------------------------------


def test_whoever_waits_for_a_message_lets_its_pieces_through() -> None:
    inbox = Inbox(LIMIT)
    inbox.part(bytes(1000))
    assert (inbox.size, inbox.freed()) == (1005, 0)
    assert not inbox.idle()
    assert inbox.take(1) == []
    assert (inbox.size, inbox.freed()) == (0, 1005)
    assert inbox.idle()
    inbox.part(bytes(1000))
    inbox.last(bytes(1000))
    assert (inbox.size, inbox.freed()) == (0, 2010)
    assert inbox.take(9) == [bytes(3000)]
    inbox.part(b"of the next, for which nobody waits")
    assert inbox.freed() == 0


def test_whoever_waits_for_a_stream_sees_its_first_piece() -> None:
    """Also where one before it was left in the middle, or somebody had waited for a whole message."""
    inbox = Inbox(LIMIT)
    inbox.want()
    for _ in range(2):
        assert not inbox.open_stream()
        assert inbox.idle()
        inbox.part(b"abc")
        assert not inbox.idle()
        assert inbox.open_stream()
        inbox.leave_stream()
        assert not inbox.open_stream()
        inbox.drop(MessageDropped("no more", code=0))


def test_a_message_in_front_holds_the_pieces_back() -> None:
    inbox = Inbox(LIMIT)
    assert inbox.take(1) == []
    inbox.feed(frame(b"abc"))
    inbox.part(b"def")
    assert (inbox.size, inbox.freed()) == (16, 0)
    assert inbox.pop() == b"abc"
    inbox.part(b"ghi")  # whoever has waited for a message does so still, as far as is known
    assert (inbox.size, inbox.freed()) == (0, 24)


def test_small_messages_in_pieces_cost_what_small_messages_cost() -> None:
    inbox = Inbox(LIMIT)
    for _ in range(1000):
        inbox.part(b"a")
        inbox.last(b"")
    assert inbox.freed() == 1000 * 5
    assert inbox.size == 1000 * 6
    assert inbox.take(2000) == [b"a"] * 1000


def test_a_message_over_the_limit_is_refused_before_it_is_kept() -> None:
    inbox = Inbox(10)
    inbox.part(b"1234567890")
    with pytest.raises(MessageTooLarge):
        inbox.part(b"1")
    inbox = Inbox(10)
    inbox.part(b"1234567890")
    with pytest.raises(MessageTooLarge):
        inbox.last(b"1")


def test_the_end_makes_it_not_idle() -> None:
    inbox = Inbox(10)
    assert inbox.idle()
    inbox.end()
    assert not inbox.idle()


def test_without_a_stream_nothing_can_be_read_of_it() -> None:
    inbox = Inbox(10)
    with pytest.raises(LocalProtocolError, match="no message is being received as a stream"):
        inbox.read()
    inbox.leave_stream()
    assert not inbox.open_stream()


def test_a_stream_that_is_read_while_it_arrives() -> None:
    inbox = Inbox(LIMIT)
    inbox.part(b"abc")
    assert inbox.open_stream()
    assert [inbox.read(), inbox.read()] == [b"abc", None]
    inbox.part(b"def")
    inbox.last(b"ghi")
    inbox.feed(frame(b"next"))
    inbox.allow(1000)
    assert inbox.pop() is None
    assert [inbox.read(), inbox.read()] == [b"defghi", b""]
    inbox.allow(1000)
    assert inbox.pop() == b"next"
    assert inbox.count == 2
    assert inbox.freed() == 8 + 8 + 8 + 9


def test_a_stream_that_is_left_or_thrown_away_in_the_middle() -> None:
    inbox = Inbox(LIMIT)
    inbox.part(b"abc")
    inbox.open_stream()
    inbox.leave_stream()
    assert not inbox.open_stream()
    inbox.part(b"def")
    inbox.last(b"ghi")
    assert (inbox.size, inbox.count, inbox.freed()) == (0, 1, 24)
    inbox.part(b"abc")
    inbox.open_stream()
    inbox.last(b"def")
    inbox.part(b"ghi")
    inbox.discard()
    assert (inbox.size, inbox.freed()) == (0, 24)


def test_large_messages_keep_their_place_between_the_small_ones() -> None:
    inbox = Inbox(LIMIT)
    large = bytes(PIECE)
    inbox.feed(frame(b"a") + frame(b"b"))
    inbox.part(large)
    inbox.last(b"c")
    inbox.part(large)
    inbox.last(b"d")
    inbox.feed(frame(b"e"))
    inbox.allow(sys.maxsize)
    assert [inbox.pop(), inbox.pop(), inbox.pop()] == [b"a", b"b", None]
    assert inbox.take(2) == [large + b"c", large + b"d"]
    inbox.allow(sys.maxsize)
    assert [inbox.pop(), inbox.pop()] == [b"e", None]
    assert (inbox.count, inbox.size) == (5, 0)


def test_what_is_dropped_was_never_there() -> None:
    inbox = Inbox(LIMIT)
    inbox.part(b"abc")
    inbox.drop(MessageDropped("never mind"))
    assert (inbox.size, inbox.freed(), inbox.count, inbox.unfinished) == (0, 8, 0, 0)
    inbox.part(b"def")
    assert inbox.open_stream()
    assert inbox.read() == b"def"
    inbox.drop(MessageDropped("never mind", code=300))
    with pytest.raises(MessageDropped) as caught:
        inbox.read()
    assert caught.value.code == 300
    assert inbox.take(1) == []
    inbox.part(b"ghi")
    inbox.open_stream()
    inbox.drop(MessageDropped("never mind"))
    inbox.leave_stream()
    assert (inbox.take(1), inbox.count) == ([], 0)


def test_a_whole_message_is_a_stream_of_one_piece() -> None:
    inbox = Inbox(LIMIT)
    inbox.feed(frame(b"abc") + frame(b"def"))
    assert inbox.open_stream()
    assert inbox.count == 0
    for ask in (lambda: inbox.take(1), inbox.open_stream):
        with pytest.raises(LocalProtocolError, match="received as a stream"):
            ask()
    assert [inbox.read(), inbox.read()] == [b"abc", b""]
    assert inbox.count == 1
    inbox.open_stream()
    inbox.leave_stream()
    assert (inbox.count, inbox.size) == (2, 0)


def test_what_comes_after_it_was_discarded_is_given_back() -> None:
    inbox = Inbox(LIMIT)
    inbox.feed(frame(b"abc"))
    inbox.discard()
    inbox.feed(frame(b"def"))
    assert (inbox.freed(), inbox.pop(), inbox.count) == (16, None, 0)
