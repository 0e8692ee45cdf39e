"""A short simulation, and that a simulation notices what is wrong."""

import re

import pytest
from simulation.programs import Blurting
from simulation.running import run
from simulation.world import World

from mezha import ConnectionLost, Framing, Limits, Timeouts
from mezha.engine import State
from mezha.framing import Data

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


class Faulty(Blurting):
    """An engine to go wrong: all goes through the methods."""

    def __init__(self, framing: Framing, limits: Limits, timeouts: Timeouts) -> None:
        super().__init__(framing, limits=limits, timeouts=timeouts)
        self.push = lambda message: False
        self.pop = lambda: None


class Loses(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        return super().take(count)[:2]


class Doubles(Faulty):
    def send(self, message: Data) -> None:
        for _ in range(2 if message[:3] == b"13 " else 1):
            super().send(message)


class Swaps(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        return super().take(count)[::-1]


class Tears(Faulty):
    def outgoing(self) -> list[Data]:
        data = b"".join(super().outgoing())
        return [data[:-1]] if self.state is State.CLOSED else [data]


class IsNeverFull(Faulty):
    def full(self) -> bool:
        return False


class IsAlwaysFull(Faulty):
    def full(self) -> bool:
        return super().full() or bool(self.unused())


class HearsNoEnd(Faulty):
    def receive(self, data: Data, now: float) -> None:
        if data:
            super().receive(data, now)


class TakesALossForAnEnd(Faulty):
    def lost(self, cause: BaseException) -> None:
        pass


class TellsOfALossTooSoon(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        if self._cause:
            raise ConnectionLost
        return super().take(count)


class HasPatience(Faulty):
    def deadline(self) -> float | None:
        return None


class HasNone(Faulty):
    def deadline(self) -> float | None:
        deadline = super().deadline()
        return None if deadline is None else deadline - 9

    def expire(self, now: float) -> None:
        super().expire(now + 9)


class IsLateForEver(Faulty):
    def expire(self, now: float) -> None:
        pass


class SaysSomethingElse(Faulty):
    def take(self, count: int = 1) -> list[bytes]:
        try:
            return super().take(count)
        except ConnectionLost as error:
            raise OSError from error


@pytest.mark.parametrize("kind", Faulty.__subclasses__(), ids=lambda kind: kind.__name__)
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
