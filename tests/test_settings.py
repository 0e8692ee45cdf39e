"""Tests of mezha.settings."""

import pytest

from mezha import Limits, Timeouts
from mezha.engine import Framed
from mezha.framing import FixedSize, Lines
from mezha.observe import Observed, Observer
from mezha.settings import Settings


def test_the_engine_of_a_framing() -> None:
    settings = Settings(Lines())
    assert isinstance(settings.engine(), Framed)
    assert settings.engine() is not settings.engine()
    assert settings.times == Lines.timeouts


def test_the_engine_of_a_framing_with_an_observer() -> None:
    assert isinstance(Settings(Lines(), observer=Observer()).engine(), Observed)


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


@pytest.mark.parametrize("framing", [None, "lines", Lines, 4])
def test_no_framing(framing: object) -> None:
    with pytest.raises(TypeError, match=r"^framing= wants a framing, as Lines\(\) or parse_framing\('lines'\), not "):
        Settings(framing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
