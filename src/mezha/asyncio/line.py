"""A line: tasks that wait for their turn, one behind the other, and then for room."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Line", "Turn"]


class Line:
    """Those who wait for room. Whoever is first waits until there is enough, the others until it is their turn.

    Nobody is passed over: what is small does not slip by what is large and waits for more room.
    """

    __slots__ = ("_has_room", "_left", "loop", "turns")

    def __init__(self, has_room: Callable[[int | None], bool], left: Callable[[], None]) -> None:
        """Ask ``has_room`` whether there is room for so many bytes, or any; call ``left`` when somebody has left."""
        self.loop = asyncio.get_running_loop()
        self._has_room = has_room
        self._left = left
        #: Those in it, the first one first.
        self.turns: list[Turn] = []

    def turn(self) -> "Turn":
        """Line up: ``async with``."""
        return Turn(self)

    def has_room(self, turn: "Turn") -> bool:
        """Say whether it is somebody's turn, and there is room for it."""
        return self.turns[0] is turn and self._has_room(turn.size)

    def wake(self) -> None:
        """Let the first one go on, if there is room for it."""
        if self.turns and self.turns[0].waiting:
            self.turns[0].look()

    def leave(self, turn: "Turn") -> None:
        """Let the next one have its turn."""
        self.turns.remove(turn)
        self._left()
        self.wake()


class Turn:
    """A place in a line: ``async with``. Nobody has its turn before the end of the block."""

    __slots__ = ("_line", "_waiter", "size")

    def __init__(self, line: Line) -> None:
        self._line = line
        #: Bytes that room is wanted for, if for bytes.
        self.size: int | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def room(self, size: int | None = None) -> None:
        """Wait until it is this one's turn, and there is room for so many bytes."""
        self.size = size
        while not self._line.has_room(self):
            self._waiter = self._line.loop.create_future()
            await self._waiter

    @property
    def waiting(self) -> bool:
        """Whether it waits, and has not been told to look again."""
        return self._waiter is not None and not self._waiter.done()

    def look(self) -> None:
        """Look whether there is room."""
        assert self._waiter is not None
        if self._line.has_room(self):
            self._waiter.set_result(None)

    async def __aenter__(self) -> Self:
        self._line.turns.append(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._line.leave(self)
