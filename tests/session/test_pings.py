"""Pings: a PONG answers its PING and all before it, once."""

from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import ClosedByUs
from mezha.session.events import Ponged
from mezha.session.frames import Kind, Ping
from mezha.session.pings import Pings


def pinged(pings: Pings, now: float | None = None) -> bytes:
    token = pings.ping()
    assert token.kind is Kind.PING
    if now is not None:
        pings.want(now)
    return token.token


@given(st.lists(st.none() | st.floats(0, 100), max_size=20), st.lists(st.integers(0, 25), max_size=20))
def test_each_that_is_waited_for_is_answered_once_and_in_order(sent: list[float | None], answers: list[int]) -> None:
    pings = Pings()
    tokens = [pinged(pings, now) for now in sent]
    assert len(set(tokens)) == len(tokens)
    assert pings.last == len(tokens)
    heard: list[Ponged] = []
    for place in answers:
        token = tokens[place] if place < len(tokens) else b"stranger"
        answered = pings.pong(token, 100.0)
        assert all(one.id <= place + 1 for one in answered)
        heard += answered
    furthest = max((place + 1 for place in answers if place < len(tokens)), default=0)
    expected = [Ponged(place, 100.0 - now) for place, now in enumerate(sent, 1) if now is not None]
    assert heard == [one for one in expected if one.id <= furthest]
    rest = pings.give_up(lambda: ClosedByUs("over"))
    assert [one.id for one in rest] == [one.id for one in expected if one.id > furthest]
    assert len({id(one.outcome) for one in rest}) == len(rest)
    assert pings.give_up(ClosedByUs) == []
    assert Ping(b"x" * 8) != pings.ping()
