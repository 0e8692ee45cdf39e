"""Limits and time-outs: their defaults, and values that cannot be."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from mezha.limits import Limits, Timeouts


def test_defaults_a_public_server_survives_with() -> None:
    assert Limits() == Limits(max_message=1 << 20, inbox=1 << 20, outbox=64 << 10, requests=100)
    assert Timeouts() == Timeouts(
        connect=10.0, handshake=10.0, heartbeat=20.0, message=10.0, min_rate=1024.0, close=10.0
    )


@pytest.mark.parametrize("value", [Limits(max_message=5), Timeouts(message=None, min_rate=0.5)])
def test_they_are_values(value: Limits | Timeouts) -> None:
    for twin in (copy.copy(value), pickle.loads(pickle.dumps(value)), dataclasses.replace(value)):
        assert twin == value
        assert hash(twin) == hash(value)
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, 1)


def test_they_are_named() -> None:
    with pytest.raises(TypeError):
        Limits(5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        Timeouts(5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("value", [{"max_message": 0}, {"inbox": 1}, {"outbox": 1}, {"requests": 16}])
def test_the_smallest_limits(value: dict[str, int]) -> None:
    assert dataclasses.asdict(Limits(**value)).items() >= value.items()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"max_message": -1}, "max_message must be 0 or more bytes, not -1"),
        ({"inbox": 0}, "inbox must be 1 byte or more, not 0"),
        ({"outbox": 0}, "outbox must be 1 byte or more, not 0"),
        ({"requests": 15}, "requests must be 16 or more, not 15"),
    ],
)
def test_limits_that_cannot_be(value: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        Limits(**value)


@pytest.mark.parametrize(
    "value",
    [
        {"connect": None, "handshake": None, "heartbeat": None, "message": None},
        {"connect": 0, "handshake": 0, "heartbeat": 1, "message": 0, "close": 0, "min_rate": 1e-9},
        {"heartbeat": 4_000_000},
    ],
)
def test_the_smallest_and_the_longest_times(value: dict[str, Any]) -> None:
    assert dataclasses.asdict(Timeouts(**value)).items() >= value.items()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"connect": -1}, "connect must be 0 or more seconds, not -1"),
        ({"handshake": -1}, "handshake must be 0 or more seconds, not -1"),
        ({"heartbeat": 0.9}, "heartbeat must be 1 to 4000000 seconds or None, not 0.9"),
        ({"heartbeat": 4_000_001}, "heartbeat must be 1 to 4000000 seconds or None, not 4000001"),
        ({"heartbeat": float("nan")}, "heartbeat must be 1 to 4000000 seconds or None, not nan"),
        ({"message": -0.5}, "message must be 0 or more seconds, not -0.5"),
        ({"close": -1}, "close must be 0 or more seconds, not -1"),
        ({"close": None}, "close must be 0 or more seconds, not None"),  # close() never hangs
        ({"connect": float("nan")}, "connect must be 0 or more seconds, not nan"),
        ({"min_rate": 0}, "min_rate must be more than 0 bytes a second, not 0"),
        ({"min_rate": -1.5}, "min_rate must be more than 0 bytes a second, not -1.5"),
        ({"min_rate": float("nan")}, "min_rate must be more than 0 bytes a second, not nan"),
    ],
)
def test_times_that_cannot_be(value: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        Timeouts(**value)
