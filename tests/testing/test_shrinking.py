"""What is left cannot be made smaller by leaving out one item, and still fails."""

from hypothesis import given
from hypothesis import strategies as st

from mezha.testing.shrinking import fewest


@given(st.lists(st.integers(0, 9), max_size=30), st.sets(st.integers(0, 9), max_size=3))
def test_what_is_needed_is_all_that_is_left(items: list[int], needed: set[int]) -> None:
    def fails(some: list[int]) -> bool:
        return needed <= set(some)

    left = fewest(items, fails)
    if fails(items):
        assert sorted(left) == sorted(needed)
    else:
        assert left == items


def test_where_few_matter_it_is_quick() -> None:
    calls = 0

    def fails(some: list[int]) -> bool:
        nonlocal calls
        calls += 1
        return 700 in some

    assert [*fewest(list(range(1000)), fails)] == [700]
    assert calls < 60


def test_it_takes_what_depends_on_two_halves_apart() -> None:
    def fails(some: list[int]) -> bool:
        return bytes(some).find(b"y") > bytes(some).find(b"x") >= 0

    smallest = fewest([*b"a" * 40, *b"x", *b"b" * 40, *b"y"], fails)
    assert bytes(smallest) == b"xy"
