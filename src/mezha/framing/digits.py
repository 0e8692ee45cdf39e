"""Lengths written in decimal digits."""

from typing import NamedTuple

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import oversize
from mezha.framing.frame import Garbage, Need

__all__ = ["IN_LENGTH", "Leading", "leading", "length", "past"]

_ZERO, _NINE = b"09"
#: 2**64 has as many. More cost time, and mean nothing.
_MOST = 20


#: Where the search for the end of a message over the limit is while its digits come.
IN_LENGTH = 1


class Leading(NamedTuple):
    """A length in front of a message."""

    size: int
    #: Where the message begins.
    start: int


def leading(buffer: bytearray, limit: int, closing: int, *, what: str, begins: str) -> Leading | Need:
    """Read the digits up to the byte ``closing``, with which ``buffer`` begins; the errors say ``what begins``.

    Raises:
        FramingError: it begins otherwise, or with a zero too many.
        MessageTooLarge: the length is over ``limit``, which may show before its last digit.

    """
    most_digits = len(str(limit))
    for place, byte in enumerate(buffer[: most_digits + 1]):
        if byte == closing and place:
            break
        if not _ZERO <= byte <= _NINE:
            raise FramingError(f"{what} begins with {begins}, and byte {place} is {chr(byte)!r} (0x{byte:02x})")
        if place == 1 and buffer[0] == _ZERO:
            raise FramingError(f"the length of {what} has no leading zeros")
        if place == most_digits:
            raise MessageTooLarge(
                f"the peer announced a message of more than {place} digits' length; "
                f"this side takes at most {limit} bytes (max_message)",
                limit=limit,
            )
    else:
        return Need(len(buffer) + 1)
    size = int(buffer[:place])
    if size > limit:
        raise oversize.announced(size, limit)
    return Leading(size, place + 1)


def past(buffer: bytearray, closing: int, *, what: str, begins: str, resume: int) -> Garbage:
    """Return what to skip of a message whose digits are over any limit: all that they announce, once they are whole.

    ``resume`` is what to pass for the bytes behind it.

    Raises:
        FramingError: there are too many digits, or what follows them is no ``closing``.

    """
    for place, byte in enumerate(buffer[: _MOST + 1]):
        if byte == closing:
            return Garbage(place + 1 + int(buffer[:place]), resume)
        if place == _MOST or not _ZERO <= byte <= _NINE:
            raise FramingError(
                f"{what} begins with at most {_MOST} {begins}, and byte {place} is {chr(byte)!r} (0x{byte:02x})"
            )
    return Garbage(0, IN_LENGTH)


def length(digits: bytes | bytearray, what: str) -> int:
    """Return the length that these digits mean; ``what`` says whose it is, for the error.

    Raises:
        FramingError: they are no digits, or too many.

    """
    if not digits.isdigit():
        raise FramingError(f"{what} is {bytes(digits[:40])!r}, which is no number of bytes")
    if len(digits) > _MOST:
        raise FramingError(f"{what} has {len(digits)} digits, and no message is that long")
    return int(digits)
