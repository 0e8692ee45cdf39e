"""Closing: from the goodbyes said both sides conclude the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.session.closing import Ending, Goodbyes
from mezha.session.frames import Close, Code

SAID = st.builds(Close, st.sampled_from((0, 1, 300)), st.integers(0, 9), st.sampled_from(("", "a", "b")))


def goodbyes(ours: Close | None, theirs: Close | None) -> Goodbyes:
    made = Goodbyes()
    made.ours, made.theirs = ours, theirs
    return made


def ending(made: Goodbyes, *, fault: bool = False, lost: bool = False) -> Ending | None:
    return made.ending(fault=fault, lost=lost, sent=9, delivered=7, never_sent=2)


@given(SAID, SAID)
def test_goodbyes_that_cross_are_the_same_for_both(one: Close, other: Close) -> None:
    here, there = ending(goodbyes(one, other)), ending(goodbyes(other, one))
    assert here
    assert there
    assert (here.code, here.reason) == (there.code, there.reason)
    assert here.code == max(one.code, other.code)
    assert not (here.by_peer and there.by_peer)
    assert here.by_peer or there.by_peer or (one.code, one.text) == (other.code, other.text)
    assert here.how == there.how == "closed"


@given(SAID, st.integers(0, 9))
def test_an_answer_leaves_the_reasons_to_who_closed(said: Close, taken: int) -> None:
    there = goodbyes(None, said)
    answer = there.answer(taken)
    assert (answer.code, answer.text, answer.taken) == (0, "", taken)
    here, answered = ending(goodbyes(said, answer)), ending(there)
    assert here == Ending("closed", said.code, said.text, False, 9, 7, 2)
    assert answered == Ending("closed", said.code, said.text, True, 9, 7, 2)


@pytest.mark.parametrize(
    ("made", "fault", "lost", "how"),
    [
        (goodbyes(None, None), False, False, None),
        (goodbyes(None, None), False, True, "lost"),
        (goodbyes(Close(0, 0, ""), None), False, False, "unanswered"),
        (goodbyes(Close(0, 0, ""), None), False, True, "lost"),
        (goodbyes(None, Close(1, 0, "")), False, False, "closed"),
        (goodbyes(Close(Code.TOO_LARGE, 0, ""), None), True, False, "fault"),
        (goodbyes(Close(0, 0, ""), None), True, False, "fault"),
        *((goodbyes(None, Close(code, 0, "")), False, False, "fault") for code in (2, 3, 4, 5)),
    ],
)
def test_how_it_ends(made: Goodbyes, fault: bool, lost: bool, how: str | None) -> None:
    ended = ending(made, fault=fault, lost=lost)
    assert (ended and ended.how) == how
    assert not ended or (ended.delivered, ended.unknown, ended.never_sent) == (7, 2, 2)
