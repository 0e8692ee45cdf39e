"""Messages that pass a blocking connection piece by piece, and need not stand in memory as a whole."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from mezha.errors import MezhaError, SendTimeout
from mezha.framing import Data
from mezha.session.frames import PIECE
from mezha.streams import Readable, Rest, as_pieces, cut, has_room, why

if TYPE_CHECKING:
    from mezha.blocking.driver import Driver

__all__ = ["Incoming", "Source", "send"]

T = TypeVar("T")

#: Where the bytes of a message may come from.
Source = Iterable[Data] | Readable | Data


def send(driver: "Driver", source: Source, timeout: float | None) -> None:
    """Send a message as its pieces come; give it up, in public, if they fail to."""
    deadline = None if timeout is None else time.monotonic() + timeout
    session = driver.session
    driver.begin_sending(deadline, 0)
    try:
        if not driver.until(lambda: True if session.clear(PIECE + 1) else None, deadline):
            raise SendTimeout("nothing was sent: the peer takes no message now")
        driver.do(session.begin_stream)
        try:
            for some in _pieces(source):
                for piece in cut(some):
                    _add(driver, piece, deadline)
            driver.do(session.end_stream)
        except BaseException as error:
            told = why(error)
            with suppress(MezhaError):  # the connection is over, and the message with it
                driver.do(lambda: session.drop_stream(*told))
            raise
        driver.finish(deadline, 1)
    finally:
        driver.end_sending()


def _add(driver: "Driver", piece: bytes, deadline: float | None) -> None:
    if not driver.until(lambda: True if has_room(driver.session, len(piece)) else None, deadline):
        raise SendTimeout("the peer reads too slowly: the message was given up, and the peer throws away what it has")
    driver.do(lambda: driver.session.send_piece(piece))


class Incoming:
    """A message as it comes: in a ``with`` block iterate over it, or ``read`` it like a file.

    At the end of the block the rest of it is thrown away, as it comes. Until then nobody can receive anything else.
    """

    def __init__(self, driver: "Driver", timeout: float | None) -> None:
        self._driver = driver
        self._timeout = timeout
        self._rest = Rest()
        #: Bytes of it that have been received.
        self.received = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, as soon as there are any; all that are to come by default. ``b""`` is the end.

        Raises:
            MessageDropped: the peer has given the message up. The connection is unharmed.
            TimeoutError: nothing came for as long as ``recv_stream`` was told to wait. Nothing is lost.

        Otherwise as ``Peer.recv``.

        """
        while not self._rest.enough(size):
            self._rest.add(self._next())
        return self._rest.take(size)

    def __iter__(self) -> Iterator[bytes]:
        """Receive the pieces, as large as they come."""
        while True:
            if not self._rest.enough(1):
                self._rest.add(self._next())
            if not (piece := self._rest.take(-1)):
                return
            yield piece

    def __enter__(self) -> Self:
        self._wait(lambda: True if self._driver.session.open_stream() else None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._driver.do(self._driver.session.leave_stream)

    def _next(self) -> bytes:
        piece = self._wait(self._driver.session.take_piece)
        self.received += len(piece)
        return piece

    def _wait(self, attempt: Callable[[], T | None]) -> T:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        result = self._driver.until(attempt, deadline)
        if result is None:
            raise TimeoutError(f"nothing more of the message within {self._timeout:g} s; nothing is lost")
        return result


def _pieces(source: Source) -> Iterator[Data]:
    if isinstance(source, Readable):
        while piece := source.read(PIECE):
            yield piece
    else:
        yield from as_pieces(source)
