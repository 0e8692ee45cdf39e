"""The experiments: what they measure on real sockets, and how they judge it."""

from dataclasses import replace

import pytest

from mezha.cli import experiment
from mezha.cli.experiment import MESSAGES, TELLING, WAYS, WIRE, Cutting, Rounds, Way


@pytest.fixture(scope="module")
def cutting() -> Cutting:
    return experiment.cut_every_way(lambda _: None)


def test_the_ways_are_all_different_and_all_there_are() -> None:
    ways = {experiment.cuts_of(number) for number in range(WAYS)}
    assert len(ways) == WAYS == 2 ** (len(WIRE) - 1)
    assert experiment.cuts_of(0b100) == (3,)
    assert set(TELLING.values()) <= ways
    assert list(experiment.cut_off(b"abc", (1, 2))) == [b"a", b"b", b"c"]
    assert list(experiment.cut_off(b"abc", ())) == [b"abc"]


def test_plain_rounds_count_every_recv() -> None:
    steps: list[int] = []
    rounds = experiment.plain_rounds(200, steps.append)
    assert rounds.count == sum(count for _, count in rounds.outcomes) == 200
    assert rounds.both + rounds.single + rounds.other == 200
    assert sum(len(outcome) * count for outcome, count in rounds.outcomes) <= 200 * len(b"Hello!World!")
    assert len(rounds.first) == 10
    assert sum(steps) == 200


def test_the_rounds_around_a_surprise_are_kept() -> None:
    rounds = experiment.plain_rounds(200, lambda _: None)
    if rounds.surprise is None:  # then there was none
        assert rounds.both == 200
        assert not rounds.around
    else:
        numbers = [number for number, _ in rounds.around]
        assert rounds.surprise in numbers
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        found = dict(rounds.around)
        assert found[rounds.surprise] != b"Hello!World!"
        assert all(found[number] == b"Hello!World!" for number in numbers if number < rounds.surprise)


def test_rounds_are_told_apart() -> None:
    outcomes = ((b"Hello!World!", 5), (b"Hello!", 2), (b"World!", 1), (b"World!Hello!", 1))
    rounds = Rounds(9, outcomes, (), None, ())
    assert (rounds.both, rounds.single, rounds.other) == (5, 3, 1)


def test_with_mezha_messages_alternate() -> None:
    alternation = experiment.mezha_rounds(200, lambda _: None)
    assert alternation.right == alternation.received == 400
    assert alternation.first == (b"Hello!", b"World!", b"Hello!", b"World!")
    assert 200 <= alternation.reads <= 400
    assert alternation.reads + alternation.reads_both == 400  # each read returned one line, or two


def test_every_way_is_real_and_only_mezha_survives_it(cutting: Cutting) -> None:
    assert cutting.ways == cutting.real == cutting.mezha_right == 8192
    assert cutting.plain_right == 1
    # 13 places to cut, each used in half of the ways
    assert cutting.pieces == 8192 + 8192 * 13 // 2


def test_the_telling_ways_are_what_was_measured(cutting: Cutting) -> None:
    assert list(cutting.telling) == list(TELLING)
    for name, way in cutting.telling.items():
        assert way.real
        assert way.cuts == TELLING[name]
        assert b"".join(way.plain) == WIRE
        assert len(way.plain) == len(way.cuts) + 1
        assert way.plain_right is (name == "boundary")
        assert way.mezha == MESSAGES


def test_a_flood_is_glued_for_plain_code_only() -> None:
    flood = experiment.flood(1000)
    assert flood.messages == flood.mezha_right == 2000
    assert flood.size == 1000 * len(WIRE)
    assert flood.plain_reads >= flood.size / 4096
    assert flood.plain_right < 2000


@pytest.mark.parametrize(
    ("way", "real", "plain", "mezha"),
    [
        (Way((7,), (b"Hello!\n", b"World!\n"), (b"Hello!\n", b"World!\n"), MESSAGES), True, True, True),
        (Way((7,), (WIRE,), (b"Hello!\n", b"World!\n"), MESSAGES), False, False, True),
        (Way((), (WIRE,), (WIRE,), (b"Hello!World!",)), True, False, False),
        (Way((), (WIRE,), (b"Hello!\n", b"World!\n"), MESSAGES), False, False, True),
    ],
)
def test_a_way_is_judged_by_what_came_of_it(way: Way, real: bool, plain: bool, mezha: bool) -> None:
    assert (way.real, way.plain_right, way.mezha_right) == (real, plain, mezha)


def test_one_wrong_message_makes_the_run_wrong(lab: experiment.Lab) -> None:
    assert lab.right
    assert not replace(lab, mezha=replace(lab.mezha, right=lab.mezha.right - 1)).right
    assert not replace(lab, cutting=replace(lab.cutting, mezha_right=8191)).right
    assert not replace(lab, cutting=replace(lab.cutting, real=8191)).right
    assert not replace(lab, flood=replace(lab.flood, mezha_right=0)).right
