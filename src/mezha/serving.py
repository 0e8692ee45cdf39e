"""What the servers of all flavours share: when to try again, and how the end of a connection is told to the log."""

import logging

from mezha.errors import ClosedByPeer, MezhaError

__all__ = ["GONE", "PAUSE", "log_end"]

#: An accept that fails so has come too late: another thread has that connection, or its client left before.
GONE = (BlockingIOError, ConnectionError)
#: Seconds to wait after one that failed for any other reason, as for want of file descriptors, before trying again.
PAUSE = 0.1


def log_end(log: logging.Logger, name: str, error: Exception, *, stopping: bool) -> None:
    """Log what a handler raised: a fault of the peer or of the network in a line, one of its own with the traceback.

    Call it where ``error`` is being handled.
    """
    if isinstance(error, ClosedByPeer):
        log.debug("%s: closed by the peer", name)
    elif isinstance(error, MezhaError | OSError):
        log.log(logging.DEBUG if stopping else logging.WARNING, "%s: %s: %s", name, type(error).__name__, error)
    else:
        log.exception("%s: the handler failed", name)
