"""The tables of states: every pair is in them or is an error, and the laws that hold for every way through them."""

import re
from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.session.frames import Kind
from mezha.session.states import ANSWERING, ASKING, STREAM, Request, Stream, diagram

QUESTION = {Kind.REQUEST, Kind.REQUEST_PART, Kind.CANCEL}
ANSWER = {Kind.REPLY, Kind.REPLY_PART, Kind.FAILURE}
OF_MESSAGES = {Kind.MESSAGE, Kind.PART, Kind.LAST, Kind.DROP, Kind.END}


State = TypeVar("State", Stream, Request)


def ways(table: Mapping[tuple[State, Kind], State], first: State) -> st.SearchStrategy[list[Kind]]:
    """Ways through a table, from its beginning."""

    def on(state: State, left: int) -> st.SearchStrategy[list[Kind]]:
        kinds = [kind for at, kind in table if at is state]
        if not left or not kinds:
            return st.just([])
        return st.sampled_from(kinds).flatmap(
            lambda kind: on(table[state, kind], left - 1).map(lambda way: [kind, *way])
        )

    return st.integers(0, 12).flatmap(lambda left: on(first, left))


@given(ways(STREAM, Stream.GREETING))
def test_a_stream_is_what_its_grammar_says(way: list[Kind]) -> None:
    """HELLO (MESSAGE | PART+ (LAST | DROP))* END? CLOSE, with everything else in between at any place."""
    assert way[:1] in ([], [Kind.HELLO])
    assert Kind.HELLO not in way[1:]
    assert Kind.CLOSE not in way[:-1]
    messages = [kind for kind in way if kind in OF_MESSAGES]
    assert Kind.END not in messages[:-1]
    for before, kind in zip([None, *messages], messages, strict=False):
        inside = before is Kind.PART
        assert (kind in {Kind.PART, Kind.LAST, Kind.DROP}) if inside else (kind not in {Kind.LAST, Kind.DROP})


@given(ways(ASKING, Request.FREE))
def test_every_request_gets_one_answer_at_most_and_then_its_number_is_free(way: list[Kind]) -> None:
    state = Request.FREE
    answers = asked = 0
    for kind in way:
        asked += state is Request.FREE
        state = ASKING[state, kind]
        answers += kind in {Kind.REPLY, Kind.FAILURE}
        assert (state is Request.FREE) == (answers == asked)
        assert asked - answers in {0, 1}


@pytest.mark.parametrize("state", Stream)
@pytest.mark.parametrize("kind", Kind)
def test_every_pair_of_a_stream(state: Stream, kind: Kind) -> None:
    alive = state in {Stream.OPEN, Stream.MIDDLE, Stream.ENDED}
    if kind is Kind.HELLO:
        allowed = state is Stream.GREETING
    elif kind in {Kind.MESSAGE, Kind.END}:
        allowed = state is Stream.OPEN
    elif kind in {Kind.LAST, Kind.DROP}:
        allowed = state is Stream.MIDDLE
    elif kind is Kind.PART:
        allowed = state in {Stream.OPEN, Stream.MIDDLE}
    else:
        allowed = alive and kind is not Kind.ACK
    assert ((state, kind) in STREAM) == allowed


def test_the_answerer_sees_what_the_asker_does_and_a_cancel_that_is_late() -> None:
    assert {pair: ANSWERING[pair] for pair in ASKING} == ASKING
    assert ANSWERING.keys() - ASKING.keys() == {(Request.FREE, Kind.CANCEL)}
    assert {kind for _, kind in ASKING} == QUESTION | ANSWER
    for state in Request:
        answerable = state in {Request.ASKED, Request.ANSWERING, Request.CANCELLED}
        assert all(((state, kind) in ASKING) == answerable for kind in ANSWER)


@pytest.mark.parametrize("table", [STREAM, ASKING, ANSWERING], ids=["stream", "asking", "answering"])
def test_a_drawing_shows_the_whole_table(table: Mapping[tuple[Stream, Kind], Stream]) -> None:
    first = next(iter(table))[0]
    drawn: dict[tuple[str, str], str] = {}
    opening, start, *lines = diagram(table, first).splitlines()
    assert opening == "stateDiagram-v2"
    assert start == f"    [*] --> {first.value}"
    for line in lines:
        state, _, arrow = line.strip().partition(" --> ")
        following, _, kinds = arrow.partition(": ")
        if following == "[*]":
            assert state == "CLOSED"
        else:
            drawn |= {(state, kind): following for kind in re.split(r",<br/>|, ", kinds)}
    assert drawn == {(state.value, kind.name): following.value for (state, kind), following in table.items()}
    assert (lines[-1] == "    CLOSED --> [*]") == (first is Stream.GREETING)
