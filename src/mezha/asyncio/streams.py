"""Messages that pass an asyncio connection piece by piece, and need not stand in memory as a whole."""

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mezha.errors import MezhaError
from mezha.framing import Data
from mezha.session.frames import PIECE
from mezha.streams import Readable, Rest, as_pieces, cut, has_room, why

if TYPE_CHECKING:
    from mezha.asyncio.session import SessionDriver

__all__ = ["Incoming", "Source", "send"]

#: Where the bytes of a message may come from.
Source = Iterable[Data] | AsyncIterable[Data] | Readable | Data


async def send(driver: "SessionDriver", source: Source) -> None:
    """Send a message as its pieces come; give it up, in public, if they fail to."""
    session = driver.session
    async with driver.turn() as turn:
        await turn.until(lambda: driver.has_room(PIECE + 1))  # as for any message that is cut into pieces
        session.begin_stream()
        try:
            async for some in _pieces(source):
                for piece in cut(some):
                    await turn.until(partial(has_room, session, len(piece)))
                    session.send_piece(piece)
                    driver.attend()
            session.end_stream()
        except BaseException as error:
            with suppress(MezhaError):  # the connection is over, and the message with it
                session.drop_stream(*why(error))
            raise
        finally:
            driver.attend()


class Incoming:
    """A message as it comes: in an ``async with`` block iterate over it, or ``read`` it like a file.

    At the end of the block the rest of it is thrown away, as it comes. Until then nobody can receive anything else.
    """

    __slots__ = ("_driver", "_rest", "received")

    def __init__(self, driver: "SessionDriver") -> None:
        self._driver = driver
        self._rest = Rest()
        #: Bytes of it that have been received.
        self.received = 0

    async def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, as soon as there are any; all that are to come by default. ``b""`` is the end.

        Raises:
            MessageDropped: the peer has given the message up. The connection is unharmed.

        Otherwise as ``Peer.recv``. Cancelled, it loses nothing.

        """
        while not self._rest.enough(size):
            self._rest.add(await self._next())
        return self._rest.take(size)

    def __aiter__(self) -> Self:
        """Receive the pieces, as large as they come."""
        return self

    async def __anext__(self) -> bytes:
        if not self._rest.enough(1):
            self._rest.add(await self._next())
        if piece := self._rest.take(-1):
            return piece
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        while not self._driver.session.open_stream():
            await self._driver.readable()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._driver.session.leave_stream()
        self._driver.attend()
        self._driver.wake()  # for those who wait to receive what is behind it

    async def _next(self) -> bytes:
        while (piece := self._driver.session.take_piece()) is None:
            await self._driver.readable()
        self._driver.attend()
        self.received += len(piece)
        return piece


async def _pieces(source: Source) -> AsyncIterator[Data]:
    if isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    elif isinstance(source, Readable):
        while True:
            piece = await asyncio.to_thread(source.read, PIECE)
            if inspect.isawaitable(piece):
                piece = await piece
            if not piece:
                break
            yield piece
    else:
        for piece in as_pieces(source):
            yield piece
