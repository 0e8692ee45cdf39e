"""Messages that a program hands in whole, with their header: what its framing would not read is not written."""

from collections.abc import Callable

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing.frame import Data, Frame, Need

__all__ = ["complete"]

Split = Callable[[bytearray, int], Frame | Need]

#: How large the message may be is for the engine to say. No length of twenty digits is over this.
_ANY = 1 << 100


def complete(split: Split, parts: tuple[Data, ...], end: bytes = b"") -> bytearray:
    """Return ``parts``, joined, and ``end`` behind them: one frame, as the framing's own ``split`` would read it.

    Raises:
        LocalProtocolError: it is none, or not just one.

    """
    wire = bytearray().join((*parts, end))
    size = len(wire) - len(end)
    if not wire:
        raise LocalProtocolError("an empty message has no header: nothing was sent")
    try:
        verdict = split(wire, _ANY)
    except FramingError as error:
        raise LocalProtocolError(f"the peer could not read this message: {error}: nothing was sent") from error
    if isinstance(verdict, Need):
        raise LocalProtocolError(
            f"the message has {size} bytes, and is not whole without {verdict.size - len(wire)} more: nothing was sent"
        )
    if verdict.stop != size or verdict.end != len(wire):
        raise LocalProtocolError(f"the message has {size} bytes, and ends after {verdict.stop}: nothing was sent")
    return wire
