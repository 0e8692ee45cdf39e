"""What the servers of all flavours share: where they listen, when to try again, how an end is told to the log."""

import logging
import socket
from collections.abc import Iterator, Sequence
from typing import cast

from mezha.errors import ClosedByPeer, MezhaError
from mezha.session import Code
from mezha.sockets import address_name, close_listening, port_of

__all__ = ["GOING_AWAY", "GONE", "ONLY_REQUESTS", "PAUSE", "Listening", "log_end", "require_handler"]

#: An accept that fails so has come too late: another thread has that connection, or its client left before.
GONE = (BlockingIOError, ConnectionError)
#: What a server that stops says to its peers: a code and a reason.
GOING_AWAY = (Code.GOING_AWAY, "the server stops")
#: What one without a handler says to a peer that sends messages.
ONLY_REQUESTS = (Code.REFUSED, "messages are not taken here, only requests")
#: Seconds to wait after one that failed for any other reason, as for want of file descriptors, before trying again.
PAUSE = 0.1


class Listening:
    """Listening sockets, and where they are."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        #: The listening sockets: a host may have several addresses.
        self.sockets = tuple(sockets)
        try:
            self._names = tuple(address_name(sock.getsockname()) for sock in sockets)
            self._port = port_of(sockets)
        except OSError:
            close_listening(sockets)
            raise
        self._closed = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, as people write it."""
        return self._names

    @property
    def port(self) -> int:
        """The TCP port.

        Raises:
            ValueError: it listens on a Unix socket.

        """
        if self._port is None:
            raise ValueError(f"{self._names[0]} is a Unix socket, and has no port")
        return self._port

    def __repr__(self) -> str:
        flavour = type(self).__module__.rpartition(".")[0]
        return f"<{flavour}.Listener {', '.join(self._names)}{', closed' * self._closed}>"


def require_handler(handler: object, answer: object) -> None:
    """Refuse to serve where nobody takes messages, and nobody answers requests.

    Raises:
        TypeError: so it is.

    """
    if handler is None and answer is None:
        raise TypeError("there is nothing to do for a peer: give a handler for its messages, or answer= for requests")


def log_end(log: logging.Logger, name: str, error: Exception, *, stopping: bool) -> None:
    """Log what a handler raised: a fault of the peer or of the network in a line, one of its own with the traceback.

    A group of exceptions, as a handler with tasks of its own may raise, is told by the worst that is in it. Call it
    where ``error`` is being handled.
    """
    worst = max(_leaves(error), key=_gravity)
    extra = {"peer": name}
    match _gravity(worst):
        case 0:
            log.debug("%s: closed by the peer", name, extra=extra)
        case 1:
            level = logging.DEBUG if stopping else logging.WARNING
            log.log(level, "%s: %s: %s", name, type(worst).__name__, worst, extra=extra)
        case _:
            log.exception("%s: the handler failed", name, extra=extra)


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for inner in cast("ExceptionGroup[Exception]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _gravity(error: Exception) -> int:
    """Say whose doing it was: 0 for an orderly end, 1 for a fault of the peer or of the network, 2 for our own."""
    return 0 if isinstance(error, ClosedByPeer) else 1 if isinstance(error, MezhaError | OSError) else 2
