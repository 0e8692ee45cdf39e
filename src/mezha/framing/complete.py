"""Messages that a program hands in whole, with their header: what its framing would not read is not written."""

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame

__all__ = ["complete"]

#: How large the message may be is for the engine to say.
_ANY = 1 << 62


def complete(framing: Framing, parts: tuple[Data, ...], end: bytes = b"") -> bytearray:
    """Return ``parts``, joined, and ``end`` behind them: one frame, as the framing itself would read it.

    Raises:
        LocalProtocolError: it is none, or not just one.

    """
    wire = bytearray().join((*parts, end))
    size = len(wire) - len(end)
    if not wire:
        raise LocalProtocolError("an empty message has no header: nothing was sent")
    try:
        verdict = framing.split(wire, _ANY)
    except FramingError as error:
        raise LocalProtocolError(f"the peer could not read this message: {error}: nothing was sent") from error
    if not isinstance(verdict, Frame):
        raise LocalProtocolError(f"the message is not finished after its {size} bytes: nothing was sent")
    if verdict.stop != size or verdict.end != len(wire):
        raise LocalProtocolError(f"the message has {size} bytes, and ends after {verdict.stop}: nothing was sent")
    return wire
