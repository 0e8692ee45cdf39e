"""What the flavours share about answering requests: what becomes of what a handler returns, or raises."""

import logging

from mezha.engine import as_view
from mezha.errors import LocalProtocolError, RequestFailed
from mezha.session import Session
from mezha.session.frames import Code

__all__ = ["Answers"]


class Answers:
    """Takes the outcomes of handlers to the session of a connection."""

    __slots__ = ("_log", "_peer", "_session")

    def __init__(self, session: Session, log: logging.Logger, peer: str) -> None:
        """Log with the name of the peer what is not for the other side."""
        self._session = session
        self._log = log
        self._peer = peer

    def returned(self, number: int, reply: object) -> None:
        """Answer a request with what its handler returned, or say that it failed, if that is no answer."""
        try:
            self._session.answer(number, bytes(as_view(reply)))
        except (LocalProtocolError, TypeError) as error:
            text = "%s: a handler returned what cannot be sent: %s"
            self._log.error(text, self._peer, error, extra={"peer": self._peer})
            self._failed(number)

    def raised(self, number: int, error: BaseException) -> None:
        """Answer a request with what its handler raised: only what is meant for the other side gets there."""
        if isinstance(error, RequestFailed):
            self._session.fail(number, error.code, str(error))
        else:
            self._log.error("%s: a handler failed", self._peer, exc_info=error, extra={"peer": self._peer})
            self._failed(number)

    def cancelled(self, number: int) -> None:
        """Answer a request whose handler was cancelled."""
        self._session.fail(number, Code.CANCELLED, "cancelled")

    def _failed(self, number: int) -> None:
        self._session.fail(number, Code.HANDLER_FAILED, "the handler failed")
