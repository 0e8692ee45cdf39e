"""What a peer with ``await`` can do in the mezha protocol beside sending and receiving messages, in any flavour."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from mezha.errors import LocalProtocolError, MezhaError
from mezha.framing import Data
from mezha.session import Ending, Session
from mezha.session.frames import PIECE
from mezha.streams import BARE, Readable, Rest, as_pieces, cut, has_room, why

__all__ = ["Incoming", "Source", "Talker", "Talking", "Turn"]

#: Where the bytes of a message may come from.
Source = Iterable[Data] | AsyncIterable[Data] | Readable | Data


class Turn(Protocol):
    """The turn of one who sends."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, or the end of the connection."""


class Talker(Protocol):
    """What a driver can do for this."""

    session: Session

    async def request(self, body: Data, within: float | None) -> bytes:
        """Ask, and wait for the answer."""
        ...

    async def ping(self, within: float | None) -> float:
        """Ask for a sign of life; return how many seconds it took."""
        ...

    def attend(self) -> None:
        """See what has come of a call of the engine."""

    async def arrival(self) -> None:
        """Wait until the engine has been given something."""

    def wake(self) -> None:
        """Let all who wait find out how things are."""

    def turn(self) -> AbstractAsyncContextManager[Turn]:
        """Wait in line: nobody else sends to the end of the block."""
        ...

    def in_thread(self, function: Callable[[int], Data], argument: int) -> Awaitable[Data | Awaitable[Data]]:
        """Call what may block."""
        ...


class Talking(ABC):
    """Asking, measuring, and messages piece by piece. On a bare connection each raises :exc:`LocalProtocolError`."""

    __slots__ = ()

    async def request(self, body: Data, *, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - it is told the peer
        """Ask the peer, and wait for its answer. Any number may be under way; each gets its own answer.

        Given up, by ``timeout`` seconds or by being cancelled, it cancels the handler at the other side.

        Raises:
            RequestFailed: the other side says that there is no answer, and why.
            TimeoutError: none came in time. The connection is unharmed.
            LocalProtocolError: over the limit of either side. Nothing was sent.
            ConnectionLost: the connection broke. Whether the request was heard is unknown.
            ClosedByPeer: the peer has closed. Likewise.
            ClosedByUs: after ``close``.

        """
        return await self._talk().request(body, timeout)

    async def ping(self, *, timeout: float | None = None) -> float:  # noqa: ASYNC109
        """Ask the peer for a sign of life, and return how many seconds it took. It answers without its program.

        Raises:
            TimeoutError: none came in ``timeout`` seconds. The connection is unharmed.
            ConnectionLost: the connection broke.
            ClosedByPeer: the peer has closed.
            ClosedByUs: after ``close``.

        """
        return await self._talk().ping(timeout)

    async def send_stream(self, source: Source) -> None:
        """Send one message from pieces, as they come, so that it need not stand in memory as a whole.

        ``source`` is an iterable, or an asynchronous one, of bytes, or a file to read from. The peer gets one message,
        and may receive it as it comes, too (``recv_stream``). What others send meanwhile waits until it is whole. If
        the source fails, or this is cancelled, the peer throws away what it has of it.

        Raises:
            LocalProtocolError: over the limit of either side. The peer has thrown away what it had.

        Otherwise as ``send``.

        """
        talk = self._talk()
        session = talk.session
        async with talk.turn() as turn:
            await turn.until(lambda: session.clear(PIECE + 1))  # as for any message that is cut into pieces
            session.begin_stream()
            try:
                async for some in _pieces(source, talk):
                    for piece in cut(some):
                        await turn.until(partial(has_room, session, len(piece)))
                        session.send_piece(piece)
                        talk.attend()
                session.end_stream()
            except BaseException as error:
                with suppress(MezhaError):  # the connection is over, and the message with it
                    session.drop_stream(*why(error))
                raise
            finally:
                talk.attend()

    def recv_stream(self) -> "Incoming":
        """Receive the next message as it comes: ``async with peer.recv_stream() as stream``, and read from that.

        Raises:
            LocalProtocolError: another is being received so.

        Otherwise as ``recv``.

        """
        return Incoming(self._talk())

    @property
    def ending(self) -> Ending | None:
        """How the connection ended, and what was delivered; ``None`` while it goes on, or if it is a bare one."""
        talker = self._talker
        return None if talker is None else talker.session.ending

    @property
    @abstractmethod
    def _talker(self) -> Talker | None:
        """What does all this, unless the connection is a bare one."""

    def _talk(self) -> Talker:
        talker = self._talker
        if talker is None:
            raise LocalProtocolError(BARE)
        return talker


class Incoming:
    """A message as it comes: in an ``async with`` block iterate over it, or ``read`` it like a file.

    At the end of the block the rest of it is thrown away, as it comes. Until then nobody can receive anything else.
    """

    def __init__(self, talk: Talker) -> None:
        self._talk = talk
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
        while not self._talk.session.open_stream():
            self._talk.attend()
            await self._talk.arrival()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._talk.session.leave_stream()
        self._talk.attend()
        self._talk.wake()  # for those who wait to receive what is behind it

    async def _next(self) -> bytes:
        while (piece := self._talk.session.take_piece()) is None:
            self._talk.attend()
            await self._talk.arrival()
        self._talk.attend()
        self.received += len(piece)
        return piece


async def _pieces(source: Source, talk: Talker) -> AsyncIterator[Data]:
    if isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    elif isinstance(source, Readable):
        while True:
            read = await talk.in_thread(source.read, PIECE)
            piece = await read if inspect.isawaitable(read) else read
            if not piece:
                break
            yield piece
    else:
        for piece in as_pieces(source):
            yield piece
