"""Credit: what is granted is spent, waits, or was taken; nothing else."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mezha.errors import RemoteProtocolError
from mezha.session.credit import Grant

WINDOW = 1000


@example([("spend", 600), ("free", 249), ("due", 0), ("free", 1), ("due", 0), ("spend", 600)])
@given(st.lists(st.tuples(st.sampled_from(("spend", "free", "due")), st.integers(0, 600)), max_size=60))
def test_all_of_the_window_is_accounted_for(steps: list[tuple[str, int]]) -> None:
    grant = Grant(WINDOW)
    waiting = taken = 0
    for step, size in steps:
        if step == "spend":
            if size > grant.left:
                with pytest.raises(RemoteProtocolError, match=f"{size} bytes of messages and had credit for"):
                    grant.spend(size)
                continue
            grant.spend(size)
            waiting += size
        elif step == "free":
            size = min(size, waiting)
            grant.free(size)
            waiting -= size
            taken += size
        else:
            missing = grant.missing
            credit = grant.due()
            assert credit == (taken if taken >= WINDOW // 4 else 0)
            assert bool(credit) == (missing <= 0)
            taken -= credit
        assert grant.left + waiting + taken == WINDOW
        assert grant.missing == WINDOW // 4 - taken


def test_what_was_overdrawn_is_not_spent() -> None:
    grant = Grant(WINDOW)
    with pytest.raises(RemoteProtocolError):
        grant.spend(WINDOW + 1)
    grant.spend(WINDOW)
    assert grant.left == 0
