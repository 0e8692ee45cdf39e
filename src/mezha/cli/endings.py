"""How the end of a connection that spoke the mezha protocol is told."""

from mezha.cli.output import as_text
from mezha.session import Ending
from mezha.session.frames import code_name

__all__ = ["counted", "delivery", "ended", "why"]

_ENDED = {"closed": "closed", "unanswered": "did not say goodbye", "lost": "was lost", "fault": "failed"}


def ended(ending: Ending) -> str:
    """Say how it ended, as of a connection: ``was lost``."""
    return _ENDED[ending.how]


def why(ending: Ending, error: Exception | None = None) -> str:
    """Say why it ended: the code and the reason, or the error, where it was lost."""
    if ending.how == "lost":
        return as_text(str(error).encode()) if error else "nothing more is known"
    reason = as_text(ending.reason.encode())
    return code_name(ending.code) + (reason and f", {reason}")


def delivery(ending: Ending) -> str:
    """Say what became of the messages that were sent."""
    told = f"{ending.delivered} of {counted(ending.sent)} delivered" if ending.sent else "no message was sent"
    told += f", {ending.unknown} unknown" * bool(ending.unknown and ending.how != "closed")
    return told + f", {ending.never_sent} never sent" * bool(ending.never_sent)


def counted(messages: int) -> str:
    """Return a number of messages in words."""
    return f"{messages} {'message' if messages == 1 else 'messages'}"
