"""The errors: a tree by cause, with numbers, that survives pickling."""

import copy
import pickle
from typing import Any

import pytest

from mezha import errors
from mezha.errors import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    FramingError,
    HandshakeError,
    LocalProtocolError,
    MessageDropped,
    MessageTooLarge,
    MessageTooSlow,
    MezhaError,
    RemoteProtocolError,
    RequestFailed,
    SendTimeout,
    TruncatedMessage,
)

PARENTS: dict[type[MezhaError], set[type[Exception]]] = {
    MezhaError: {Exception},
    LocalProtocolError: {MezhaError},
    RemoteProtocolError: {MezhaError},
    FramingError: {RemoteProtocolError},
    TruncatedMessage: {FramingError},
    HandshakeError: {RemoteProtocolError},
    MessageTooLarge: {RemoteProtocolError},
    MessageTooSlow: {RemoteProtocolError},
    ClosedByPeer: {MezhaError, EOFError},
    ClosedByUs: {MezhaError},
    ConnectionLost: {MezhaError, ConnectionError},
    RequestFailed: {MezhaError},
    MessageDropped: {MezhaError},
    SendTimeout: {MezhaError, TimeoutError},
}

#: The attributes of each, as they are if nothing is said.
ATTRIBUTES: dict[type[MezhaError], dict[str, Any]] = {
    LocalProtocolError: {"size": None, "limit": None, "sent": 0},
    TruncatedMessage: {"received": 0, "needed": None},
    HandshakeError: {"code": 2},
    MessageTooLarge: {"size": None, "limit": None},
    MessageTooSlow: {"received": 0, "seconds": 0.0},
    ClosedByPeer: {"code": 0, "reason": ""},
    ConnectionLost: {"silence": None, "queued": 0},
    RequestFailed: {"code": 8},
    MessageDropped: {"code": 0},
    SendTimeout: {"sent": 0, "queued": 0},
}

every_error = pytest.mark.parametrize("kind", PARENTS, ids=lambda kind: kind.__name__)


@every_error
def test_the_tree(kind: type[MezhaError]) -> None:
    assert set(kind.__bases__) == PARENTS[kind]


def test_the_tree_is_whole_and_drawn_in_the_docstring() -> None:
    assert set(errors.__all__) == {kind.__name__ for kind in PARENTS}
    drawn = [line.split() for line in str(errors.__doc__).splitlines() if "──" in line]
    assert {name for _, name, *_ in ([w for w in line if w != "│"] for line in drawn)} | {"MezhaError"} == set(
        errors.__all__
    )


def test_what_an_error_is_not() -> None:
    assert not issubclass(TruncatedMessage, EOFError)
    assert not issubclass(MessageTooSlow, TimeoutError)
    assert not issubclass(ClosedByUs, EOFError)
    assert not issubclass(ClosedByPeer, ConnectionError)


@every_error
def test_nothing_need_be_said(kind: type[MezhaError]) -> None:
    error = kind()
    assert str(error) == ""
    assert vars(error) == ATTRIBUTES.get(kind, {})


@every_error
def test_a_copy_says_the_same(kind: type[MezhaError]) -> None:
    numbers = {name: number for number, name in enumerate(ATTRIBUTES.get(kind, {}), 7)}
    error = kind("what happened", **numbers)
    for twin in (error, copy.copy(error), *(pickle.loads(pickle.dumps(error, protocol)) for protocol in range(6))):
        assert type(twin) is kind
        assert str(twin) == "what happened"
        assert twin.args == ("what happened",)
        assert vars(twin) == numbers


@pytest.mark.parametrize("kind", ATTRIBUTES, ids=lambda kind: kind.__name__)
def test_numbers_are_named(kind: type[MezhaError]) -> None:
    with pytest.raises(TypeError):
        kind("what happened", 7)


def test_an_error_of_the_system_says_what_was_written() -> None:
    for error in (ConnectionLost("gone"), SendTimeout("too late", sent=1)):
        assert isinstance(error, OSError)
        assert error.errno is None
        assert error.args == (str(error),)
