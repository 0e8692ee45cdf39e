"""The laws of a framing on two frames of a message, sound or altered in a byte."""

from hypothesis import strategies as st

from mezha.framing import Framing
from mezha.testing import laws
from mezha.testing.strategies import cuttings

__all__ = ["hold_laws"]


def hold_laws(framing: Framing, message: bytes, data: st.DataObject) -> None:
    """Check them all; a message that is refused keeps them."""
    if laws.refuses(framing, message):
        return
    laws.check_inverse(framing, message[:3], message[3:])
    laws.check_limit(framing, message)
    wire = bytearray(b"".join(framing.encode(message)) * 2)
    if data.draw(st.booleans()):
        wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    stream, limit = bytes(wire), data.draw(st.sampled_from((len(message), 0, 3, 100)))
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit, [data.draw(cuttings(stream))])
