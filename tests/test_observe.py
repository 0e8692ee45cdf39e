"""An observer hears everything, in order, and changes nothing."""

import inspect
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.engine import Engine, Framed, State
from mezha.errors import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    FramingError,
    LocalProtocolError,
    MessageTooLarge,
    MezhaError,
    RemoteProtocolError,
)
from mezha.framing import Data, LengthPrefixed, Lines, Skipping
from mezha.limits import Limits, Timeouts
from mezha.observe import Observed, Observer
from mezha.settings import Settings
from mezha.testing import laws


class Recorder(Observer):
    """Writes down all it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def bytes_received(self, data: Data, now: float) -> None:
        self.heard.append(("bytes received", bytes(data), now))

    def bytes_sent(self, data: Data) -> None:
        self.heard.append(("bytes sent", bytes(data)))

    def messages_received(self, messages: list[bytes]) -> None:
        self.heard.append(("messages received", list(messages)))

    def message_sent(self, message: Data) -> None:
        self.heard.append(("message sent", bytes(message)))

    def error(self, error: Exception) -> None:
        self.heard.append(("error", type(error), str(error)))

    def fault_forgiven(self, error: RemoteProtocolError) -> None:
        self.heard.append(("forgiven", type(error), str(error)))

    def state_changed(self, old: State, new: State) -> None:
        self.heard.append(("state", old, new))


def watched(engine: Engine | None = None) -> tuple[Observed, list[tuple[Any, ...]]]:
    recorder = Recorder()
    return Observed(engine or Framed(Lines(), limits=Limits(max_message=9)), recorder), recorder.heard


def test_a_conversation_is_heard_in_order() -> None:
    engine, heard = watched()
    engine.send(b"one")
    engine.send(memoryview(b"two"))
    assert engine.outgoing_size == 8
    engine.outgoing()
    engine.receive(b"three\nfo", 1.0)
    assert engine.take(9) == [b"three"]
    assert engine.take() == []
    engine.receive(b"ur\n", 2.0)
    engine.receive(b"", 3.0)
    assert engine.take() == [b"four"]
    for _ in range(2):
        with pytest.raises(ClosedByPeer):
            engine.take()
    engine.end()
    with pytest.raises(ClosedByUs):
        engine.send(b"five")
    engine.close()
    end = (ClosedByPeer, "the peer has ended its stream; everything it sent has been received")
    assert heard == [
        ("message sent", b"one"),
        ("message sent", b"two"),
        ("bytes sent", b"one\ntwo\n"),
        ("bytes received", b"three\nfo", 1.0),
        ("messages received", [b"three"]),
        ("bytes received", b"ur\n", 2.0),
        ("bytes received", b"", 3.0),
        ("state", State.OPEN, State.PEER_ENDED),
        ("messages received", [b"four"]),
        ("error", *end),
        ("error", *end),
        ("state", State.PEER_ENDED, State.CLOSED),
        ("error", ClosedByUs, "this side has ended its stream: nothing more can be sent, only received"),
    ]


def test_large_messages_are_heard_as_the_buffers_they_are() -> None:
    engine, heard = watched(Framed(LengthPrefixed()))
    engine.send(bytes(10_000))
    buffers = engine.outgoing()
    assert heard[1:] == [("bytes sent", bytes(buffer)) for buffer in buffers]
    assert len(buffers) == 2


def test_a_refusal_is_heard_and_changes_no_state() -> None:
    engine, heard = watched()
    for message in (b"far too long", b"a\nb"):
        with pytest.raises(LocalProtocolError) as caught:
            engine.send(message)
        assert heard.pop() == ("error", LocalProtocolError, str(caught.value))
    with pytest.raises(TypeError):
        engine.send("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert [what for what, *_ in heard] == ["error"]


def test_a_fault_of_the_peer_is_heard_before_the_state_it_leads_to() -> None:
    engine, heard = watched(Framed(LengthPrefixed(1, adjust=-1)))
    engine.receive(b"\2a\0", 0.0)
    assert engine.take() == [b"a"]
    assert len(heard) == 2
    with pytest.raises(FramingError):
        engine.take()
    assert [what for what, *_ in heard[2:]] == ["error", "state"]
    assert heard[3] == ("state", State.OPEN, State.FAILED)


def test_a_deadline_is_heard_when_it_has_passed() -> None:
    engine, heard = watched(Framed(LengthPrefixed()))
    assert engine.deadline() is None
    engine.receive(b"\0", 0.0)
    assert engine.deadline() == 10 + 1 / 1024
    engine.expire(9.0)
    assert len(heard) == 1
    engine.expire(11.0)
    assert heard[1:] == [("state", State.OPEN, State.FAILED)]


def test_a_break_is_heard() -> None:
    engine, heard = watched()
    engine.receive(b"left", 0.0)
    engine.lost(ConnectionResetError("reset"))
    assert heard[1:] == [("state", State.OPEN, State.FAILED)]
    with pytest.raises(ConnectionLost) as caught:
        engine.send(b"one")
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert heard[2:] == [("error", ConnectionLost, "the connection was lost: reset")]
    assert engine.unused() == b"left"
    assert engine.state is State.FAILED


def test_it_says_what_the_engine_inside_says() -> None:
    engine, _ = watched(Framed(Lines(), limits=Limits(inbox=1)))
    assert not engine.full()
    engine.receive(b"a\n", 0.0)
    assert engine.full()
    assert engine.unused() == b"a\n"


def test_nobody_gets_past_it_by_the_quick_doors() -> None:
    engine, heard = watched()
    assert not engine.push(b"one")
    assert engine.outgoing() == []
    engine.receive(b"one\n", 0.0)
    assert engine.pop() is None
    assert [what for what, *_ in heard] == ["bytes received"]
    assert engine.take() == [b"one"]


def test_it_says_whether_the_engine_inside_is_idle_and_lends_its_memory() -> None:
    inside = Framed(LengthPrefixed())
    engine, _ = watched(inside)
    assert engine.idle()
    engine.receive(b"\0\1\0\0" + bytes(10_000), 0.0)
    assert not engine.idle()
    assert engine.take() == []
    assert (engine.space() is None) == (inside.space() is None)


def test_what_a_driver_asks_reaches_the_engine_inside() -> None:
    class Talking(Framed):
        unattended = True

        def __init__(self) -> None:
            super().__init__(Lines())
            self.told = deque[object](["asked"])

        @property
        def events(self) -> deque[object]:
            return self.told

        def begin(self, now: float) -> None:
            self.lost(OSError(f"gone at {now:g}"))

        def clear(self, size: int) -> bool:
            return size < 5

        def end(self) -> bool:
            super().end()
            return False

        def close(self, code: int = 0, reason: str = "") -> None:
            super().close()
            self.events.append(f"closed: {code} {reason}")

        def finished(self) -> bool:
            return len(self.events) > 1

    engine, heard = watched(Talking())
    assert engine.unattended
    assert (engine.clear(4), engine.clear(5)) == (True, False)
    assert not engine.end()
    engine.begin(2.0)
    assert not engine.finished()
    engine.close(7, "enough")
    assert engine.finished()
    assert list(engine.events) == ["asked", "closed: 7 enough"]
    assert [(old, new) for _, old, new in heard] == [
        (State.OPEN, State.WE_ENDED),
        (State.WE_ENDED, State.FAILED),
        (State.FAILED, State.CLOSED),
    ]


def test_an_observer_hears_only_what_happens_after_it_came() -> None:
    inside = Framed(Lines())
    inside.end()
    engine, heard = watched(inside)
    engine.receive(b"", 0.0)
    assert heard == [("bytes received", b"", 0.0), ("state", State.WE_ENDED, State.CLOSED)]


#: What may be done to an engine, by name, so that a failing example can be read.
DEEDS: dict[str, Callable[[Engine], object]] = {
    "send": lambda engine: engine.send(b"one"),
    "send what is refused": lambda engine: engine.send(b"a\nb"),
    "outgoing": lambda engine: engine.outgoing(),
    "receive": lambda engine: engine.receive(b"x\ny", 1.0),
    "receive too much": lambda engine: engine.receive(bytes(20), 2.0),
    "receive the end": lambda engine: engine.receive(b"", 3.0),
    "take": lambda engine: engine.take(),
    "take many": lambda engine: engine.take(9),
    "full": lambda engine: engine.full(),
    "deadline": lambda engine: engine.deadline(),
    "expire": lambda engine: engine.expire(1000.0),
    "begin": lambda engine: engine.begin(0.5),
    "clear": lambda engine: engine.clear(1000),
    "end": lambda engine: engine.end(),
    "close": lambda engine: engine.close(3, "enough"),
    "finished": lambda engine: engine.finished(),
    "lose": lambda engine: engine.lost(OSError("gone")),
    "unused": lambda engine: engine.unused(),
    "outgoing_size": lambda engine: engine.outgoing_size,
    "state": lambda engine: engine.state,
}


def do(engine: Engine, deed: str) -> object:
    try:
        return DEEDS[deed](engine)
    except (MezhaError, ValueError) as error:
        return laws.fault_of(error)


@given(st.lists(st.sampled_from(sorted(DEEDS)), max_size=25))
def test_who_is_watched_behaves_as_ever(deeds: list[str]) -> None:
    def engine() -> Framed:
        return Framed(Lines(), limits=Limits(max_message=9, inbox=8), timeouts=Timeouts(message=5.0))

    alone, inside = engine(), engine()
    observed, heard = watched(inside)
    state = State.OPEN
    for deed in deeds:
        before = len(heard)
        assert do(observed, deed) == do(alone, deed)
        changes = [event for event in heard[before:] if event[0] == "state"]
        assert changes == ([("state", state, alone.state)] if alone.state is not state else [])
        state = alone.state


def test_an_observer_that_hears_nothing_is_no_trouble() -> None:
    engine = Observed(Framed(Lines()), Observer())
    engine.send(b"one")
    engine.outgoing()
    engine.receive(b"two\n", 0.0)
    engine.take()
    engine.receive(b"", 0.0)
    with pytest.raises(ClosedByPeer):
        engine.take()


@pytest.mark.parametrize("count", [1, 2, 100])
def test_a_fault_that_is_forgiven_is_heard_in_its_place(count: int) -> None:
    recorder = Recorder()
    engine = Settings(Skipping(LengthPrefixed(1)), Limits(max_message=3), observer=recorder).engine()
    engine.receive(b"\3one\3two\5three\3six\4nine", 1.0)
    del recorder.heard[:]
    while engine.take(count):
        pass
    assert engine.forgiven == 2
    told = [("forgiven", MessageTooLarge, f"the peer announced a message of {size} bytes") for size in (5, 4)]
    runs = [[b"one"], [b"two"]] if count == 1 else [[b"one", b"two"]]
    heard = [(*one[:2], one[2].partition(";")[0]) if one[0] == "forgiven" else one for one in recorder.heard]
    assert heard == [
        *(("messages received", run) for run in runs),
        told[0],
        ("messages received", [b"six"]),
        told[1],
    ]


def test_who_is_told_what_is_forgiven_may_fail() -> None:
    class Unhappy(Observer):
        def fault_forgiven(self, error: RemoteProtocolError) -> None:
            raise RuntimeError("no more disk")

    engine = Settings(Skipping(Lines()), Limits(max_message=3), observer=Unhappy()).engine()
    engine.receive(b"three\nsix\n", 0.0)
    with pytest.raises(RuntimeError, match="no more disk"):
        engine.take()
    assert engine.take() == [b"six"]  # the connection is unharmed


def test_what_an_observer_raises_reaches_the_user() -> None:
    class Unhappy(Observer):
        def message_sent(self, message: Data) -> None:
            raise RuntimeError("no more disk")

    engine = Observed(Framed(Lines()), Unhappy())
    with pytest.raises(RuntimeError, match="no more disk"):
        engine.send(b"one")
    assert engine.outgoing() == [b"one\n"]  # it was accepted all the same


def test_who_is_not_watched_has_no_watcher_in_the_way() -> None:
    assert type(Settings(Lines()).engine()) is Framed
    assert type(Settings(Lines(), observer=Observer()).engine()) is Observed


def test_it_stands_in_for_any_engine() -> None:
    public = {name for name in vars(Engine) if not name.startswith("_")}
    attributes = {"push", "pop", "idle", "space", "events", "unattended"}
    assert {name for name in vars(Observed) if not name.startswith("_")} == public | attributes
    for name in public:
        if callable(getattr(Engine, name)):
            assert inspect.signature(getattr(Observed, name)) == inspect.signature(getattr(Engine, name))
    assert not hasattr(Observed(Framed(Lines()), Observer()), "__dict__")
