"""Tests of mezha.settings."""

import pytest

from mezha import Limits, Timeouts
from mezha.engine import Framed
from mezha.framing import FixedSize, Lines
from mezha.observe import Observed, Observer
from mezha.session import Session
from mezha.settings import Settings


def test_the_engine_of_a_framing() -> None:
    settings = Settings(Lines())
    assert isinstance(settings.engine(), Framed)
    assert settings.engine() is not settings.engine()
    assert settings.times == Lines.timeouts


def test_the_engine_of_a_framing_with_an_observer() -> None:
    assert isinstance(Settings(Lines(), observer=Observer()).engine(), Observed)


def test_without_a_framing_it_is_a_session() -> None:
    settings = Settings(None, answers=True)
    engine, session = settings.connection()
    assert engine is session
    assert isinstance(session, Session)
    assert settings.times == Timeouts()
    watched, inside = Settings(None, observer=Observer()).connection()
    assert isinstance(watched, Observed)
    assert isinstance(inside, Session)
    assert Settings(Lines()).connection()[1] is None


def test_a_framing_has_nothing_to_answer() -> None:
    with pytest.raises(TypeError, match=r"^a bare framing has no requests for answer= to answer: leave framing= out"):
        Settings(Lines(), answers=True)


def test_the_timeouts_given_hold() -> None:
    times = Timeouts(message=3)
    assert Settings(Lines(), timeouts=times).times is times
    engine = Settings(Lines(), timeouts=times).engine()
    engine.receive(b"un", 100.0)
    assert engine.deadline() == pytest.approx(103, abs=0.1)


def test_the_limits_given_hold() -> None:
    engine = Settings(Lines(), Limits(max_message=3)).engine()
    engine.send(b"one")
    with pytest.raises(ValueError, match="every message has 4 bytes, and the limit is 3"):
        Settings(FixedSize(4), Limits(max_message=3))


@pytest.mark.parametrize("framing", ["lines", Lines, 4])
def test_no_framing(framing: object) -> None:
    with pytest.raises(TypeError, match=r"^framing= wants a framing, as Lines\(\) or parse_framing\('lines'\), not "):
        Settings(framing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
