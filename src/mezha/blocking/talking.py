"""What a peer can do on a connection that speaks the mezha protocol, beside sending and receiving messages."""

from mezha.blocking.driver import Driver
from mezha.blocking.streams import Incoming, Source, send
from mezha.errors import LocalProtocolError
from mezha.framing import Data
from mezha.session import Ending, Stats
from mezha.streams import BARE

__all__ = ["Talking"]


class Talking:
    """Asking, measuring, and messages piece by piece. On a bare connection each raises :exc:`LocalProtocolError`."""

    _driver: Driver | None

    def request(self, body: Data, *, timeout: float | None = None) -> bytes:
        """Ask the peer, and wait for its answer. Any number of threads may; each gets its own answer.

        Raises:
            RequestFailed: the other side says that there is no answer, and why.
            TimeoutError: none came in ``timeout`` seconds. The other side is told that nobody waits any more.
            LocalProtocolError: over the limit of either side. Nothing was sent.
            ConnectionLost: the connection broke. Whether the request was heard is unknown.
            ClosedByPeer: the peer has closed. Likewise.
            ClosedByUs: after ``close``.

        """
        return self._talk().calls.request(body, timeout)

    def ping(self, *, timeout: float | None = None) -> float:
        """Ask the peer for a sign of life, and return how many seconds it took. It answers without its program.

        Raises:
            TimeoutError: none came in ``timeout`` seconds.
            ConnectionLost: the connection broke.
            ClosedByPeer: the peer has closed.
            ClosedByUs: after ``close``.

        """
        return self._talk().calls.ping(timeout)

    def send_stream(self, source: Source, *, timeout: float | None = None) -> None:
        """Send one message from pieces, as they come, so that it need not stand in memory as a whole.

        ``source`` is an iterable of bytes, or a file to read from. The peer gets one message, and may receive it as it
        comes, too (``recv_stream``). What other threads send meanwhile waits until it is whole. If the source fails,
        or the time is up, the peer throws away what it has of it.

        Raises:
            LocalProtocolError: over the limit of either side. The peer has thrown away what it had.
            SendTimeout: out of time; if its ``sent`` is 1, all of it goes out all the same.

        Otherwise as ``send``.

        """
        send(self._talk(), source, timeout)

    def recv_stream(self, *, timeout: float | None = None) -> Incoming:
        """Receive the next message as it comes: ``with peer.recv_stream() as stream``, and read from that.

        ``timeout`` is for each time that it waits.

        Raises:
            LocalProtocolError: another is being received so.

        Otherwise as ``recv``.

        """
        return Incoming(self._talk(), timeout)

    def retire(self) -> None:
        """Have the connection closed as soon as nothing is under way, because this side goes away.

        Messages that are here are still handed out, and requests answered; then ``recv`` raises ``ClosedByUs``, and
        the peer is told (code 1, GOING_AWAY). Call ``close`` in any case.
        """
        self._talk().retire()

    def dismiss(self) -> None:
        """Say goodbye now, because this side goes away, and do not wait for the answer.

        Whoever sends or receives raises ``ClosedByUs``. Call ``close`` in any case: it waits for the answer.
        """
        self._talk().dismiss()

    @property
    def stats(self) -> Stats:
        """The connection in numbers: counters, and gauges of this moment."""
        return self._talk().stats()

    @property
    def ending(self) -> Ending | None:
        """How the connection ended, and what was delivered; ``None`` while it goes on, or if it is a bare one."""
        return None if self._driver is None else self._driver.session.ending

    def _talk(self) -> Driver:
        if self._driver is None:
            raise LocalProtocolError(BARE)
        return self._driver
