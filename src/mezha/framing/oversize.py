"""What is said of a message over the limit: the same of every framing."""

from mezha.errors import MessageTooLarge

__all__ = ["announced", "at_least", "unended"]


def announced(size: int, limit: int, clue: str = "") -> MessageTooLarge:
    """Return the error for a message whose size, in bytes, is known from what stands in front of it.

    ``clue`` says more: what the bytes look like.
    """
    return MessageTooLarge(
        f"the peer announced a message of {size} bytes; this side takes at most {limit} (max_message){clue}",
        size=size,
        limit=limit,
    )


def at_least(size: int, limit: int) -> MessageTooLarge:
    """Return the error for a message that comes in pieces, and has this many bytes by those announced so far."""
    return MessageTooLarge(
        f"the peer announced a message of {size} bytes or more; this side takes at most {limit} (max_message)",
        limit=limit,
    )


def unended(limit: int) -> MessageTooLarge:
    """Return the error for a message of which this much is known: more has come than the limit, and not its end."""
    return MessageTooLarge(
        f"the peer sent more than {limit} bytes without ending the message; this side takes at most {limit} "
        f"(max_message)",
        limit=limit,
    )
