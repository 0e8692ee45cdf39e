"""The session, as drivers and programs see it: two of them, joined."""

import pickle
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session.pair import Alone, Pair, frame, hello

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    Limits,
    LocalProtocolError,
    MessageDropped,
    RequestFailed,
    Timeouts,
)
from mezha.engine import Engine, State
from mezha.session import Answered, Asked, Cancelled, Code, Ending, Ponged, Session, Stats
from mezha.session.frames import Body, Kind

LARGE = 200_000


# -- messages ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=30) | st.sampled_from((9000, 65_536, 65_537, LARGE)).map(bytes), max_size=8))
def test_messages_arrive_whole_and_in_order(messages: list[bytes]) -> None:
    pair = Pair()
    got: list[bytes] = []
    for message in messages:
        while not pair.left.clear(len(message)):
            got += pair.right.take(9)
            pair.flow()
        if not pair.left.push(message):
            pair.left.send(message)
    for _ in range(20):
        pair.flow()
        got += pair.right.take(9)
    assert got == messages
    assert pair.left.stats.messages_sent == pair.right.stats.messages_received == len(messages)
    assert pair.left.stats.bytes_sent == pair.right.stats.bytes_received


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_messages_of_all_kinds(kind: type) -> None:
    pair = Pair()
    pair.left.send(kind(b"abc"))
    pair.flow()
    assert pair.right.take() == [b"abc"]


def test_it_is_amid_a_message_from_its_first_piece_to_its_last() -> None:
    alone = Alone()
    for kind, body, amid in ((Kind.MESSAGE, b"a", False), (Kind.PART, b"b", True), (Kind.LAST, b"c", False)):
        alone.hears(Body(kind, body))
        assert alone.session.amid is amid


def test_it_is_an_engine_that_speaks_by_itself() -> None:
    session: Engine = Session()
    assert session.unattended
    assert not session.full()
    assert session.space() is None
    assert session.unused() == b""
    assert session.idle()
    assert list(session.events) == []
    assert session.deadline() is None
    assert not session.finished()


def test_what_is_sent_before_the_hello_has_come_is_little() -> None:
    alone = Alone(opening=None)
    assert alone.session.clear(60_000)
    assert not alone.session.clear(65_536)
    assert not alone.session.clear(65_537)
    with pytest.raises(LocalProtocolError, match=r"65537 bytes has to wait for the peer's hello.*not clear\(\) yet"):
        alone.session.send(bytes(65_537))
    alone.session.send(bytes(60_000))
    assert not alone.session.clear(6000)
    assert alone.session.clear(2 << 20)  # it never can: send() says why
    alone.hears(hello(max_message=70_000))
    assert alone.session.largest == 70_000
    assert alone.session.clear(65_537)
    assert alone.session.clear(70_001)
    with pytest.raises(LocalProtocolError, match="the peer takes at most 70000") as caught:
        alone.session.send(bytes(70_001))
    assert (caught.value.size, caught.value.limit) == (70_001, 70_000)
    alone.session.send(bytes(65_537))
    assert not alone.session.clear(0)
    assert [said.kind for said in alone.says()] == [Kind.MESSAGE, Kind.PART, Kind.LAST]


def test_a_slow_reader_slows_the_sender_down() -> None:
    pair = Pair(right=Session(limits=Limits(inbox=131_072)))
    sent = 0
    while pair.left.clear(1000):
        pair.left.send(bytes(1000))
        pair.flow()
        sent += 1
    assert sent == 131_072 // 1005
    assert pair.right.stats.waiting == sent * 1005
    assert len(pair.right.take(sent)) == sent
    pair.flow()
    assert pair.left.clear(1000)


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_messages_that_wait_cost_little_more_than_credit(size: int) -> None:
    window = 262_144
    alone = Alone(limits=Limits(inbox=window))
    messages = frame(*[Body(Kind.MESSAGE, bytes(size))] * (window // (size + 5)))
    pieces = [messages[start : start + 50_000] for start in range(0, len(messages), 50_000)]
    tracemalloc.start()
    try:
        for piece in pieces:
            alone.session.receive(piece, 0.0)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert alone.session.stats.waiting == len(messages)
    assert held < 2 * window + 10_000


@pytest.mark.parametrize("size", [1, 1000])
def test_messages_in_pieces_that_wait_cost_little_more_than_credit(size: int) -> None:
    window = 262_144
    alone = Alone(limits=Limits(inbox=window))
    message = frame(Body(Kind.PART, bytes(size)), Body(Kind.LAST, b""))
    many = message * (16_384 // len(message))
    tracemalloc.start()
    try:
        for _ in range(window // len(many)):
            alone.session.receive(many, 0.0)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * window + 10_000
    assert alone.session.take(1 << 20)[-1] == bytes(size)


def test_an_idle_session_is_small() -> None:
    shared = Pair()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        many = [Pair() for _ in range(100)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / (2 * len(many)) < 2500
    assert shared.left.state is State.OPEN


# -- streams ----------------------------------------------------------------------------------------------------------


def test_a_message_piece_by_piece_on_both_sides() -> None:
    pair = Pair()
    pair.left.begin_stream()
    assert not pair.right.open_stream()
    assert pair.left.stream_room == 65_536
    pair.left.send_piece(b"abc")
    assert pair.left.stream_room == 65_533
    pair.flow()
    assert pair.right.open_stream()
    assert [pair.right.take_piece(), pair.right.take_piece()] == [b"abc", None]
    pair.left.send_piece(bytearray(b"def"))
    pair.left.end_stream()
    pair.left.send(b"behind")
    pair.flow()
    with pytest.raises(LocalProtocolError, match="received as a stream"):
        pair.right.take()
    assert [pair.right.take_piece(), pair.right.take_piece()] == [b"def", b""]
    assert pair.right.pop() == b"behind"


def test_a_stream_larger_than_memory_would_be() -> None:
    pair = Pair(*(Session(limits=Limits(max_message=1 << 30, inbox=131_072)) for _ in range(2)))
    pair.left.begin_stream()
    piece = bytes(50_000)
    received = most = 0
    opened = False
    for _ in range(200):
        while not pair.left.stream_room:
            pair.flow()
            opened = opened or pair.right.open_stream()
            received += len(pair.right.take_piece() or b"")
            most = max(most, pair.right.stats.waiting, pair.left.backlog)
        pair.left.send_piece(piece)
    pair.left.end_stream()
    while True:
        pair.flow()
        more = pair.right.take_piece()
        if more == b"":
            break
        received += len(more or b"")
    assert received == 200 * len(piece)
    assert most < 131_072 + 65_545


def test_a_stream_that_is_given_up_is_told_to_who_reads_it() -> None:
    pair = Pair()
    pair.left.begin_stream()
    pair.left.send_piece(b"abc")
    pair.flow()
    assert pair.right.open_stream()
    pair.left.drop_stream(300, "never mind")
    pair.left.send(b"next")
    pair.flow()
    with pytest.raises(MessageDropped, match="gave the message up: never mind") as caught:
        pair.right.take_piece()
    assert caught.value.code == 300
    assert pair.right.take() == [b"next"]


def test_who_leaves_a_stream_gets_the_next_message() -> None:
    pair = Pair()
    pair.left.begin_stream()
    pair.left.send_piece(b"abc")
    pair.flow()
    pair.right.open_stream()
    pair.right.leave_stream()
    pair.left.send_piece(bytes(60_000))
    pair.left.end_stream()
    pair.left.send(b"next")
    pair.flow()
    assert pair.right.take(9) == [b"next"]
    assert pair.right.stats.messages_received == 2
    assert pair.right.stats.waiting == 0


def test_a_stream_keeps_to_the_limit_of_the_peer() -> None:
    pair = Pair(right=Session(limits=Limits(max_message=10)))
    pair.left.begin_stream()
    pair.left.send_piece(b"1234567890")
    with pytest.raises(LocalProtocolError, match="the message has 11 bytes, and the peer takes at most 10"):
        pair.left.send_piece(b"1")
    pair.left.end_stream()
    pair.flow()
    assert pair.right.take() == [b"1234567890"]


def test_a_connection_that_ends_in_the_middle_of_a_stream() -> None:
    pair = Pair()
    pair.left.begin_stream()
    pair.left.send_piece(b"abc")
    pair.flow()
    pair.right.open_stream()
    assert pair.right.take_piece() == b"abc"
    pair.left.close(1, "must go")
    pair.flow()
    with pytest.raises(MessageDropped):
        pair.right.take_piece()
    with pytest.raises(ClosedByPeer, match="must go"):
        pair.right.open_stream()
    asks: tuple[Callable[[], object], ...] = (pair.left.take, pair.left.open_stream, pair.left.take_piece)
    for ask in asks:
        with pytest.raises(ClosedByUs):
            ask()
    for tell in (
        pair.left.begin_stream,
        lambda: pair.left.send_piece(b""),
        pair.left.end_stream,
        lambda: pair.left.drop_stream(0, ""),
    ):
        with pytest.raises(ClosedByUs):
            tell()


def test_a_stream_cut_off_by_the_peers_goodbye() -> None:
    alone = Alone()
    alone.hears(Body(Kind.PART, b"abc"))
    assert alone.session.open_stream()
    assert alone.session.take_piece() == b"abc"
    alone.hears(b"")
    with pytest.raises(ConnectionError, match="without a goodbye"):
        alone.session.take_piece()


# -- requests and pings -----------------------------------------------------------------------------------------------


def test_both_sides_may_ask_and_answers_come_in_any_order() -> None:
    pair = Pair()
    first, second = pair.left.request(b"1"), pair.left.request(bytearray(b"2"))
    third = pair.right.request(bytes(LARGE))
    pair.flow()
    assert list(pair.right.events) == [Asked(first, b"1"), Asked(second, b"2")]
    assert list(pair.left.events) == [Asked(third, bytes(LARGE))]
    pair.right.answer(second, b"two")
    pair.right.fail(first, 300, "no")
    pair.left.answer(third, memoryview(bytes(LARGE)))
    pair.left.events.clear()
    pair.right.events.clear()
    pair.flow()
    answered, failed = pair.left.events
    assert answered == Answered(second, b"two")
    assert isinstance(failed, Answered)
    assert isinstance(failed.outcome, RequestFailed)
    assert (failed.id, failed.outcome.code, str(failed.outcome)) == (first, 300, "no")
    assert list(pair.right.events) == [Answered(third, bytes(LARGE))]
    assert (pair.left.stats.asked, pair.right.stats.unanswered) == (0, 0)
    assert (pair.left.stats.requests_sent, pair.left.stats.requests_received) == (2, 1)


def test_who_gives_up_is_told_nothing_more() -> None:
    pair = Pair()
    number = pair.left.request(b"?")
    pair.flow()
    pair.left.cancel(number)
    pair.left.cancel(12345)
    pair.flow()
    assert list(pair.right.events) == [Asked(number, b"?"), Cancelled(number)]
    pair.right.fail(number, Code.CANCELLED, "")
    pair.flow()
    assert list(pair.left.events) == []
    assert pair.left.stats.asked == 0


def test_requests_and_answers_that_are_too_large() -> None:
    pair = Pair(right=Session(limits=Limits(max_message=10, inbox=1)))
    with pytest.raises(LocalProtocolError, match="the request has 11 bytes"):
        pair.left.request(bytes(11))
    number = pair.right.request(b"?")
    pair.flow()
    with pytest.raises(LocalProtocolError, match="the answer has 11 bytes"):
        pair.left.answer(number, bytes(11))
    pair.flow()
    (event,) = pair.right.events
    assert isinstance(event, Answered)
    assert isinstance(event.outcome, RequestFailed)
    assert event.outcome.code == Code.TOO_LARGE


def test_where_requests_are_not_answered() -> None:
    pair = Pair(right=Session(answers=False))
    number = pair.left.request(b"?")
    pair.flow()
    (event,) = pair.left.events
    assert isinstance(event, Answered)
    assert isinstance(event.outcome, RequestFailed)
    assert (event.id, event.outcome.code) == (number, Code.NO_HANDLER)


def test_what_was_delivered_is_known_before_the_end_to_who_asks() -> None:
    pair = Pair(opened=False)
    assert (pair.left.greeted, pair.left.over, pair.left.trouble, pair.left.delivered) == (False, False, None, 0)
    pair.flow()
    for _ in range(3):
        pair.left.send(b"abc")
    pair.flow()
    assert pair.right.take(2) == [b"abc"] * 2
    pair.left.probe()
    pair.flow()
    assert (pair.left.greeted, pair.left.delivered) == (True, 2)
    assert list(pair.left.events) == []
    pair.left.close()
    pair.left.probe()
    trouble = pair.left.trouble
    assert isinstance(trouble, ClosedByUs)
    assert trouble is not pair.left.trouble
    assert pair.left.over


def test_pings_measure_the_way_there_and_back() -> None:
    pair = Pair()
    numbers = [pair.left.ping(pair.now) for _ in range(100)]
    pair.now += 0.25
    pair.flow()
    assert list(pair.left.events) == [Ponged(number, 0.25) for number in numbers]


# -- credit that is lent ----------------------------------------------------------------------------------------------


def test_who_borrows_credit_may_send_messages_past_the_session() -> None:
    pair = Pair()
    credit = pair.left.lend()
    assert credit == pair.left.lend() + credit == 1 << 20
    assert not pair.left.clear(0)
    data = frame(Body(Kind.MESSAGE, b"abc"), Body(Kind.MESSAGE, b""))
    pair.right.receive(data, 0.0)
    pair.left.settle(credit - len(data), 2)
    assert pair.left.clear(0)
    pair.left.send(b"def")
    pair.flow()
    assert pair.right.take(9) == [b"abc", b"", b"def"]
    assert pair.left.stats.messages_sent == 3
    assert pair.left.stats.bytes_sent == pair.right.stats.bytes_received
    pair.right.close()
    pair.flow()
    assert pair.left.ending == Ending("closed", 0, "", True, 3, 3, 0)


# -- the end ----------------------------------------------------------------------------------------------------------


def test_an_end_is_a_frame_and_requests_go_on() -> None:
    pair = Pair()
    pair.left.send(b"last")
    assert not pair.left.end()
    assert not pair.left.end()
    assert (pair.left.state, pair.left.clear(5)) == (State.WE_ENDED, True)
    sends: tuple[Callable[[], None], ...] = (lambda: pair.left.send(b""), pair.left.begin_stream)
    for send in sends:
        with pytest.raises(ClosedByUs, match="has ended its stream"):
            send()
    pair.flow()
    assert (pair.left.state, pair.right.state) == (State.WE_ENDED, State.PEER_ENDED)
    number = pair.left.request(b"?")
    pair.right.send(b"heard")
    pair.flow()
    assert pair.left.take() == [b"heard"]
    assert pair.right.take() == [b"last"]
    assert list(pair.right.events) == [Asked(number, b"?")]
    pair.right.end()
    pair.flow()
    assert (pair.left.state, pair.right.state) == (State.CLOSED, State.CLOSED)
    assert pair.left.ending is None


def test_an_orderly_close_is_a_receipt() -> None:
    pair = Pair()
    for number in range(5):
        pair.left.send(b"%d" % number)
    assert pair.left.request(b"?") == 0
    pair.left.close(300, "done")
    pair.left.close(0, "again")
    assert pair.left.state is State.CLOSED
    (event,) = pair.left.events
    assert isinstance(event, Answered)
    assert isinstance(event.outcome, ClosedByUs)
    pair.flow()
    assert not pair.left.finished()
    assert pair.left.ending == Ending("unanswered", 300, "done", False, 5, 0, 0)
    assert pair.right.take(9) == [b"%d" % number for number in range(5)]
    pair.flow()
    assert pair.left.finished()
    assert pair.left.ending == Ending("closed", 300, "done", False, 5, 5, 0)
    assert pair.right.ending == Ending("closed", 300, "done", True, 0, 0, 0)


def test_closing_leaves_nothing_of_what_was_here() -> None:
    pair = Pair()
    pair.left.send(b"abc")
    pair.left.send(bytes(LARGE))
    pair.flow()
    assert pair.right.take() == [b"abc"]
    pair.right.close()
    assert pair.right.stats.waiting == 0
    assert pair.right.pop() is None
    pair.flow()
    assert pair.left.ending
    assert pair.left.ending.delivered == 1
    assert pair.left.ending.sent + pair.left.ending.never_sent == 2


def test_who_is_told_goodbye_may_say_it_too() -> None:
    pair = Pair()
    pair.left.send(b"abc")
    pair.left.close(300, "enough")
    pair.flow()
    pair.right.close(1, "all right")
    pair.flow()
    for ending in (pair.left.ending, pair.right.ending):
        assert ending
        assert (ending.how, ending.code, ending.reason) == ("closed", 300, "enough")
    assert pair.left.ending
    assert pair.left.ending.delivered == 0


def test_what_is_lost_is_closed_without_a_word() -> None:
    pair = Pair()
    pair.left.lost(OSError("reset"))
    pair.left.close(0, "bye")
    assert pair.left.outgoing() == []
    assert pair.left.ending == Ending("lost", 0, "", False, 0, 0, 0)


def test_both_close_at_once() -> None:
    pair = Pair()
    pair.left.send(b"abc")
    pair.right.send(b"abc")
    pair.left.close(1, "here")
    pair.right.close(0, "there")
    there, back = (b"".join(side.outgoing()) for side in (pair.left, pair.right))
    pair.right.receive(there, 0.0)
    pair.left.receive(back, 0.0)
    pair.flow()
    assert pair.left.finished()
    assert pair.right.finished()
    assert pair.left.ending == Ending("closed", 1, "here", False, 1, 0, 0)
    assert pair.right.ending == Ending("closed", 1, "here", True, 1, 0, 0)


def test_what_is_queued_goes_before_the_goodbye_as_credit_allows() -> None:
    pair = Pair(right=Session(limits=Limits(inbox=131_072)))
    for _ in range(2):
        pair.left.send(bytes(LARGE))
    pair.left.close()
    pair.flow()
    assert pair.left.ending == Ending("unanswered", 0, "", False, 0, 0, 2)
    sizes: list[int] = []
    for _ in range(20):
        sizes += [len(message) for message in pair.right.take(9)] if pair.right.state is State.OPEN else []
        pair.flow()
    sizes += [len(message) for message in pair.right.take(9)]
    pair.flow()
    assert sizes == [LARGE, LARGE]
    assert pair.left.ending == Ending("closed", 0, "", False, 2, 2, 0)


def test_numbers_and_endings_are_values() -> None:
    pair = Pair()
    pair.left.send(b"abc")
    pair.flow()
    assert pair.left.forgiven == 0
    assert pair.left.stats == Stats(
        messages_sent=1,
        messages_received=0,
        messages_delivered=0,
        requests_sent=0,
        requests_received=0,
        bytes_sent=pair.right.stats.bytes_received,
        bytes_received=pair.right.stats.bytes_sent,
        queued=0,
        waiting=0,
        credit=(1 << 20) - 8,
        asked=0,
        unanswered=0,
        sending=0,
        arriving=0,
    )
    pair.left.close()
    for value in (pair.left.stats, pair.left.ending):
        assert pickle.loads(pickle.dumps(value)) == value


def test_a_hello_may_be_shared() -> None:
    limits, timeouts = Limits(max_message=5), Timeouts(heartbeat=None)
    first = Session(limits=limits, timeouts=timeouts)
    second = Session(limits=limits, timeouts=timeouts, hello=None)
    for session in (first, second):
        session.begin(0.0)
    assert b"".join(first.outgoing()) == b"".join(second.outgoing())


def test_what_a_client_that_connects_again_asks_of_it() -> None:
    pair = Pair()
    assert pair.left.trouble is None
    pair.left.send(b"abc")
    pair.flow()
    assert pair.left.greeted
    assert pair.right.take(1) == [b"abc"]
    assert pair.left.delivered == 0
    pair.left.probe()
    pair.flow()
    assert pair.left.delivered == 1
    pair.left.close()
    assert pair.left.over
    assert isinstance(pair.left.trouble, ClosedByUs)
    pair.left.probe()
