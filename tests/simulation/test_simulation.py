"""A short simulation, and that a simulation notices what is wrong."""

import re

import pytest
from faulty_engines import FAULTY, Faulty
from simulation.running import run
from simulation.world import World

WORLDS = 150


def test_many_worlds() -> None:
    *_, figures = run(range(WORLDS))
    assert figures.worlds == WORLDS
    assert figures.seconds > 10 * 3600
    assert figures.messages > 1000
    assert len(figures.outcomes) == 6, f"not all endings there are: {figures}"


def test_the_same_seed_makes_the_same_history() -> None:
    worlds = [World(seed, remember=None) for seed in (7, 7, 8)]
    for world in worlds:
        world.live()
    first, again, other = (list(world.wire.trace) for world in worlds)
    assert first == again
    assert str(worlds[0]) == str(worlds[1])
    assert first != other


@pytest.mark.parametrize("kind", FAULTY, ids=lambda kind: kind.__name__)
def test_what_is_wrong_is_noticed(kind: type[Faulty]) -> None:
    with pytest.raises((AssertionError, OSError)) as caught:
        list(run(range(WORLDS), kind))
    (note,) = caught.value.__notes__
    seed = re.search(r"To see it again: make simulate SEED=(\d+)$", note)
    assert seed
    assert re.search(r"^It was in the world of seed \d+, at (commit [0-9a-f]{40}|a commit)", note)
    with pytest.raises(type(caught.value), match=f"^{re.escape(str(caught.value))}"):
        World(int(seed[1]), kind).live()
    World(int(seed[1])).live()  # and it was not the world
