"""Framed, in virtual time: what it hands out, what it keeps, when it gives up, and what it says in every state."""

import inspect
import tracemalloc
from array import array
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from stuffed_framings import Stuffed

from mezha import engine as engine_module
from mezha.engine import Engine, Framed, State, as_view
from mezha.errors import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    FramingError,
    LocalProtocolError,
    MessageTooLarge,
    MessageTooSlow,
    MezhaError,
    RemoteProtocolError,
    TruncatedMessage,
)
from mezha.framing import Data, Decoder, Delimited, FixedSize, Framing, LengthPrefixed, Lines, Netstring, Skipping
from mezha.limits import Limits, Timeouts
from mezha.testing import laws
from mezha.testing.strategies import FRAMINGS, cuttings, messages, streams

every_framing = pytest.mark.parametrize("kind", FRAMINGS, ids=lambda kind: kind.__name__)

PREFIXED = LengthPrefixed(4)


def framed(message: bytes, framing: Framing = PREFIXED) -> bytes:
    """What a message is on the wire."""
    return b"".join(framing.encode(message))


def reset() -> ConnectionResetError:
    return ConnectionResetError(104, "Connection reset by peer")


# -- what a bare framing has no use for --------------------------------------------------------------------------------


def test_a_bare_framing_says_nothing_of_its_own() -> None:
    engine = Framed(Lines())
    engine.begin(1.0)
    assert (engine.unattended, list(engine.events), engine.deadline()) == (False, [], None)
    assert engine.clear(1 << 40)
    assert engine.end()  # the byte stream
    engine.close(7, "enough")
    assert engine.finished()
    assert (engine.outgoing_size, engine.outgoing()) == (0, [])


# -- sending -----------------------------------------------------------------------------------------------------------


def test_small_messages_leave_as_one_buffer() -> None:
    engine = Framed(Lines())
    assert engine.outgoing() == []
    for message in (b"one", bytearray(b"two"), memoryview(b"three"), b""):
        engine.send(message)
    assert engine.outgoing_size == 15
    assert engine.outgoing() == [b"one\ntwo\nthree\n\n"]
    assert (engine.outgoing_size, engine.outgoing()) == (0, [])


def test_large_messages_leave_as_they_are() -> None:
    engine = Framed(PREFIXED)
    large, small = bytes(8192), bytes(8191)
    for message in (b"a", large, b"b", small, large, large):
        engine.send(message)
    size = engine.outgoing_size
    buffers = engine.outgoing()
    header = (8192).to_bytes(4, "big")
    assert buffers == [framed(b"a") + header, large, framed(b"b") + framed(small) + header, large, header, large]
    assert [buffer is large for buffer in buffers] == [False, True, False, True, False, True]
    assert size == sum(map(len, buffers))


def test_a_large_buffer_is_not_copied() -> None:
    engine = Framed(PREFIXED)
    message = bytearray(10_000)
    engine.send(message)
    message[0] = 7
    assert engine.outgoing()[1][0] == 7
    engine.send(message)
    with pytest.raises(BufferError):  # kept by reference
        message.append(1)


@every_framing
@given(data=st.data())
def test_whatever_is_sent_leaves_in_order(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    some = data.draw(st.lists(messages(framing), max_size=5))
    engine = Framed(framing)
    for message in some:
        engine.send(message)
    assert b"".join(engine.outgoing()) == b"".join(framed(message, framing) for message in some)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            b"sixsix",
            (
                "the message has 6 bytes, and the limit of this side is 5: nothing was sent. "
                "Raise it on both sides, Limits(max_message=...)"
            ),
        ),
        (b"a\nb", "the message has a line feed in it, at byte 1, and would arrive as two: nothing was sent"),
    ],
)
def test_a_refused_message_leaves_no_trace(message: bytes, text: str) -> None:
    engine = Framed(Lines(), limits=Limits(max_message=5))
    engine.send(b"three")
    for kind in (bytes, bytearray, memoryview):
        with pytest.raises(LocalProtocolError) as caught:
            engine.send(kind(message))
        assert str(caught.value) == text
    engine.send(b"two")
    assert engine.state is State.OPEN
    assert (engine.outgoing_size, engine.outgoing()) == (10, [b"three\ntwo\n"])


def test_a_message_holds_bytes() -> None:
    engine = Framed(PREFIXED)
    with pytest.raises(TypeError, match=r"a message is bytes, and this is text: encode it first, as in message.encode"):
        engine.send("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    for wrong in (5, None, [1], memoryview(b"abcd")[::2]):
        with pytest.raises(TypeError):
            engine.send(wrong)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert engine.outgoing() == []
    engine.send(memoryview(array("H", [0x0101, 0x0202])))
    engine.send(array("H", [0x0303]))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert engine.outgoing() == [b"\0\0\0\4\1\1\2\2\0\0\0\2\3\3"]


def test_a_view_copies_nothing() -> None:
    data = array("H", [0, 1])
    view = as_view(data)
    data[0] = 0x0505
    assert bytes(view[:2]) == b"\5\5"
    assert len(view) == 4
    with pytest.raises(TypeError, match="encode it first"):
        as_view("text")


# -- receiving ---------------------------------------------------------------------------------------------------------


@every_framing
@given(data=st.data())
def test_an_engine_hands_out_what_a_decoder_does(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    stream, limit = data.draw(streams(framing))
    ended, count = data.draw(st.booleans()), data.draw(st.integers(1, 3))
    expected = laws.known(framing, stream, limit)
    engine = Framed(framing, limits=Limits(max_message=limit))
    got: list[bytes] = []
    error: MezhaError | None = None
    for piece in (*data.draw(cuttings(stream)), *([b""] if ended else [])):
        engine.receive(piece, 0.0)
        try:
            while run := engine.take(count):
                assert len(run) <= count
                got += run
        except MezhaError as caught:
            error = caught
    assert got == expected.messages
    if expected.fault:
        assert isinstance(error, RemoteProtocolError)
        assert laws.fault_of(error) == expected.fault
        assert engine.state is State.FAILED
    elif not ended:
        assert error is None
        assert engine.unused() == stream[expected.starts[-1] :]
        assert engine.state is State.OPEN
    elif len(stream) > expected.starts[-1]:
        assert isinstance(error, TruncatedMessage)
        assert error.received == len(stream) - expected.starts[-1]
        assert engine.state is State.FAILED
    else:
        assert isinstance(error, ClosedByPeer)
        assert str(error) == "the peer has ended its stream; everything it sent has been received"
        assert engine.state is State.PEER_ENDED


def test_nothing_wanted_is_no_end() -> None:
    engine = Framed(Lines())
    engine.receive(b"one\n", 0.0)
    engine.receive(b"", 0.0)
    assert engine.take(0) == []
    assert engine.take() == [b"one"]
    with pytest.raises(ClosedByPeer):
        engine.take()


def test_what_is_received_is_copied() -> None:
    engine = Framed(Lines())
    buffer = bytearray(b"one\ntw")
    engine.receive(memoryview(buffer), 0.0)
    buffer[:] = b"------"
    assert engine.take() == [b"one"]
    assert engine.unused() == b"tw"


def test_a_framing_that_no_limit_fits_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="raise max_message to that or more"):
        Framed(FixedSize(100), limits=Limits(max_message=99))


# -- full --------------------------------------------------------------------------------------------------------------


def test_reading_stops_when_the_inbox_is_full_and_goes_on_when_most_is_taken() -> None:
    engine = Framed(FixedSize(10), limits=Limits(inbox=100))
    engine.receive(bytes(99), 0.0)
    assert not engine.full()
    engine.receive(bytes(1), 0.0)
    assert engine.full()
    engine.take(7)
    assert engine.full()  # 30 bytes are left, more than a quarter
    engine.take()
    assert not engine.full()  # 20
    engine.receive(bytes(70), 0.0)
    assert not engine.full()  # 90: it has to be filled again to be full again
    engine.receive(bytes(10), 0.0)
    assert engine.full()


def test_an_unfinished_message_may_be_larger_than_the_inbox() -> None:
    engine = Framed(PREFIXED, limits=Limits(inbox=100))
    wire = framed(bytes(1000))
    engine.receive(wire[:-1], 0.0)
    assert not engine.full()
    engine.receive(wire[-1:], 0.0)
    assert engine.full()
    engine.take()
    assert not engine.full()


def test_a_fault_fills_the_inbox_as_a_message_does() -> None:
    engine = Framed(Netstring(), limits=Limits(inbox=10))
    engine.receive(b"1:a,not at all", 0.0)
    assert engine.full()
    assert engine.take(9) == [b"a"]
    assert engine.full()
    with pytest.raises(FramingError):
        engine.take()
    before = engine.unused()
    engine.receive(b"what comes then is thrown away", 0.0)
    assert engine.unused() == before


@given(st.integers(1, 40), st.lists(st.integers(1, 30), min_size=1, max_size=30))
def test_memory_is_bounded_by_inbox_and_one_message(inbox: int, reads: list[int]) -> None:
    engine = Framed(FixedSize(25), limits=Limits(inbox=inbox))
    for size in reads:
        if not engine.full():
            engine.receive(bytes(size), 0.0)
        assert len(engine.unused()) < max(inbox, 25) + 30


# -- deadlines, in virtual time ----------------------------------------------------------------------------------------


def play(engine: Engine, arrivals: Iterable[tuple[float, bytes]], until: float) -> float | None:
    """Be a driver that reads at once and keeps deadlines; return when the peer was given up, if it was."""
    for now, data in (*arrivals, (until, None)):
        while (deadline := engine.deadline()) is not None and deadline <= now:
            engine.expire(deadline)
            if engine.state is State.FAILED:
                return deadline
        if data is not None:
            engine.receive(data, now)
            if not engine.full():
                engine.take(1 << 62)
    return None


def test_a_byte_now_and_then_keeps_no_connection_busy() -> None:
    wire = framed(bytes(1000))
    drip = [(float(second), wire[second : second + 1]) for second in range(1004)]
    assert play(Framed(PREFIXED), drip, 2000.0) == 10 + 11 / 1024
    assert play(Framed(PREFIXED, timeouts=Timeouts(message=3.0, min_rate=2.0)), drip, 2000.0) == 3 + 6 / 2
    assert play(Framed(PREFIXED, timeouts=Timeouts(message=3.0, min_rate=1.0)), drip, 2000.0) is None


def test_a_large_message_over_a_slow_line_passes() -> None:
    wire = framed(bytes(1 << 20))
    steady = [(second, wire[second * 1024 : second * 1024 + 1024]) for second in range(1025)]
    engine = Framed(PREFIXED)
    assert play(engine, steady[:-1], 1024.0) is None
    engine.receive(wire[-4:], 1024.0)
    assert engine.take() == [bytes(1 << 20)]
    slower = [(second * 1.5, data) for second, data in steady]
    gave_up = play(Framed(PREFIXED), slower, 2000.0)
    assert gave_up is not None
    assert 30 <= gave_up <= 33  # half a second is lost each second, and ten there were


def test_the_error_says_how_slow() -> None:
    engine = Framed(PREFIXED, timeouts=Timeouts(message=2.0))
    engine.receive(b"\0\0\0\x08abc", 5.0)
    assert engine.deadline() == 7 + 7 / 1024
    engine.expire(7.0)
    assert engine.take() == []  # not yet
    engine.expire(7.25)
    for now in (8.0, 9.0):
        assert engine.state is State.FAILED
        assert engine.deadline() is None
        with pytest.raises(MessageTooSlow) as caught:
            engine.take()
        assert str(caught.value) == (
            "the peer began a message 2.25 s ago and has sent 7 bytes of it, less than the time-out allows "
            "(Timeouts.message, min_rate)"
        )
        assert (caught.value.received, caught.value.seconds) == (7, 2.25)
        engine.receive(b"de", now)  # too late
        engine.expire(now + 100)


def test_filler_may_go_on_for_ever_and_is_no_message_that_is_late() -> None:
    engine = Framed(Stuffed())
    for now in range(100):
        engine.receive(b"|" * 100, float(now))
        assert engine.deadline() is None
        assert engine.unused() == b""
    engine.receive(b"|ab", 100.0)
    assert engine.deadline() == 100 + 10 + 2 / 1024
    engine.receive(b"c|||", 101.0)
    assert engine.take(9) == [b"abc"]
    assert engine.deadline() is None
    engine.receive(b"", 102.0)
    with pytest.raises(ClosedByPeer):
        engine.take()


def test_between_messages_there_is_no_hurry() -> None:
    engine = Framed(PREFIXED)
    assert engine.deadline() is None
    engine.expire(1000.0)
    engine.receive(framed(b"one"), 1000.0)
    assert engine.deadline() is None
    engine.take()
    assert engine.deadline() is None
    engine.expire(9000.0)
    assert engine.state is State.OPEN


def test_a_whole_message_is_never_late() -> None:
    engine = Framed(PREFIXED)
    engine.receive(framed(b"one") + framed(b"two"), 0.0)
    assert engine.deadline() is None
    engine.expire(1000.0)
    assert engine.take(2) == [b"one", b"two"]


def test_a_fault_is_never_late() -> None:
    engine = Framed(PREFIXED)
    engine.receive(b"GET / HTTP/1.1", 0.0)
    assert engine.deadline() is None
    engine.expire(1000.0)
    with pytest.raises(MessageTooLarge):
        engine.take()


def test_after_the_end_nothing_is_late() -> None:
    engine = Framed(PREFIXED)
    engine.receive(b"\0\0", 0.0)
    engine.receive(b"", 1.0)
    assert engine.deadline() is None
    engine.expire(1000.0)
    with pytest.raises(TruncatedMessage):
        engine.take()


def test_a_message_behind_another_has_begun_when_it_arrived() -> None:
    engine = Framed(PREFIXED)
    engine.receive(framed(b"one")[:3], 0.0)
    engine.receive(framed(b"one")[3:] + b"\0", 9.0)
    assert engine.take() == [b"one"]
    assert engine.deadline() == 19 + 1 / 1024
    engine.receive(b"\0", 18.0)
    assert engine.deadline() == 19 + 2 / 1024


def test_a_message_that_waits_gives_the_one_behind_it_no_time() -> None:
    engine = Framed(PREFIXED)
    engine.receive(framed(b"one") + b"\0", 0.0)
    assert engine.deadline() is None
    engine.take()  # a hundred seconds later, while the peer could have gone on
    assert engine.deadline() == 10 + 1 / 1024
    engine.expire(100.0)
    assert engine.state is State.FAILED


@pytest.mark.parametrize("door", ["pop", "take"])
def test_a_message_in_pieces_has_the_time_of_its_first_however_the_one_before_was_taken(door: str) -> None:
    engine = Framed(PREFIXED)
    engine.receive(framed(b"one") + b"\0", 0.0)
    assert getattr(engine, door)() in (b"one", [b"one"])
    engine.receive(b"\0", 5.0)
    assert engine.deadline() == 10 + 2 / 1024


def test_a_new_message_has_its_own_time() -> None:
    engine = Framed(PREFIXED)
    engine.receive(framed(b"one"), 0.0)
    engine.take()
    engine.receive(b"\0", 50.0)
    assert engine.deadline() == 60 + 1 / 1024


@pytest.mark.parametrize("resumed_by_reading", [False, True])
def test_while_we_do_not_read_the_peer_has_time(resumed_by_reading: bool) -> None:
    engine = Framed(PREFIXED, limits=Limits(inbox=100))
    engine.receive(framed(bytes(100)) + b"\0", 0.0)
    assert engine.full()  # the driver stops reading, and the user takes a minute
    engine.take()
    assert not engine.full()
    assert engine.deadline() == 10 + 1 / 1024  # of this the driver may hear before it has read what is there
    if resumed_by_reading:
        engine.receive(b"\0", 60.0)
    else:
        engine.expire(60.0)
    assert engine.state is State.OPEN
    deadline = 70 + (2 if resumed_by_reading else 1) / 1024
    assert engine.deadline() == deadline
    engine.expire(deadline)
    assert engine.state.value == "failed"


@pytest.mark.parametrize("framing", [Lines(), Delimited(b"!")], ids=str)
def test_a_framing_may_have_its_own_idea_of_time(framing: Framing) -> None:
    drip = [(second * 100.0, b"x") for second in range(100)]
    assert play(Framed(framing), drip, 1e6) is None
    assert play(Framed(framing, timeouts=Timeouts()), drip, 1e6) == 10 + 1 / 1024
    assert play(Framed(PREFIXED, timeouts=Timeouts(message=None)), [(0.0, b"\0")], 1e6) is None


@given(
    pauses=st.lists(st.tuples(st.sampled_from((0.0, 0.5, 1.0, 4.0, 9.0)), st.integers(1, 40)), max_size=20),
    rate=st.sampled_from((1.0, 8.0, 1024.0)),
)
def test_the_peer_is_given_up_when_it_is_slow_and_only_then(pauses: list[tuple[float, int]], rate: float) -> None:
    wire = framed(bytes(1000))
    arrivals = [(0.0, wire[:1])]
    given_up_at = 8 + 1 / rate
    now, received = 0.0, 1
    for pause, size in pauses:
        now += pause
        arrivals.append((now, wire[received : received + size]))
        received += size
        if now < given_up_at:
            given_up_at = 8 + received / rate
    assert play(Framed(PREFIXED, timeouts=Timeouts(message=8.0, min_rate=rate)), arrivals, 1e6) == given_up_at


# -- the end -----------------------------------------------------------------------------------------------------------


def test_what_arrived_before_the_connection_broke_is_handed_out_first() -> None:
    engine = Framed(Lines())
    engine.receive(b"one\ntw", 0.0)
    cause = reset()
    engine.lost(cause)
    engine.lost(OSError("another one, later"))
    assert engine.state is State.FAILED
    assert engine.take() == [b"one"]
    assert engine.take() == []
    engine.receive(b"o\nthree\n", 0.0)
    engine.receive(b"", 0.0)
    assert engine.take() == [b"two"]
    with pytest.raises(ConnectionLost, match=r"reset by peer$") as sending:  # "three" is whole, and still to come
        engine.send(b"reply")
    assert sending.value.__cause__ is cause
    assert engine.take() == [b"three"]
    errors: list[Exception] = []
    for _ in range(2):
        with pytest.raises(ConnectionLost) as caught:
            engine.take()
        assert str(caught.value) == "the connection was lost: [Errno 104] Connection reset by peer"
        assert caught.value.__cause__ is cause
        errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_a_connection_that_broke_inside_a_message_is_lost_and_not_truncated() -> None:
    engine = Framed(Lines())
    engine.receive(b"one\ntw", 0.0)
    cause = TimeoutError()
    engine.lost(cause)
    engine.receive(b"", 0.0)
    assert engine.take(9) == [b"one"]
    for _ in range(2):
        with pytest.raises(ConnectionLost) as caught:
            engine.take()
        assert str(caught.value) == (
            "the connection was lost: TimeoutError; 2 bytes of an unfinished message had arrived"
        )
        assert caught.value.__cause__ is cause
    assert engine.unused() == b"tw"


def test_a_fault_before_the_break_is_told_as_a_fault() -> None:
    engine = Framed(Netstring())
    engine.receive(b"GET", 0.0)
    engine.lost(reset())
    engine.receive(b"", 0.0)
    with pytest.raises(FramingError, match="begins with digits"):
        engine.take()


def test_an_orderly_end_stays_one_when_sending_fails_later() -> None:
    engine = Framed(Lines())
    engine.receive(b"one\n", 0.0)
    engine.receive(b"", 0.0)
    engine.lost(BrokenPipeError(32, "Broken pipe"))
    assert engine.state is State.CLOSED
    with pytest.raises(ConnectionLost, match="Broken pipe"):
        engine.send(b"reply")
    assert engine.take() == [b"one"]
    with pytest.raises(ClosedByPeer):
        engine.take()


def test_the_end_inside_a_message() -> None:
    engine = Framed(PREFIXED)
    engine.receive(framed(b"one") + framed(b"two")[:-1], 0.0)
    engine.receive(b"", 1.0)
    assert engine.take(9) == [b"one"]
    for _ in range(2):
        with pytest.raises(TruncatedMessage) as caught:
            engine.take()
        assert (caught.value.received, caught.value.needed) == (6, 7)
        assert engine.state is State.FAILED
    engine.send(b"a last word")
    assert engine.outgoing() == [framed(b"a last word")]


def test_what_is_queued_survives_the_end_of_this_side() -> None:
    engine = Framed(Lines())
    engine.send(b"last")
    engine.end()
    assert engine.outgoing() == [b"last\n"]


def test_a_closed_engine_keeps_what_was_not_used() -> None:
    engine = Framed(Lines())
    engine.receive(b"one\ntwo\nthr", 0.0)
    assert engine.take() == [b"one"]
    engine.close()
    assert engine.unused() == b"two\nthr"


# -- every method in every state ---------------------------------------------------------------------------------------


def peer_ends(engine: Engine) -> None:
    engine.receive(b"", 0.0)


def breaks(engine: Engine) -> None:
    engine.lost(reset())


def we_end(engine: Engine) -> None:
    engine.end()


def we_close(engine: Engine) -> None:
    engine.close()


def reads_garbage(engine: Engine) -> None:
    engine.receive(b"x", 0.0)
    with pytest.raises(FramingError):
        engine.take()


def waits_in_vain(engine: Engine) -> None:
    engine.receive(b"1", 0.0)
    engine.expire(1000.0)


Steps = tuple[Callable[[Engine], object], ...]

#: How to get somewhere, where that is, and what send() and take() do there: None is that they work, if to no effect.
STATES: list[tuple[Steps, State, type[MezhaError] | None, type[MezhaError] | None]] = [
    ((), State.OPEN, None, None),
    ((peer_ends,), State.PEER_ENDED, None, ClosedByPeer),
    ((we_end,), State.WE_ENDED, ClosedByUs, None),
    ((we_end, peer_ends), State.CLOSED, ClosedByUs, ClosedByPeer),
    ((peer_ends, we_end), State.CLOSED, ClosedByUs, ClosedByPeer),
    ((we_close,), State.CLOSED, ClosedByUs, ClosedByUs),
    ((peer_ends, we_close), State.CLOSED, ClosedByUs, ClosedByUs),
    ((we_end, we_close), State.CLOSED, ClosedByUs, ClosedByUs),
    ((we_close, peer_ends), State.CLOSED, ClosedByUs, ClosedByUs),
    ((we_close, breaks), State.CLOSED, ClosedByUs, ClosedByUs),
    ((breaks,), State.FAILED, ConnectionLost, None),
    ((breaks, peer_ends), State.FAILED, ConnectionLost, ConnectionLost),
    ((breaks, we_end, peer_ends), State.FAILED, ConnectionLost, ConnectionLost),
    ((we_end, breaks, peer_ends), State.FAILED, ConnectionLost, ConnectionLost),
    ((peer_ends, breaks), State.CLOSED, ConnectionLost, ClosedByPeer),
    ((breaks, we_close), State.CLOSED, ClosedByUs, ClosedByUs),
    ((reads_garbage,), State.FAILED, None, FramingError),
    ((reads_garbage, peer_ends), State.FAILED, None, FramingError),
    ((reads_garbage, breaks, peer_ends), State.FAILED, ConnectionLost, FramingError),
    ((reads_garbage, we_end), State.FAILED, ClosedByUs, FramingError),
    ((reads_garbage, we_close), State.CLOSED, ClosedByUs, ClosedByUs),
    ((waits_in_vain,), State.FAILED, None, MessageTooSlow),
    ((waits_in_vain, peer_ends), State.FAILED, None, MessageTooSlow),
    ((waits_in_vain, we_end), State.FAILED, ClosedByUs, MessageTooSlow),
    ((waits_in_vain, breaks), State.FAILED, ConnectionLost, MessageTooSlow),
    ((waits_in_vain, we_close), State.CLOSED, ClosedByUs, ClosedByUs),
]


@pytest.mark.parametrize(
    ("steps", "state", "send", "take"), STATES, ids=[" ".join(step.__name__ for step in steps) for steps, *_ in STATES]
)
def test_every_method_in_every_state(
    steps: Steps, state: State, send: type[MezhaError] | None, take: type[MezhaError] | None
) -> None:
    engine = Framed(Netstring())
    for step in steps:
        step(engine)
    assert engine.state is state
    for _ in range(2):  # nothing of this changes anything
        for call, expected in ((lambda: engine.send(b"after"), send), (engine.take, take)):
            if expected is None:
                assert not call()
            else:
                with pytest.raises(MezhaError) as caught:
                    call()
                assert type(caught.value) is expected
                assert str(caught.value)
        assert engine.deadline() is None
        assert not engine.full()
        engine.expire(1e9)
        assert engine.unused() == (b"x" if reads_garbage in steps else b"1" if waits_in_vain in steps else b"")
        assert engine.outgoing_size == (0 if send else 8)
        assert engine.outgoing() == ([] if send else [b"5:after,"])
    assert engine.state is state


# -- what a framing forgives -------------------------------------------------------------------------------------------


def test_what_the_framing_forgives_is_no_end() -> None:
    told: list[RemoteProtocolError] = []
    engine = Framed(Skipping(Lines()), limits=Limits(max_message=3), tell=told.append)
    assert engine.forgiven == 0
    engine.receive(b"one\nthree", 0.0)
    assert engine.take(9) == [b"one"]
    assert (engine.forgiven, told) == (0, [])
    assert engine.take(9) == []
    assert (engine.forgiven, engine.state) == (1, State.OPEN)
    assert isinstance(told[0], MessageTooLarge)
    engine.receive(b" and more\nsix\n", 1.0)
    assert engine.take(9) == [b"six"]
    engine.receive(b"", 2.0)
    with pytest.raises(ClosedByPeer):
        engine.take()
    assert engine.forgiven == len(told) == 1


def test_nobody_need_be_told() -> None:
    engine = Framed(Skipping(Lines()), limits=Limits(max_message=3))
    engine.receive(b"three\nsix\n", 0.0)
    assert (engine.take(9), engine.forgiven) == ([b"six"], 1)
    assert Framed(Lines()).forgiven == 0


@pytest.mark.parametrize("broken", [True, False])
def test_the_end_inside_a_message_that_is_skipped_is_none_in_order(broken: bool) -> None:
    engine = Framed(Skipping(LengthPrefixed(1)), limits=Limits(max_message=3))
    engine.receive(b"\5thr", 0.0)
    assert engine.take() == []
    assert engine.unused() == b""
    if broken:
        engine.lost(ConnectionResetError("reset"))
    engine.receive(b"", 1.0)
    for _ in range(2):
        with pytest.raises(ConnectionLost if broken else TruncatedMessage) as caught:
            engine.take()
        assert broken == ("; 4 bytes of an unfinished message had arrived" in str(caught.value))
    assert engine.state is State.FAILED


def test_what_is_skipped_does_not_fill_the_inbox() -> None:
    engine = Framed(Skipping(LengthPrefixed()), limits=Limits(max_message=3, inbox=100))
    engine.receive((10_000).to_bytes(4, "big") + bytes(200), 0.0)
    assert engine.full()  # it is for take() to forgive
    assert engine.take() == []
    for _ in range(97):
        engine.receive(bytes(100), 1.0)
        assert not engine.full()
        assert engine.unused() == b""
        assert engine.deadline() is None
    engine.receive(bytes(100) + b"\0\0\0\1a", 1.0)
    assert engine.take() == [b"a"]


def test_why_this_side_cannot_send() -> None:
    ended, closed = Framed(Lines()), Framed(Lines())
    ended.end()
    closed.close()
    with pytest.raises(ClosedByUs, match=r"^this side has ended its stream: nothing more can be sent, only received$"):
        ended.send(b"")
    with pytest.raises(ClosedByUs, match=r"^this connection was closed on this side$"):
        closed.send(b"")
    with pytest.raises(ClosedByUs, match=r"^this connection was closed on this side$"):
        closed.take()


def test_every_state_has_a_name() -> None:
    assert [state.value for state in State] == ["open", "peer ended", "we ended", "closed", "failed"]
    assert {state for _, state, *_ in STATES} == set(State)


def test_an_engine_is_an_interface() -> None:
    assert inspect.isabstract(Engine)
    public = {name for name in vars(Engine) if not name.startswith("_")}
    assert public == Engine.__abstractmethods__ | {"events"}
    attributes = {"push", "pop", "idle", "space", "unattended"}
    assert {name for name in vars(Framed) if not name.startswith("_")} == Engine.__abstractmethods__ | attributes


def test_a_bare_framing_has_nothing_but_messages() -> None:
    assert not Framed(Lines()).events


def test_an_engine_knows_no_observer() -> None:
    assert "observe" not in inspect.getsource(engine_module).lower()
    assert not hasattr(Framed(Lines()), "__dict__")


def test_an_idle_engine_is_small() -> None:
    tracemalloc.start()
    try:
        engines = [Framed(Lines(), limits=Limits(), timeouts=Timeouts()) for _ in range(100)]
        for engine in engines:
            engine.receive(b"x" * 10_000 + b"\n", 0.0)
            engine.take()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / len(engines) < 2000


# -- against a model ---------------------------------------------------------------------------------------------------


class Starving(Decoder):
    """There is memory for a few bytes at once only."""

    def feed(self, data: Data) -> None:
        if len(data) > 10:
            raise MemoryError
        super().feed(data)


class Scarce(Lines):
    def decoder(self, *, limit: int = 1000) -> Decoder:
        return Starving(self, limit=limit)


def test_what_finds_no_memory_loses_the_connection() -> None:
    engine = Framed(Scarce())
    engine.receive(b"one\ntw", now=0)
    with pytest.raises(MemoryError):
        engine.receive(b"o\nthree\nfour\n", now=1)
    engine.receive(b"five\n", now=2)  # what would stand there was another message
    assert engine.take(9) == [b"one"]
    with pytest.raises(ConnectionLost) as lost:
        engine.take()
    assert isinstance(lost.value.__cause__, MemoryError)
    with pytest.raises(ConnectionLost):
        engine.send(b"six")


class FramedAgainstModel(RuleBasedStateMachine):
    """A connection in virtual time, and beside it a model: the bytes that arrived, and how many messages were taken."""

    GRACE, RATE, INBOX, LIMIT = 10.0, 4.0, 40, 12

    @initialize(framing=st.one_of(*FRAMINGS.values()))
    def begin(self, framing: Framing) -> None:
        self.limit = max(self.LIMIT, framing.size if isinstance(framing, FixedSize) else 0)
        self.framing = framing
        self.engine = Framed(
            framing,
            limits=Limits(max_message=self.limit, inbox=self.INBOX),
            timeouts=Timeouts(message=self.GRACE, min_rate=self.RATE),
        )
        self.now = 0.0
        self.way = bytearray()  # sent by the peer, not arrived
        self.arrived = b""
        self.times: list[float] = []  # when each byte arrived
        self.taken = 0
        self.fault_seen = False
        self.paused = False
        self.peer_ended = self.we_ended = self.closed = self.slow = self.lost = self.cut = False
        self.sent = b""
        self.out = b""

    # what the peer and the network do

    @rule(data=st.data())
    def the_peer_sends_a_message(self, data: st.DataObject) -> None:
        message = data.draw(messages(self.framing))
        if len(message) <= self.limit:
            self.way += framed(message, self.framing)

    @rule(noise=st.binary(min_size=1, max_size=6), likely=st.integers(0, 9))
    def the_peer_sends_noise(self, noise: bytes, likely: int) -> None:
        if not likely:
            self.way += noise

    @precondition(lambda self: self.way and not self.peer_ended)
    @rule(size=st.integers(1, 50), pause=st.sampled_from((0.0, 0.5, 3.0, 12.0)))
    def bytes_arrive(self, size: int, pause: float) -> None:
        if self.engine.full():
            return
        self.time_passes(pause)
        piece = bytes(self.way[:size])
        del self.way[:size]
        self.engine.receive(piece, self.now)
        if not self.fault_seen and not self.closed:  # what comes after that is thrown away
            self.arrived += piece
            self.times += [self.now] * len(piece)

    @precondition(lambda self: not self.peer_ended)
    @rule(likely=st.integers(0, 9))
    def the_peer_ends(self, likely: int) -> None:
        if not likely:
            self.engine.receive(b"", self.now)
            self.peer_ended = True

    @rule(likely=st.integers(0, 9))
    def the_connection_breaks(self, likely: int) -> None:
        if not likely:
            self.engine.lost(reset())
            self.cut = self.cut or not (self.peer_ended or self.lost)
            self.lost = True

    @rule(pause=st.sampled_from((1.0, 5.0, 20.0)))
    def time_passes(self, pause: float) -> None:
        then = self.now + pause
        while not self.slow and (deadline := self.engine.deadline()) is not None and deadline <= then:
            self.now = max(self.now, deadline)
            self.engine.expire(self.now)
            if self.engine.deadline() is None:
                self.slow = True
            else:
                assert self.paused, "a deadline passed, and nothing happened"
                self.paused = False
        self.now = then

    # what the user does

    @rule(message=st.binary(max_size=14))
    def we_send(self, message: bytes) -> None:
        expected: type[Exception] | None = None
        if self.closed or (self.we_ended and not self.lost):
            expected = ClosedByUs
        elif self.lost:
            expected = ConnectionLost
        elif len(message) > self.limit or laws.refuses(self.framing, message):
            expected = LocalProtocolError
        if expected:
            with pytest.raises(expected):
                self.engine.send(message)
        else:
            self.engine.send(message)
            self.sent += framed(message, self.framing)

    @rule()
    def we_put_it_on_the_wire(self) -> None:
        size = self.engine.outgoing_size
        out = b"".join(self.engine.outgoing())
        assert len(out) == size
        self.out += out
        assert self.out == self.sent

    @rule(count=st.integers(1, 4))
    def we_take(self, count: int) -> None:
        known = self.known()
        expected = known.messages[self.taken : self.taken + count]
        left = len(self.arrived) - known.starts[-1]
        error: type[Exception] | None = None
        if self.closed:
            error = ClosedByUs
        elif self.slow:
            error = MessageTooSlow
        elif expected:
            pass
        elif known.fault:
            error = known.fault.kind
            self.fault_seen = True
        elif self.peer_ended:
            error = ConnectionLost if self.cut else TruncatedMessage if left else ClosedByPeer
            self.fault_seen = bool(left)
        if error:
            with pytest.raises(error) as caught:
                self.engine.take(count)
            assert type(caught.value) is error
            assert (caught.value.__cause__ is not None) == (error is ConnectionLost)
        else:
            assert self.engine.take(count) == expected
            self.taken += len(expected)

    @rule(likely=st.integers(0, 9))
    def we_end(self, likely: int) -> None:
        if not likely:
            self.engine.end()
            self.we_ended = True

    @rule(likely=st.integers(0, 19))
    def we_close(self, likely: int) -> None:
        if not likely:
            self.engine.close()
            self.closed = True

    # what holds at any time

    def known(self) -> laws.Knowledge:
        return laws.known(self.framing, self.arrived, self.limit)

    @invariant()
    def the_state_says_how_things_are(self) -> None:
        if not hasattr(self, "engine"):
            return
        if self.closed:
            state = State.CLOSED
        elif self.fault_seen or self.cut or self.slow:
            state = State.FAILED
        elif self.peer_ended:
            state = State.CLOSED if self.we_ended or self.lost else State.PEER_ENDED
        else:
            state = State.WE_ENDED if self.we_ended else State.OPEN
        assert self.engine.state is state

    @invariant()
    def what_was_not_handed_out_is_there(self) -> None:
        if hasattr(self, "engine"):
            known = self.known()
            rest = self.engine.unused()
            if not self.slow:
                assert self.arrived.endswith(rest)
                assert [0, *known.ends][self.taken] <= len(self.arrived) - len(rest) <= known.starts[self.taken]

    @invariant()
    def reading_stops_only_for_something_to_take(self) -> None:
        if hasattr(self, "engine") and not self.slow:
            full = self.engine.full()
            known = self.known()
            buffered = len(self.arrived) - known.starts[self.taken]
            ready = len(known.messages) > self.taken or known.fault or (self.peer_ended and buffered)
            if full:
                self.paused = True
                assert ready
                assert len(self.arrived) - [0, *known.ends][self.taken] >= self.INBOX // 4
            else:
                assert buffered < self.INBOX or not ready

    @invariant()
    def a_deadline_is_for_an_unfinished_message_and_its_time_is_fair(self) -> None:
        if not hasattr(self, "engine"):
            return
        deadline = self.engine.deadline()
        known = self.known()
        start = known.starts[self.taken]
        unfinished = len(known.messages) == self.taken and not known.fault and start < len(self.arrived)
        assert (deadline is not None) == (unfinished and not self.peer_ended and not self.slow)
        if deadline is not None:
            allowed = self.GRACE + (len(self.arrived) - start) / self.RATE
            assert deadline >= self.times[start] + allowed
            if not self.paused:
                assert deadline <= max(self.now, self.times[-1]) + allowed


FramedAgainstModel.TestCase.settings = settings(stateful_step_count=40)
TestFramedAgainstModel = FramedAgainstModel.TestCase
