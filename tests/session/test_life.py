"""The life of a connection: what is left of it in each state, and why."""

import pytest

from mezha.engine import State
from mezha.errors import ClosedByPeer, ClosedByUs, ConnectionLost, FramingError, MezhaError, RemoteProtocolError
from mezha.session.frames import Close, Kind
from mezha.session.life import Life
from mezha.session.states import STREAM, Stream

GOODBYE = Close(300, 0, "enough")


def life(**what: object) -> Life:
    made = Life()
    made.stream = Stream.OPEN
    for name, value in what.items():
        if name == "theirs":
            made.goodbyes.theirs = GOODBYE
            made.stream = Stream.CLOSED
        else:
            setattr(made, name, value)
    return made


FAULT = FramingError("broken")
CAUSE = ConnectionLost("gone", silence=3.0)
CAUSE.__cause__ = OSError("reset")


@pytest.mark.parametrize(
    ("made", "state", "receiving"),
    [
        (Life(), State.OPEN, False),
        (life(), State.OPEN, True),
        (life(stream=Stream.MIDDLE), State.OPEN, True),
        (life(ended=True), State.WE_ENDED, True),
        (life(stream=Stream.ENDED), State.PEER_ENDED, False),
        (life(stream=Stream.ENDED, ended=True), State.CLOSED, False),
        (life(stream=Stream.ENDED, cause=CAUSE), State.CLOSED, False),
        (life(cause=CAUSE), State.FAILED, True),
        (life(fault=FAULT), State.FAILED, True),
        (life(stream=Stream.ENDED, fault=FAULT), State.FAILED, False),
        (life(theirs=True), State.CLOSED, False),
        (life(theirs=True, cause=CAUSE), State.CLOSED, False),
        (life(closed=True, fault=FAULT), State.CLOSED, True),
    ],
)
def test_states(made: Life, state: State, receiving: bool) -> None:
    assert made.state is state
    assert made.receiving == receiving


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("stream", Stream)
def test_every_frame_in_every_state_is_in_the_table_or_an_error(stream: Stream, kind: Kind) -> None:
    made = life(stream=stream)
    if (stream, kind) in STREAM:
        made.step(kind)
        assert made.stream is STREAM[stream, kind]
    else:
        with pytest.raises(RemoteProtocolError, match=f"a {kind.name} frame, and there is none .*: {stream.name}$"):
            made.step(kind)
        assert made.stream is stream


@pytest.mark.parametrize(
    ("made", "kind", "text"),
    [
        (life(closed=True, fault=FAULT), ClosedByUs, "was closed on this side"),
        (life(fault=FAULT, cause=CAUSE), FramingError, "broken"),
        (life(theirs=True, cause=CAUSE), ClosedByPeer, r"the peer closed the connection with code 300: enough$"),
        (life(cause=CAUSE), ConnectionLost, "gone"),
        (life(ended=True), ClosedByUs, "this side has ended its stream"),
    ],
)
def test_why_nothing_can_be_sent(made: Life, kind: type[MezhaError], text: str) -> None:
    errors: list[BaseException] = []
    for _ in range(2):
        with pytest.raises(kind, match=text) as caught:
            made.check_sending()
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    if made.ended:
        made.check_asking()
    else:
        assert made.over
        with pytest.raises(kind, match=text):
            made.check_asking()


def test_the_error_of_a_loss_says_all_that_is_known_each_time() -> None:
    error = life(cause=CAUSE).unable()
    assert isinstance(error, ConnectionLost)
    assert (error.silence, error.__cause__) == (3.0, CAUSE.__cause__)


def test_while_it_goes_on_everything_can_be_sent() -> None:
    life().check_sending()
    life(stream=Stream.ENDED).check_sending()


def test_a_goodbye_without_a_reason_is_told_without_one() -> None:
    made = life(theirs=True)
    made.goodbyes.theirs = Close(0, 0, "")
    error = made.unable()
    assert isinstance(error, ClosedByPeer)
    assert (str(error), error.code, error.reason) == ("the peer closed the connection", 0, "")


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (life(), None),
        (life(closed=True), None),
        (life(cause=CAUSE), None),  # something may be on its way
        (life(cause=CAUSE, dead=True), ConnectionLost),
        (life(stream=Stream.ENDED), ClosedByPeer),
        (life(stream=Stream.ENDED, cause=CAUSE, dead=True), ClosedByPeer),
        (life(stream=Stream.ENDED, fault=FAULT), FramingError),
        (life(fault=FAULT), FramingError),
        (life(theirs=True), ClosedByPeer),
    ],
)
def test_why_nothing_more_will_come(made: Life, kind: type[MezhaError] | None) -> None:
    if kind is None:
        made.check_waiting()
    else:
        with pytest.raises(kind):
            made.check_waiting()


def test_what_is_closed_hands_nothing_out() -> None:
    life(cause=CAUSE, fault=FAULT).check_taking()
    with pytest.raises(ClosedByUs):
        life(closed=True).check_taking()
