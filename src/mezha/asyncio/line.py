"""A line: tasks that wait for their turn, one behind the other, and then for room."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Line", "Turn"]


class Line:
    """Those who wait to send. Whoever is first waits until there is room for it, the others until it is their turn.

    Nobody is passed over: what is small does not slip by what is large and waits for more room.
    """

    __slots__ = ("_left", "loop", "turns")

    def __init__(self, left: Callable[[], None]) -> None:
        """``left`` is called when somebody has left it."""
        self.loop = asyncio.get_running_loop()
        self._left = left
        #: Those in it, the first one first.
        self.turns: list[Turn] = []

    def turn(self) -> "Turn":
        """Line up: ``async with``."""
        return Turn(self)

    def wake(self) -> None:
        """Let the first one look whether there is room for it now."""
        if self.turns:
            self.turns[0].look()

    def leave(self, turn: "Turn") -> None:
        """Let the next one have its turn."""
        self.turns.remove(turn)
        self._left()
        self.wake()


class Turn:
    """A place in a line: ``async with``. Nobody else has its turn before the end of the block."""

    __slots__ = ("_line", "_waiter", "_wanted")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._wanted: Callable[[], bool] = bool
        self._waiter: asyncio.Future[None] | None = None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is this one's turn, and a condition holds."""
        self._wanted = condition
        while self._line.turns[0] is not self or not condition():
            self._waiter = self._line.loop.create_future()
            await self._waiter

    def look(self) -> None:
        """Look whether the wait is over."""
        if self._waiter is not None and not self._waiter.done() and self._wanted():
            self._waiter.set_result(None)

    async def __aenter__(self) -> Self:
        self._line.turns.append(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._line.leave(self)
