"""Wire: whatever the network does, the engines get what a network would give them, at the time it would."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network import lines

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    Framing,
    LengthPrefixed,
    Limits,
    Lines,
    LocalProtocolError,
    MessageTooSlow,
    Observer,
    Timeouts,
    TruncatedMessage,
)
from mezha.engine import Framed, State
from mezha.framing import Data
from mezha.observe import Observed
from mezha.testing import Line, Wire
from mezha.testing.driver import Event
from mezha.testing.strategies import FRAMINGS, messages
from mezha.testing.wire import Side

U32 = LengthPrefixed(4)


def wire_of(line: Line | None = None, back: Line | None = None, *, framing: Framing = U32, seed: int = 7) -> Wire:
    left, right = (Framed(framing, timeouts=Timeouts(message=None)) for _ in range(2))
    return Wire(left, right, line, back, seed=seed)


def everything_before(side: Side, *errors: type[Exception]) -> list[bytes]:
    """Take what is here, up to one of these errors."""
    got: list[bytes] = []
    try:
        while messages := side.take():
            got += messages
    except errors:
        return got
    raise AssertionError("nothing is here, and no error")


def everything(side: Side) -> list[bytes]:
    """Take what is here."""
    return list(itertools.chain.from_iterable(iter(side.take, [])))


def heard(wire: Wire) -> list[str]:
    """What happened on both sides, but for bytes sent and read."""
    return [f"{event.side} {event.what}" for event in wire.trace if not event.size]


# -- messages ---------------------------------------------------------------------------------------------------------


@given(st.data(), lines(), lines(), st.integers(0, 9))
def test_messages_arrive_whole_and_in_order_both_ways(data: st.DataObject, line: Line, back: Line, seed: int) -> None:
    framing = data.draw(st.one_of(*FRAMINGS.values()))
    wire = wire_of(line, back, framing=framing, seed=seed)
    for sender, receiver in ((wire.left, wire.right), (wire.right, wire.left)):
        sent = data.draw(st.lists(messages(framing), max_size=4))
        for message in sent:
            sender.send(message)
        assert [receiver.recv() for _ in sent] == sent
        assert (sender.queued, sender.under_way) == (0, 0)
    wire.left.end()
    with pytest.raises(ClosedByPeer):
        wire.right.recv()
    assert wire.left.take() == []


def test_time_is_virtual() -> None:
    wire = wire_of(Line(latency=0.05))
    for number in range(5):
        wire.left.send(b"ping")
        assert wire.right.recv() == b"ping"
        wire.right.send(b"pong")
        assert wire.left.recv() == b"pong"
        assert wire.now == pytest.approx(0.1 * (number + 1))


def test_each_direction_has_its_line() -> None:
    wire = wire_of(Line(latency=1.0), Line(latency=3600.0 * 24))
    wire.left.send(b"there")
    wire.right.send(b"back")
    assert wire.right.recv() == b"there"
    assert wire.now == 1.0
    assert wire.left.recv(within=1e6) == b"back"
    assert wire.now == 86400.0


def test_hours_pass_and_no_time() -> None:
    """A message every twenty seconds, for a day."""
    wire = wire_of(Line(latency=(0.01, 0.3)))
    received = 0

    def send() -> None:
        wire.left.send(b"still here")
        wire.at(wire.now + 20, send)

    send()
    while wire.step(until=86400):
        received += len(wire.right.take(1 << 30))
    assert received == 86400 / 20  # the last one sent is still under way


def test_messages_and_mistakes_are_those_of_the_engine() -> None:
    wire = Wire(Framed(Lines(), limits=Limits(max_message=5)), Framed(Lines()))
    with pytest.raises(LocalProtocolError, match="6 bytes"):
        wire.left.send(b"sixsix")
    wire.left.send(bytearray(b"five!"))
    wire.left.send(b"")
    wire.run()
    assert wire.right.take(9) == [b"five!", b""]
    assert wire.right.take(9) == []


class Lending(Framed):
    """An engine that always lends seven bytes of memory to receive into."""

    __slots__ = ("lent",)

    def __init__(self) -> None:
        super().__init__(U32, timeouts=Timeouts(message=None))
        self.lent = bytearray(7)
        self.space = lambda: memoryview(self.lent)

    def receive(self, data: Data, now: float) -> None:
        assert not data or (isinstance(data, memoryview) and data.obj is self.lent)
        super().receive(data, now)


@given(lines(), st.lists(st.binary(max_size=30), max_size=5))
def test_bytes_go_where_the_engine_wants_them(line: Line, sent: list[bytes]) -> None:
    """As drivers do it."""
    wire = Wire(Framed(U32), Lending(), line)
    for message in sent:
        wire.left.send(message)
    wire.left.end()
    assert [wire.right.recv() for _ in sent] == sent


# -- the end ----------------------------------------------------------------------------------------------------------


@given(lines(), lines())
def test_half_close_leaves_the_other_half(line: Line, back: Line) -> None:
    wire = wire_of(line, back)
    wire.left.send(b"question")
    wire.left.end()
    with pytest.raises(ClosedByUs):
        wire.left.send(b"more")
    assert wire.right.recv() == b"question"
    with pytest.raises(ClosedByPeer):
        wire.right.recv()
    assert (wire.left.engine.state, wire.right.engine.state) == (State.WE_ENDED, State.PEER_ENDED)
    wire.right.send(b"answer")
    wire.right.close()
    assert wire.left.recv() == b"answer"
    with pytest.raises(ClosedByPeer):
        wire.left.recv()
    assert wire.left.engine.state is wire.right.engine.state is State.CLOSED
    assert not wire.step()


@given(lines(), st.lists(st.binary(max_size=300), max_size=5))
def test_what_was_sent_before_a_close_arrives(line: Line, sent: list[bytes]) -> None:
    """Also if the other side goes on sending, which is then told."""
    wire = wire_of(line)
    for message in sent:
        wire.left.send(message)
    wire.left.close()
    with pytest.raises(ClosedByUs):
        wire.left.take()
    wire.right.send(b"never heard")
    wire.run()
    assert everything_before(wire.right, ClosedByPeer, ConnectionLost) == sent
    with suppress(ConnectionLost):  # if it was told already
        wire.right.send(b"more")
    wire.run()
    with pytest.raises(ConnectionLost):
        wire.right.send(b"more")


def test_a_reset_drops_what_is_queued_and_comes_after_what_is_under_way() -> None:
    wire = wire_of(Line(window=7, latency=1.0, cut="never"))
    for message in (b"one", b"two"):
        wire.left.send(message)
    wire.step()
    wire.left.reset()
    assert wire.left.queued == 0
    wire.run()
    assert everything_before(wire.right, ConnectionLost) == [b"one"]
    assert heard(wire) == ["left resets", "right hears reset"]
    assert wire.trace[-1].now == 1.0
    with pytest.raises(ClosedByUs):
        wire.left.send(b"more")


def test_an_end_without_words_comes_at_its_time() -> None:
    wire = wire_of(Line(latency=2.0))
    wire.right.end()
    with pytest.raises(ClosedByPeer):
        wire.left.recv()
    assert wire.now == 2.0


def test_a_failed_engine_can_still_end_its_stream() -> None:
    wire = Wire(Framed(U32), Framed(U32, limits=Limits(max_message=4)))
    wire.left.send(b"too large")
    wire.run()
    with pytest.raises(Exception, match="9 bytes"):
        wire.right.take()
    wire.right.send(b"what")
    wire.right.end()
    assert wire.left.recv() == b"what"
    with pytest.raises(ClosedByPeer):
        wire.left.recv()


# -- loss -------------------------------------------------------------------------------------------------------------


def test_a_connection_can_break_at_any_byte() -> None:
    sent = [b"one", b"", b"three"]
    stream = b"".join(b"".join(U32.encode(message)) for message in sent)
    whole = [len(stream[:place]) for place in (7, 11, 20)]
    for place in range(len(stream) + 1):
        wire = wire_of(Line(break_at=place, latency=0.1))
        for message in sent:
            wire.left.send(message)
        wire.left.end()
        wire.run()
        arrived = sum(place >= end for end in whole)
        rest = place - [0, *whole][arrived]
        assert [wire.right.take() for _ in range(arrived)] == [[message] for message in sent[:arrived]]
        inside = f"; {rest} bytes of an unfinished message had arrived" if rest else ""
        for _ in range(2):
            with pytest.raises(ConnectionLost, match=f"Connection reset by peer{inside}$"):
                wire.right.take()
        with pytest.raises(ConnectionLost):  # the sender hears of it, too
            wire.left.take()


def test_both_sides_are_told_of_a_loss_and_what_is_under_way_is_gone() -> None:
    wire = wire_of(Line(latency=1.0, cut="never"))
    wire.left.send(b"arrives")
    wire.run(0.5)
    wire.left.send(b"does not")
    wire.run(0.75)
    wire.lose()
    wire.run()
    assert wire.now == 1.25
    assert everything_before(wire.right, ConnectionLost) == [b"arrives"]
    assert everything_before(wire.left, ConnectionLost) == []
    assert heard(wire) == ["wire is lost", "left hears reset", "right hears reset"]


def test_who_writes_is_told_though_there_is_something_to_read() -> None:
    """It is not told twice, and what there is to read is read."""
    told = 0

    class Told(Framed):
        __slots__ = ()

        def lost(self, cause: BaseException) -> None:
            nonlocal told
            told += 1
            super().lost(cause)

    wire = Wire(Framed(U32), Told(U32, limits=Limits(inbox=1)), Line(cut=8))
    for message in (b"one!", b"two!"):
        wire.left.send(message)
    wire.run()
    wire.lose()
    wire.run()
    assert told == 0
    wire.right.send(b"into the void")
    assert not wire.step()
    assert told == 1
    with pytest.raises(ConnectionLost):
        wire.right.send(b"more")
    assert (wire.right.recv(), wire.right.recv()) == (b"one!", b"two!")
    with pytest.raises(ConnectionLost):
        wire.right.recv()
    assert (told, wire.right.queued) == (1, 0)


def test_after_an_orderly_end_a_loss_is_no_news_for_the_reader() -> None:
    wire = wire_of()
    wire.left.send(b"last")
    wire.left.end()
    wire.run()
    wire.lose()
    wire.run()
    assert everything_before(wire.right, ClosedByPeer) == [b"last"]


def test_nobody_is_told_that_the_cable_is_out() -> None:
    wire = wire_of(Line(latency=1.0), seed=1)
    wire.left.send(b"before")
    wire.run(1.0)
    wire.left.send(b"while it is out")
    wire.unplug()
    wire.run(1000.0)
    wire.unplug()  # it is out
    wire.right.send(b"also")
    wire.run(1000.0)
    assert everything(wire.right) == [b"before"]
    wire.plug()
    assert wire.right.recv() == b"while it is out"
    assert wire.left.recv() == b"also"
    assert wire.now == 2001.0


def test_a_loss_is_told_also_while_the_cable_is_out() -> None:
    wire = wire_of()
    wire.left.send(b"arrives")
    wire.run()
    wire.unplug()
    wire.left.send(b"does not")
    wire.run(10.0)
    wire.lose()
    wire.run()
    assert everything_before(wire.right, ConnectionLost) == [b"arrives"]
    assert everything_before(wire.left, ConnectionLost) == []


# -- full engines and late ones ---------------------------------------------------------------------------------------


def test_a_full_engine_is_not_read_to_and_the_sender_keeps_the_rest() -> None:
    size = 100
    frame = size + 4
    wire = Wire(Framed(U32), Framed(U32, limits=Limits(inbox=3 * frame)), Line(window=5 * frame, cut=frame))
    for number in range(20):
        wire.left.send(bytes([number]) * size)
    wire.run()
    assert len(wire.right.engine.unused()) == 3 * frame
    assert (wire.left.under_way, wire.left.queued) == (5 * frame, 12 * frame)
    for number in range(20):
        assert wire.right.recv() == bytes([number]) * size
        assert len(wire.right.engine.unused()) <= 3 * frame
    assert (wire.left.under_way, wire.left.queued) == (0, 0)


def test_a_message_that_does_not_go_on_is_given_up_at_its_time() -> None:
    """Ten seconds, and one for each kilobyte: 500 bytes take 5 s here, and then 2 s."""
    line = Line(latency=2.0, cut=500, bandwidth=100.0)
    wire = Wire(Framed(U32), Framed(U32, timeouts=Timeouts(message=10.0, min_rate=1000.0)), line)
    wire.left.send(bytes(2000))
    with pytest.raises(MessageTooSlow) as caught:
        wire.right.recv()
    assert caught.value.received == 1500
    assert wire.now == 7 + 10 + 1.5
    assert heard(wire) == ["right is due"]


def test_an_engine_that_does_not_act_on_its_deadline_is_noticed() -> None:
    class Asleep(Framed):
        __slots__ = ()

        def expire(self, now: float) -> None:
            pass

    wire = Wire(Framed(U32), Asleep(U32), Line(cut=1, bandwidth=0.05))
    wire.left.send(b"takes long")
    with pytest.raises(AssertionError, match=r"expire\("):
        wire.run()


class Pulse(Framed):
    """An engine that says something every 20 s, and takes a silence of 50 s for a loss."""

    __slots__ = ("heard", "said")

    def __init__(self) -> None:
        super().__init__(Lines())
        self.said = self.heard = 0.0

    def receive(self, data: Data, now: float) -> None:
        self.heard = now
        super().receive(data, now)

    def deadline(self) -> float | None:
        return None if self.state is State.FAILED else min(self.said + 20, self.heard + 50)

    def expire(self, now: float) -> None:
        if now >= self.heard + 50:
            self.lost(TimeoutError("silence"))
            super().receive(b"", now)
        elif now >= self.said + 20:
            self.said = now
            self.send(b"still here")


def test_any_engine_will_do() -> None:
    """One with a heart beat, through a day, until the cable is out."""
    wire = Wire(Pulse(), Pulse(), Line(latency=(0.1, 2.0)))
    beats = 0
    wire.at(86400.0, wire.unplug)
    while wire.step(until=86400.0):
        beats += len(wire.left.take(9)) + len(wire.right.take(9))
    assert 2 * 4300 < beats <= 2 * 4320
    for side in (wire.left, wire.right):
        with pytest.raises(ConnectionLost, match="silence"):
            side.recv()
    assert 86400 + 25 < wire.now <= 86400 + 50


# -- the course of events ---------------------------------------------------------------------------------------------


def test_the_trace_tells_what_happened() -> None:
    wire = Wire(Framed(Lines()), Framed(Lines()), Line(latency=0.25, cut=[4]), seed=3)
    wire.left.send(b"Hello!")
    assert wire.right.recv() == b"Hello!"
    wire.right.send(b"x" * 30)
    wire.right.end()
    wire.run()
    assert [*map(str, wire.trace)] == [
        "      0.000000  left   sends              7  b'Hello!\\n'",
        "      0.250000  right  reads              4  b'Hell'",
        "      0.250000  right  reads              3  b'o!\\n'",
        "      0.250000  right  sends             31  b'xxxxxxxxxxxxxxxxxxxx'...",
        "      0.250000  right  ends",
        "      0.500000  left   reads              4  b'xxxx'",
        "      0.500000  left   reads             27  b'xxxxxxxxxxxxxxxxxxxx'...",
        "      0.500000  left   hears end",
    ]
    assert wire.trace[0] == Event(0.0, "left", "sends", 7, b"Hello!\n")


@given(lines(breaks=True), st.integers(0, 1 << 64))
def test_the_same_seed_tells_the_same_story(line: Line, seed: int) -> None:
    def story() -> list[Event]:
        wire = wire_of(line, seed=seed)
        for number in range(10):
            wire.at(number / 3, lambda number=number: wire.left.send(bytes(10 * number)))  # type: ignore[misc]
            wire.at(number / 2, lambda number=number: wire.right.send(bytes(9 * number)))  # type: ignore[misc]
        try:
            wire.run()
        except ConnectionLost:
            assert line.break_at is not None
        return list(wire.trace)

    assert story() == story()


def test_the_story_is_the_same_in_every_process() -> None:
    code = """
from mezha import Lines
from mezha.engine import Framed
from mezha.testing.line import Line
from mezha.testing.wire import Wire
wire = Wire(Framed(Lines()), Framed(Lines()), Line(cut=5, latency=(0, 9)), seed=7)
for number in range(50):
    wire.left.send(b"%d" % number)
wire.run()
print(*wire.trace, sep="\\n")
"""
    runs = {
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30).stdout
        for _ in range(2)
    }
    (story,) = runs
    assert story.count("\n") > 20


def test_only_the_last_is_remembered() -> None:
    wires = [Wire(Framed(Lines()), Framed(Lines()), Line(cut=1), remember=some) for some in (3, None)]
    for wire in wires:
        wire.left.send(b"x" * 2000)
        wire.run()
    few, all_of_it = (list(wire.trace) for wire in wires)
    assert len(all_of_it) == 2002
    assert few == all_of_it[-3:]


def test_plans_are_carried_out_in_order() -> None:
    wire = wire_of()
    done: list[tuple[str, float]] = []

    def plan(name: str) -> Callable[[], None]:
        return lambda: done.append((name, wire.now))

    for when, name in ((5.0, "third"), (1.0, "first"), (5.0, "fourth"), (1.0, "second")):
        wire.at(when, plan(name))
    wire.run(5.0)
    wire.at(2.0, plan("late"))
    wire.run(5.0)
    assert done == [("first", 1.0), ("second", 1.0), ("third", 5.0), ("fourth", 5.0), ("late", 5.0)]
    assert wire.now == 10.0


def test_running() -> None:
    wire = wire_of(Line(latency=1.0, cut="never"))
    assert not wire.step()
    wire.run(3.0)
    assert wire.now == 3.0
    wire.run()
    assert wire.now == 3.0
    wire.left.send(b"one")
    assert wire.step(until=3.5)
    assert not wire.step(until=3.5)
    assert (wire.now, wire.right.take()) == (3.0, [])
    assert wire.step()
    assert (wire.now, wire.right.take()) == (4.0, [b"one"])
    wire.run_until(lambda: True)
    wire.left.send(b"two")
    wire.run_until(lambda: wire.right.take() == [b"two"], within=1.0)
    assert wire.now == 5.0


def test_what_never_happens_is_no_endless_loop() -> None:
    wire = wire_of(Line(latency=1.0, cut="never"), framing=Lines())
    wire.left.send(b"one")
    assert wire.right.recv() == b"one"
    with pytest.raises(AssertionError, match=r"^what was to happen did not, and nothing happens any more; it is 1 s, "):
        wire.right.recv()
    wire.left.send(b"two")
    with pytest.raises(AssertionError) as caught:
        wire.right.recv(within=0.5)
    assert str(caught.value).splitlines() == [
        "what was to happen did not, within 0.5 s; it is 1 s, and last was:",
        "      0.000000  left   sends              4  b'one\\n'",
        "      1.000000  right  reads              4  b'one\\n'",
        "      1.000000  left   sends              4  b'two\\n'",
    ]
    assert wire.right.recv() == b"two"  # it was only late


def test_observers_see_what_the_wire_does() -> None:
    class Watching(Observer):
        def bytes_received(self, data: Data, now: float) -> None:
            seen.append((now, bytes(data)))

    seen: list[tuple[float, bytes]] = []
    wire = Wire(Framed(Lines()), Observed(Framed(Lines()), Watching()), Line(cut=[3], latency=1.0))
    wire.left.send(b"Hello!")
    wire.left.close()
    assert wire.right.recv() == b"Hello!"
    wire.run()
    assert seen == [(1.0, b"Hel"), (1.0, b"lo!\n"), (1.0, b"")]


def test_an_end_inside_a_message() -> None:
    class Torn(Framed):
        __slots__ = ()

        def outgoing(self) -> list[Data]:
            return [b"".join(super().outgoing())[:-1]]

    wire = Wire(Torn(U32), Framed(U32))
    wire.left.send(b"Hello!")
    wire.left.close()
    with pytest.raises(TruncatedMessage, match="9 bytes"):
        wire.right.recv()
