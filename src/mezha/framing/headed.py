"""Messages that are handed in with the header that says how long they are: it has to be right."""

from collections.abc import Callable, Sequence

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing.frame import Data, Need
from mezha.framing.parts import front

__all__ = ["check_header"]


def check_header(parts: Sequence[Data], end_of: Callable[[bytearray], int | Need], header: int, what: str) -> None:
    """Check that a message ends where its own header says; only its first ``header`` bytes are looked at.

    ``end_of`` reads a header, as on receipt; ``what`` is what a message is called there ("MQTT packet").

    Raises:
        LocalProtocolError: it does not, or has no whole header, or one that no peer would read.

    """
    size = sum(map(len, parts))
    if not size:
        raise LocalProtocolError(f"an empty message is no {what}: nothing was sent")
    try:
        end = end_of(front(parts, header))
    except FramingError as error:
        raise LocalProtocolError(f"the message is no {what}: {error}: nothing was sent") from error
    if isinstance(end, Need):
        raise LocalProtocolError(f"the message is no {what}: it has not ended after {size} bytes: nothing was sent")
    if end != size:
        raise LocalProtocolError(
            f"the message has {size} bytes, and the {what} in it ends after {end}: nothing was sent"
        )
