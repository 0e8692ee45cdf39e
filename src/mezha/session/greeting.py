r"""The magic with which each side opens, and what stands there instead when the peer is not one of ours.

::

    +------+------+------+------+------+------+------+------+
    |  8d  |  4d  |  5a  |  48  |  0d  |  0a  |  1a  |  0a  |
    +------+------+------+------+------+------+------+------+
             M      Z      H      CR     LF     SUB    LF

As in PNG's signature each part shows a way in which bytes are mangled: the first is not ASCII, nor can it begin UTF-8;
CR LF and LF are what text modes convert into one another.
"""

from mezha.errors import HandshakeError
from mezha.framing.strangers import describe

__all__ = ["MAGIC", "check_magic", "not_greeted"]

MAGIC = b"\x8dMZH\r\n\x1a\n"


def check_magic(first: bytes | bytearray) -> bool:
    """Say whether the magic stands at the front of a stream; ``False`` if fewer bytes have arrived than it has.

    The wait for the rest tells what the peer is instead: it is not judged by its first wrong byte.

    Raises:
        HandshakeError: something else stands there.

    """
    if len(first) < len(MAGIC):
        return False
    if first[: len(MAGIC)] == MAGIC:
        return True
    raise not_greeted(bytes(first[: len(MAGIC)]))


def not_greeted(first: bytes) -> HandshakeError:
    """Return the error for a peer that did not begin with the magic; ``first`` may be shorter, if no more came."""
    if not first:
        return HandshakeError("the peer has sent nothing, not even the beginning of the mezha protocol")
    if MAGIC.startswith(first):
        return HandshakeError(
            f"the peer began the mezha protocol and went no further: "
            f"{len(first)} of the first {len(MAGIC)} bytes have arrived"
        )
    looks = _look(first)
    return HandshakeError(
        f"the peer does not speak the mezha protocol: its first bytes are {first!r}"
        + (f". This looks like {looks}" if looks else "")
    )


#: What the magic becomes on lines that are not clean, and what they do.
_MANGLED = (
    (MAGIC.replace(b"\r\n", b"\n"), "the line turns CR LF into LF"),
    (MAGIC.replace(b"\n", b"\r\n"), "the line turns LF into CR LF"),
    (MAGIC.replace(b"\r", b"\n"), "the line turns CR into LF"),
    (bytes(byte & 0x7F for byte in MAGIC), "the line strips the high bit of every byte"),
    (MAGIC.decode("latin-1").encode(), "the line takes bytes for Latin-1 and writes them as UTF-8"),
    (MAGIC.decode(errors="replace").encode(), "the line takes bytes for UTF-8, and replaces what is not"),
    (MAGIC[1:], "the line drops bytes that are not ASCII"),
)


def _look(first: bytes) -> str | None:
    for mangled, what in _MANGLED:
        if len(first) >= 4 and mangled.startswith(first[: len(mangled)]):
            return (
                f"the magic of the mezha protocol, mangled: {what}. Messages need a line that leaves bytes as they are"
            )
    if stranger := describe(first):
        return stranger
    digits, colon, _ = first.partition(b":")
    if colon and digits.isdigit():
        return "a netstring (framing=Netstring()?)"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in first):
        return "text (framing=Lines()?)"
    for width in (4, 2):
        field = first[:width]
        for order, length in (("", int.from_bytes(field, "big")), (', "little"', int.from_bytes(field, "little"))):
            if len(first) > width and 0 < length < 256 ** (width // 2):  # half of it are zeros: hardly by chance
                return f"a message of {length} bytes behind its length (framing=LengthPrefixed({width}{order})?)"
    return None
