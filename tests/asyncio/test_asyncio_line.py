"""A line is kept in order, whoever gives up, and whenever there is room."""

import asyncio
from functools import partial

import pytest

from mezha.asyncio.line import Line


class Place:
    """A place with so much room, and a line in front of it."""

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.let_in: list[str] = []
        self.left = 0
        self.line = Line(self._note)

    def _has_room(self, size: int) -> bool:
        return self.room >= size

    def _note(self) -> None:
        self.left += 1

    def come(self, name: str, *sizes: int) -> asyncio.Task[None]:
        async def wait() -> None:
            async with self.line.turn() as turn:
                for size in sizes or (1,):
                    await turn.until(partial(self._has_room, size))
                    self.let_in.append(name)

        return asyncio.create_task(wait())


async def _steps() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_finds_room_does_not_wait() -> None:
    place = Place(1)
    await place.come("first")
    assert (place.let_in, place.left, place.line.turns) == (["first"], 1, [])
    place.line.wake()  # nobody is there


async def test_it_is_kept_in_order() -> None:
    place = Place()
    waiting = [place.come(name) for name in ("first", "second", "third")]
    await _steps()
    place.line.wake()
    await _steps()
    assert place.let_in == []
    place.room = 1
    await _steps()
    assert place.let_in == []  # nobody has said so
    place.line.wake()
    place.line.wake()
    await asyncio.gather(*waiting)
    assert place.let_in == ["first", "second", "third"]
    assert place.left == 3


async def test_the_small_does_not_slip_by_the_large() -> None:
    place = Place(10)
    waiting = [place.come("large", 20), place.come("small", 5)]
    await _steps()
    place.room = 19
    place.line.wake()
    await _steps()
    assert place.let_in == []
    place.room = 20
    place.line.wake()
    await asyncio.gather(*waiting)
    assert place.let_in == ["large", "small"]


async def test_room_that_is_gone_again_is_waited_for_once_more() -> None:
    place = Place()
    waiting = place.come("first")
    await _steps()
    place.room = 1
    place.line.wake()
    place.room = 0
    await _steps()
    assert place.let_in == []
    place.room = 1
    place.line.wake()
    await waiting


async def test_a_turn_lasts_to_its_end() -> None:
    place = Place(1)
    waiting = [place.come("long", 1, 2, 3), place.come("next", 1)]
    await _steps()
    for room in (2, 3):
        assert place.let_in == ["long"] * (room - 1)
        place.room = room
        place.line.wake()
        await _steps()
    await asyncio.gather(*waiting)
    assert place.let_in == ["long"] * 3 + ["next"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("steps", range(4))
async def test_who_gives_up_passes_its_turn_on(first: bool, steps: int) -> None:
    place = Place()
    waiting = [place.come(name) for name in ("first", "second", "third")]
    await _steps()
    given_up = waiting[0 if first else 1]
    place.room = 1
    place.line.wake()
    for _ in range(steps):
        await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait(waiting)
    names = {"first", "second", "third"}
    assert place.let_in == sorted(names - ({"first" if first else "second"} if given_up.cancelled() else set()))
    assert (place.left, place.line.turns) == (3, [])
