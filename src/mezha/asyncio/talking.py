"""What a peer can do on a connection that speaks the mezha protocol, beside sending and receiving messages."""

from mezha.asyncio.driver import Driver
from mezha.asyncio.session import SessionDriver
from mezha.asyncio.streams import Incoming, Source, send
from mezha.errors import LocalProtocolError
from mezha.framing import Data
from mezha.session import Ending
from mezha.streams import BARE

__all__ = ["Talking"]


class Talking:
    """Asking, measuring, and messages piece by piece. On a bare connection each raises :exc:`LocalProtocolError`."""

    __slots__ = ()

    _driver: Driver

    async def request(self, body: Data, *, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - see below
        """Ask the peer, and wait for its answer. Any number may be under way; each gets its own answer.

        Given up, by ``timeout`` seconds or a cancellation, the handler at the other side is cancelled.

        Raises:
            RequestFailed: the other side says that there is no answer, and why.
            TimeoutError: none came in time.
            LocalProtocolError: over the limit of either side. Nothing was sent.
            ConnectionLost: the connection broke. Whether the request was heard is unknown.
            ClosedByPeer: the peer has closed. Likewise.
            ClosedByUs: after ``close``.

        """
        return await self._session().calls.request(body, timeout)

    async def ping(self, *, timeout: float | None = None) -> float:  # noqa: ASYNC109 - as request has one
        """Ask the peer for a sign of life, and return how many seconds it took. It answers without its program.

        Raises:
            TimeoutError: none came in ``timeout`` seconds.
            ConnectionLost: the connection broke.
            ClosedByPeer: the peer has closed.
            ClosedByUs: after ``close``.

        """
        return await self._session().calls.ping(timeout)

    async def send_stream(self, source: Source) -> None:
        """Send one message from pieces, as they come, so that it need not stand in memory as a whole.

        ``source`` is an iterable, or an asynchronous one, of bytes, or a file to read from. The peer gets one message,
        and may receive it as it comes, too (``recv_stream``). What others send meanwhile waits until it is whole. If
        the source fails, or this is cancelled, the peer throws away what it has of it.

        Raises:
            LocalProtocolError: over the limit of either side. The peer has thrown away what it had.

        Otherwise as ``send``.

        """
        await send(self._session(), source)

    def recv_stream(self) -> Incoming:
        """Receive the next message as it comes: ``async with peer.recv_stream() as stream``, and read from that.

        Raises:
            LocalProtocolError: another is being received so.

        Otherwise as ``recv``.

        """
        return Incoming(self._session())

    @property
    def ending(self) -> Ending | None:
        """How the connection ended, and what was delivered; ``None`` while it goes on, or if it is a bare one."""
        driver = self._driver
        return driver.session.ending if isinstance(driver, SessionDriver) else None

    def _session(self) -> SessionDriver:
        driver = self._driver
        if not isinstance(driver, SessionDriver):
            raise LocalProtocolError(BARE)
        return driver
