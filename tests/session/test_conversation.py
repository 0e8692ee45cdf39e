"""The conversation: what a session does by itself, on bytes that are written by hand and in virtual time."""

import pytest
from session.pair import Alone, frame, hello

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    FramingError,
    HandshakeError,
    Limits,
    MessageTooLarge,
    MessageTooSlow,
    RemoteProtocolError,
    Timeouts,
)
from mezha.engine import State
from mezha.session import Answered, Asked, Cancelled, Ending, Ponged
from mezha.session.conversation import hello_of
from mezha.session.frames import (
    AnyFrame,
    Body,
    Cancel,
    Close,
    Code,
    Counted,
    Drop,
    End,
    Failure,
    Kind,
    Numbered,
    Ping,
    Pong,
    encode_frame,
)
from mezha.session.greeting import MAGIC
from mezha.session.hello import Hello

MESSAGE = Body(Kind.MESSAGE, b"Hello!")


# -- hello ------------------------------------------------------------------------------------------------------------


def test_what_a_side_says_of_itself() -> None:
    assert hello_of(Limits(), Timeouts(), "me") == Hello(
        max_message=1 << 20, window=1 << 20, heartbeat=20_000, requests=100, request_bytes=1 << 20, agent="me"
    )
    small = hello_of(Limits(max_message=5, inbox=1, requests=16), Timeouts(heartbeat=None))
    assert small == Hello(max_message=5)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_it_says_hello_at_once_and_hears_what_came_with_the_others(size: int) -> None:
    alone = Alone(opening=None)
    stream = hello() + frame(MESSAGE, MESSAGE, Ping(b"12345678"))
    for start in range(0, len(stream), size):
        alone.hears(stream[start : start + size])
    assert alone.says() == [Pong(b"12345678", 0)]
    assert alone.session.take(9) == [b"Hello!"] * 2


def test_a_stranger_is_not_answered() -> None:
    alone = Alone(opening=None)
    alone.hears(b"GET / HTTP/1.1\r\n\r\n")
    assert alone.says() == []
    assert alone.session.finished()
    assert alone.session.state is State.FAILED
    assert alone.session.deadline() is None
    for _ in range(2):
        with pytest.raises(HandshakeError, match="an HTTP request"):
            alone.session.take()
    alone.hears(b"Host: localhost\r\n")
    alone.hears(b"")
    with pytest.raises(HandshakeError, match="an HTTP request"):
        alone.session.send(b"")


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        (hello(versions=(9,)), Code.VERSION),
        (MAGIC + frame(MESSAGE), Code.PROTOCOL_ERROR),
        (MAGIC + frame(Body(Kind.HELLO, b"\0\1\0\1\1\x80\x10\0\0")), Code.UNSUPPORTED),
    ],
)
def test_one_of_ours_is_told_what_is_wrong(opening: bytes, code: Code) -> None:
    alone = Alone(opening=None)
    alone.hears(opening)
    (goodbye,) = alone.says()
    assert isinstance(goodbye, Close)
    assert (goodbye.code, goodbye.taken) == (code, 0)
    assert alone.session.finished()
    with pytest.raises(HandshakeError) as caught:
        alone.session.take()
    assert caught.value.code == code
    assert alone.session.ending == Ending("fault", code, goodbye.text, False, 0, 0, 0)


@pytest.mark.parametrize(
    ("first", "said", "text"),
    [
        (b"", 1, "has sent nothing, not even the beginning of the mezha protocol, in 10 s"),
        (MAGIC + b"\0\0", 1, "did not finish its HELLO: 2 bytes of it have arrived, in 10 s"),
        (b"hi\n", 0, "looks like text"),
    ],
)
def test_who_does_not_say_hello_in_time(first: bytes, said: int, text: str) -> None:
    alone = Alone(opening=None)
    if first:
        alone.hears(first)
    alone.waits(9.9)
    assert alone.session.take() == []
    alone.waits(0.2)
    goodbyes = alone.says()
    assert [goodbye.code for goodbye in goodbyes if isinstance(goodbye, Close)] == [Code.TIMEOUT] * said
    with pytest.raises(HandshakeError, match=text):
        alone.session.take()


def test_time_may_be_no_matter() -> None:
    alone = Alone(opening=None, timeouts=Timeouts(handshake=None, heartbeat=None, message=None))
    assert alone.session.deadline() is None
    alone.hears(hello())
    alone.hears(frame(MESSAGE)[:5])
    assert alone.session.deadline() is None
    alone.session.expire(1e9)
    assert alone.session.take() == []


@pytest.mark.parametrize(
    ("first", "kind", "text"),
    [
        (b"", ConnectionLost, "ended before it had said hello"),
        (MAGIC[:3], ConnectionLost, "ended before it had said hello"),
        (b"hi\n", HandshakeError, "looks like text"),
        (hello(), ConnectionLost, "ended without a goodbye"),
    ],
)
def test_an_end_without_goodbye(first: bytes, kind: type[Exception], text: str) -> None:
    alone = Alone(opening=None)
    if first:
        alone.hears(first)
    alone.hears(b"")
    assert alone.session.finished()
    for ask in (alone.session.take, lambda: alone.session.send(b"")):
        with pytest.raises(kind, match=text):
            ask()
    alone.session.receive(b"and more", 1.0)
    alone.session.lost(OSError("late"))
    with pytest.raises(kind, match=text):
        alone.session.take()


# -- messages and credit ----------------------------------------------------------------------------------------------


def test_messages_in_pieces_and_between_them_whatever_else_there_is() -> None:
    alone = Alone()
    alone.hears(MESSAGE, Body(Kind.PART, b"Wor"), Ping(b"12345678"), Body(Kind.LAST, b"ld!"), MESSAGE)
    alone.hears(Body(Kind.PART, b"never"), Drop(300, "mind"), MESSAGE)
    assert alone.session.take(9) == [b"Hello!", b"World!", b"Hello!", b"Hello!"]


def test_credit_is_granted_again_when_a_quarter_of_the_window_has_been_taken() -> None:
    alone = Alone(limits=Limits(inbox=131_072))
    message = Body(Kind.MESSAGE, bytes(10_000 - 5))
    alone.hears(*[message] * 10)
    assert alone.says() == []
    popped = 0
    while alone.session.pop():
        popped += 1
    assert popped == 3  # the fourth makes a quarter, and is to be seen when it goes
    assert alone.says() == []
    assert alone.session.take(1) == [bytes(9995)]
    assert alone.says() == [Counted(Kind.CREDIT, 40_000)]
    assert alone.session.take(99) == [bytes(9995)] * 6
    assert alone.says() == [Counted(Kind.CREDIT, 60_000)]


def test_who_waits_for_a_message_lets_its_pieces_through_however_large_it_is() -> None:
    alone = Alone(limits=Limits(inbox=131_072, max_message=1 << 30))
    piece = Body(Kind.PART, bytes(65_531))
    alone.hears(piece)
    assert alone.says() == []
    assert alone.session.take() == []
    assert alone.says() == [Counted(Kind.CREDIT, 65_536)]
    for _ in range(20):
        alone.hears(piece)
        assert alone.says() == [Counted(Kind.CREDIT, 65_536)]
    alone.hears(Body(Kind.LAST, b""))
    assert [len(message) for message in alone.session.take(9)] == [21 * 65_531]


def test_a_peer_that_overdraws_is_refused() -> None:
    for kind in (Kind.MESSAGE, Kind.PART):
        alone = Alone(limits=Limits(inbox=131_072))
        alone.hears(*[Body(kind, bytes(65_531))] * 2)
        alone.hears(Body(kind, b"a"))
        whole = 2 if kind is Kind.MESSAGE else 0
        assert [alone.session.take() for _ in range(whole)] == [[bytes(65_531)]] * whole
        with pytest.raises(RemoteProtocolError, match="6 bytes of messages and had credit for 0"):
            alone.session.take()


def test_credit_of_the_peer_lets_messages_go() -> None:
    alone = Alone(opening=hello(window=131_072))
    assert alone.session.clear(65_536)
    alone.session.send(bytes(65_531))
    alone.session.send(bytes(65_531))
    assert not alone.session.clear(0)
    alone.says()
    alone.hears(Counted(Kind.CREDIT, 100))
    assert alone.session.clear(95)
    assert not alone.session.clear(96)


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (bytes(4), FramingError, Code.PROTOCOL_ERROR),
        (frame(Body(Kind.HELLO, b"")), RemoteProtocolError, Code.PROTOCOL_ERROR),
        (frame(Body(Kind.LAST, b"")), RemoteProtocolError, Code.PROTOCOL_ERROR),
        (frame(Counted(Kind.CREDIT, 0)), RemoteProtocolError, Code.PROTOCOL_ERROR),
        (frame(Numbered(Kind.REPLY, 7, b"")), RemoteProtocolError, Code.PROTOCOL_ERROR),
        (frame(Failure(7, 8, "")), RemoteProtocolError, Code.PROTOCOL_ERROR),
        (frame(Close(0, 2, "")), RemoteProtocolError, Code.PROTOCOL_ERROR),
        (frame(Body(Kind.MESSAGE, bytes(101))), MessageTooLarge, Code.TOO_LARGE),
        (frame(Body(Kind.PART, bytes(101))), MessageTooLarge, Code.TOO_LARGE),
    ],
)
def test_a_fault_of_the_peer(data: bytes, kind: type[RemoteProtocolError], code: Code) -> None:
    alone = Alone(limits=Limits(max_message=100))
    asked, pinged = alone.session.request(b"?"), alone.session.ping(0.0)
    alone.session.send(b"abc")
    alone.says()
    alone.session.send(b"never sent")
    alone.hears(frame(MESSAGE), data, frame(MESSAGE))
    (goodbye,) = alone.says()
    assert isinstance(goodbye, Close)
    assert (goodbye.code, goodbye.taken) == (code, 0)
    assert alone.session.ending == Ending("fault", code, goodbye.text, False, 1, 0, 1)
    assert not alone.session.finished()  # the goodbye has to arrive
    answered, ponged = alone.session.events
    assert isinstance(answered, Answered)
    assert isinstance(ponged, Ponged)
    assert (answered.id, ponged.id) == (asked, pinged)
    assert isinstance(answered.outcome, kind)
    assert isinstance(ponged.outcome, kind)
    assert alone.session.take(9) == [b"Hello!"]
    for ask in (alone.session.take, lambda: alone.session.send(b""), lambda: alone.session.request(b"")):
        with pytest.raises(kind):
            ask()
    alone.hears(MESSAGE)
    alone.hears(b"")
    assert alone.session.finished()


def test_a_frame_has_to_be_finished_in_time() -> None:
    alone = Alone(timeouts=Timeouts(message=10.0, min_rate=100.0, heartbeat=None))
    alone.hears(frame(MESSAGE)[:5])
    alone.waits(10.0)
    assert alone.session.state is State.OPEN
    alone.waits(0.1)
    assert [goodbye.code for goodbye in alone.says() if isinstance(goodbye, Close)] == [Code.TIMEOUT]
    with pytest.raises(MessageTooSlow) as caught:
        alone.session.take()
    assert caught.value.received == 5
    assert caught.value.seconds == pytest.approx(10.05)


def test_a_frame_is_not_late_if_this_side_did_not_look() -> None:
    alone = Alone(timeouts=Timeouts(message=10.0, heartbeat=None))
    alone.hears(frame(MESSAGE)[:5])
    alone.now = 3600.0
    alone.session.expire(alone.now)
    assert alone.session.ending is None
    assert alone.session.deadline() == pytest.approx(3610.0, abs=0.1)
    alone.waits(11.0)
    assert alone.session.state is State.FAILED


def test_a_slow_frame_and_a_beat_at_the_same_time() -> None:
    alone = Alone(timeouts=Timeouts(message=10.0, min_rate=1e300))
    alone.hears(frame(MESSAGE)[:5])
    alone.waits(10.0)
    assert [said.kind for said in alone.says()] == [Kind.CLOSE]


# -- heartbeat --------------------------------------------------------------------------------------------------------


def test_silence_is_broken_by_a_ping_and_a_dead_peer_is_given_up() -> None:
    alone = Alone()
    asked = alone.session.request(b"?")
    alone.says()
    alone.waits(39.9)
    assert [said.kind for said in alone.says()] == [Kind.PING] * 3
    alone.session.send(b"stuck")
    alone.waits(0.2)
    assert alone.session.state is State.FAILED
    with pytest.raises(ConnectionLost, match=r"silent for 40 s, and was asked .*; 10 bytes were waiting") as caught:
        alone.session.take()
    assert (caught.value.silence, caught.value.queued) == (40.0, 10)
    (event,) = alone.session.events
    assert isinstance(event, Answered)
    assert event.id == asked
    assert isinstance(event.outcome, ConnectionLost)
    assert alone.session.finished()
    assert alone.session.ending == Ending("lost", 0, "", False, 0, 0, 1)
    assert alone.session.deadline() is None
    alone.session.expire(alone.now + 100)


def test_any_byte_is_life() -> None:
    alone = Alone(timeouts=Timeouts(message=None))
    for byte in frame(Body(Kind.MESSAGE, b"slowly")):
        alone.waits(39.0)
        alone.hears(bytes([byte]))
    assert alone.session.take() == [b"slowly"]


def test_a_ping_is_answered_and_an_answer_is_told() -> None:
    alone = Alone()
    number = alone.session.ping(alone.now)
    (ping,) = alone.says()
    assert isinstance(ping, Ping)
    alone.now = 0.5
    alone.hears(Pong(b"stranger", 0), Pong(ping.token, 0), Ping(b"12345678"))
    assert list(alone.session.events) == [Ponged(number, 0.5)]
    assert alone.says() == [Pong(b"12345678", 0)]


def test_a_peer_without_a_heartbeat_of_its_own_is_asked_all_the_same() -> None:
    alone = Alone(opening=hello(heartbeat=1000), timeouts=Timeouts(heartbeat=None))
    alone.waits(3600.0)
    assert alone.session.state is State.OPEN
    assert len(alone.says()) == 7200


# -- requests ---------------------------------------------------------------------------------------------------------


def test_a_large_request_waits_for_the_hello_of_the_peer() -> None:
    alone = Alone(opening=None)
    alone.session.request(bytes(70_000))
    assert alone.says() == []
    alone.hears(hello(request_bytes=100_000))
    assert [said.kind for said in alone.says()] == [Kind.REQUEST_PART, Kind.REQUEST]


def test_requests_are_told_and_answers_too() -> None:
    alone = Alone()
    number = alone.session.request(b"?")
    alone.says()
    alone.hears(Numbered(Kind.REQUEST, 7, b"??"), Cancel(7), Failure(number, 300, "no"))
    asked, cancelled, answered = alone.session.events
    assert (asked, cancelled) == (Asked(7, b"??"), Cancelled(7))
    assert isinstance(answered, Answered)


# -- the end ----------------------------------------------------------------------------------------------------------


def test_an_end_of_messages_is_none_of_requests() -> None:
    alone = Alone()
    alone.hears(MESSAGE, End())
    assert alone.session.state is State.PEER_ENDED
    assert alone.session.pop() == b"Hello!"
    for _ in range(2):
        with pytest.raises(ClosedByPeer, match="ended its stream"):
            alone.session.take()
    alone.session.send(b"abc")
    alone.hears(Numbered(Kind.REQUEST, 7, b"?"))
    assert list(alone.session.events) == [Asked(7, b"?")]


def test_a_goodbye_is_answered_when_all_that_came_before_has_been_taken() -> None:
    alone = Alone()
    alone.session.send(b"abc")
    alone.says()
    alone.session.send(b"never sent")
    alone.hears(MESSAGE, MESSAGE, Close(300, 1, "enough"), Ping(b"nothing "))
    assert alone.session.state is State.CLOSED
    assert alone.says() == []
    assert alone.session.pop() is None
    assert alone.session.take() == [b"Hello!"]
    assert alone.says() == []
    assert alone.session.take() == [b"Hello!"]
    assert alone.says() == [Close(0, 2, "")]
    for ask in (alone.session.take, lambda: alone.session.send(b""), lambda: alone.session.ping(0.0)):
        with pytest.raises(ClosedByPeer, match="with code 300: enough") as caught:
            ask()
        assert (caught.value.code, caught.value.reason) == (300, "enough")
    assert alone.session.ending == Ending("closed", 300, "enough", True, 1, 1, 1)
    assert alone.session.finished()
    alone.session.close(1, "too")
    alone.hears(b"")
    assert alone.says() == []
    assert alone.session.ending == Ending("closed", 300, "enough", True, 1, 1, 1)


def test_a_goodbye_is_answered_in_time_and_what_is_here_can_still_be_taken() -> None:
    alone = Alone(opening=hello(heartbeat=2000))
    alone.hears(MESSAGE, Close(0, 0, ""))
    alone.waits(4.9)
    assert {said.kind for said in alone.says()} == {Kind.PING}  # who waits for the answer wants to hear something
    alone.waits(0.1)
    assert alone.says() == [Close(0, 0, "")]
    assert alone.session.take() == [b"Hello!"]
    alone.waits(100.0)
    assert alone.says() == []


def test_goodbyes_cross_before_and_after_this_one_has_gone() -> None:
    for gone in (False, True):
        alone = Alone()
        alone.session.close(1, "going")
        said = alone.says() if gone else []
        alone.hears(Close(0, 0, ""))
        said += alone.says()
        assert said == [Close(1, 0, "going")]
        assert alone.session.finished()
        assert alone.session.ending == Ending("closed", 1, "going", False, 0, 0, 0)


def test_a_goodbye_that_meets_one_behind_a_queue() -> None:
    alone = Alone()
    alone.session.send(bytes(1_000_000))
    alone.session.close(1, "going")
    first = alone.says()
    assert {said.kind for said in first} == {Kind.PART}
    alone.hears(Close(0, 0, ""))
    assert alone.says() == [Close(1, 0, "going")]
    assert alone.session.ending == Ending("closed", 1, "going", False, 0, 0, 1)


def test_after_closing_what_comes_is_thrown_away_and_given_back() -> None:
    alone = Alone(limits=Limits(inbox=131_072))
    piece = Body(Kind.MESSAGE, bytes(20_000))
    number = alone.session.request(b"?")
    alone.session.send(bytes(1_000_000))
    alone.hears(piece)
    alone.says()
    alone.session.close()
    alone.hears(frame(piece))
    assert alone.says() == [Counted(Kind.CREDIT, 40_010)]
    rest: list[AnyFrame] = [
        Numbered(Kind.REQUEST, 7, b"?"),
        Numbered(Kind.REPLY, number, b""),
        Failure(9, 9, ""),
        Cancel(7),
    ]
    alone.hears(*rest, Body(Kind.PART, b"a"), Body(Kind.LAST, b"b"), Counted(Kind.CREDIT, 10_000_000))
    assert [type(event) for event in alone.session.events] == [Answered]
    said = alone.says()
    assert said[-1] == Close(0, 0, "")
    assert {one.kind for one in said[:-1]} == {Kind.PART, Kind.LAST}
    with pytest.raises(ClosedByUs):
        alone.session.take()


def test_the_connection_breaks() -> None:
    alone = Alone()
    alone.hears(MESSAGE)
    alone.session.send(b"abc")
    alone.session.lost(OSError("reset by peer"))
    alone.session.lost(OSError("again"))
    alone.hears(MESSAGE)
    assert alone.session.take(9) == [b"Hello!"] * 2
    assert alone.session.take() == []
    assert alone.session.outgoing() == []
    alone.hears(b"")
    with pytest.raises(ConnectionLost, match="lost: reset by peer; 8 bytes were waiting") as caught:
        alone.session.take()
    assert isinstance(caught.value.__cause__, OSError)
    assert alone.session.ending == Ending("lost", 0, "", False, 0, 0, 1)


def test_a_loss_after_the_goodbye_leaves_it_unanswered() -> None:
    alone = Alone()
    alone.session.close(300, "bye")
    assert alone.says() == [Close(300, 0, "bye")]
    assert not alone.session.finished()
    alone.session.lost(OSError())
    assert alone.session.ending == Ending("unanswered", 300, "bye", False, 0, 0, 0)


def test_where_there_is_no_room_the_connection_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Alone()

    def starve(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mezha.session.inbox.Inbox.feed", starve)
    with pytest.raises(MemoryError):
        alone.hears(MESSAGE)
    alone.hears(MESSAGE)
    with pytest.raises(ConnectionLost, match="MemoryError"):
        alone.session.take()


def test_what_comes_after_a_fault_while_closing_is_said_if_nothing_has_been() -> None:
    alone = Alone()
    alone.session.send(bytes(1_000_000))
    alone.session.close(300, "bye")
    alone.hears(bytes(4))
    (goodbye,) = alone.says()
    assert isinstance(goodbye, Close)
    assert goodbye.code == Code.PROTOCOL_ERROR
    alone = Alone()
    alone.session.close(300, "bye")
    alone.says()
    alone.hears(bytes(4))
    assert alone.says() == []
    assert encode_frame(goodbye)
