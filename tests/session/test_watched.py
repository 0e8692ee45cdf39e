"""A watched session: the observer hears of requests, pings and pieces, on both sides, as they happen."""

from unittest.mock import ANY

import pytest
from session.pair import Pair

from mezha import LocalProtocolError, Observer
from mezha.errors import MezhaError
from mezha.framing import Data
from mezha.session import Answered, Session, Watched


class Notes(Observer):
    """Writes down what only the protocol has."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def request_sent(self, number: int, body: Data) -> None:
        self.heard.append(("asked", number, bytes(body)))

    def answer_received(self, number: int, outcome: bytes | MezhaError) -> None:
        self.heard.append(("answer", number, outcome if isinstance(outcome, bytes) else str(outcome)))

    def request_received(self, number: int, body: bytes) -> None:
        self.heard.append(("request", number, body))

    def request_cancelled(self, number: int) -> None:
        self.heard.append(("cancelled", number))

    def answer_sent(self, number: int, body: Data) -> None:
        self.heard.append(("answered", number, bytes(body)))

    def failure_sent(self, number: int, code: int, text: str) -> None:
        self.heard.append(("failed", number, code, text))

    def pong_received(self, number: int, outcome: float | MezhaError) -> None:
        self.heard.append(("pong", number, outcome))

    def piece_sent(self, size: int) -> None:
        self.heard.append(("sent", size))

    def piece_received(self, size: int) -> None:
        self.heard.append(("came", size))


def watched() -> tuple[Pair, Notes, Notes]:
    left, right = Notes(), Notes()
    return Pair(Watched(left), Watched(right)), left, right


def test_requests_are_heard_of_on_both_sides() -> None:
    pair, left, right = watched()
    numbers = [pair.left.request(body) for body in (b"1", b"2", b"3")]
    pair.flow()
    pair.right.answer(numbers[0], b"one")
    pair.right.fail(numbers[1], 300, "no")
    pair.left.cancel(numbers[2])
    pair.flow()
    assert left.heard == [
        *(("asked", number, body) for number, body in zip(numbers, (b"1", b"2", b"3"), strict=True)),
        ("answer", numbers[0], b"one"),
        ("answer", numbers[1], "no"),
    ]
    assert right.heard == [
        *(("request", number, body) for number, body in zip(numbers, (b"1", b"2", b"3"), strict=True)),
        ("answered", numbers[0], b"one"),
        ("failed", numbers[1], 300, "no"),
        ("cancelled", numbers[2]),
    ]
    assert list(pair.left.events) == [Answered(numbers[0], b"one"), ANY]


def test_what_is_refused_is_not_heard_of() -> None:
    pair, left, right = watched()
    number = pair.left.request(b"?")
    pair.flow()
    with pytest.raises(LocalProtocolError):
        pair.right.answer(number, bytes(2 << 20))
    with pytest.raises(LocalProtocolError):
        pair.left.request(bytes(2 << 20))
    assert [what for what, *_ in left.heard + right.heard] == ["asked", "request"]


def test_pings_and_the_end_are_heard_of() -> None:
    pair, left, _ = watched()
    number = pair.left.ping(pair.now)
    pair.now = 0.25
    pair.flow()
    asked = pair.left.request(b"?")
    pair.left.close()
    assert left.heard == [
        ("pong", number, 0.25),
        ("asked", asked, b"?"),
        ("answer", asked, "this connection was closed on this side"),
    ]


def test_how_far_a_large_message_is_is_heard_of_on_both_sides() -> None:
    pair, left, right = watched()
    pair.left.send(bytes(150_000))
    pair.flow()
    assert pair.right.take() == [bytes(150_000)]
    assert left.heard == [("sent", 65_536), ("sent", 131_072), ("sent", 0)]
    assert [what for what, _ in right.heard] == ["came"] * len(right.heard)
    assert right.heard[-1] == ("came", 0)
    assert max(size for _, size in right.heard if isinstance(size, int)) >= 131_072


def test_small_messages_are_not_large() -> None:
    pair, left, right = watched()
    pair.left.send(b"abc")
    pair.flow()
    assert pair.right.take() == [b"abc"]
    assert left.heard == right.heard == []
    assert isinstance(pair.left, Session)
