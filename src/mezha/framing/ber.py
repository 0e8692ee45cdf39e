"""ASN.1 in its basic encoding: what LDAP, SNMP and many others write, one element after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self

from mezha.errors import FramingError
from mezha.framing import oversize
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.headed import check_header
from mezha.framing.optionless import Optionless

__all__ = ["Ber", "Ldap"]

_CONSTRUCTED = 0x20
_LONG_TAG = 0x1F
#: Bytes of a tag number, at most: 35 bits of it.
_TAG = 5
_INDEFINITE = 0x80
_RESERVED = 0xFF
#: What a tag number cannot begin with: a zero in front, or one that fits into the identifier.
_TAG_IN_VAIN = (*range(_LONG_TAG), 0x80)
_LONGEST = 2**64 - 1
_END = b"\0\0"
#: How large a message to be sent may be is for the engine to say.
_ANY = 1 << 62
#: The longest that can stand in front of the contents: an identifier, and a length of 126 bytes with its count.
_HEADER = 1 + _TAG + 1 + 126


@dataclass(frozen=True, slots=True)
class Ber(Framing):
    """Each message is one element of ASN.1's basic encoding, whole, with its identifier and its length.

    ITU-T X.690 (ISO/IEC 8825-1), section 8.1. A sequence of two::

        +--------+--------+-------------+------------------+
        |   30   |   05   |   05   00   |   02   01   2a   |
        +--------+--------+-------------+------------------+
         SEQUENCE  length     NULL          INTEGER 42

    A length below 128 is one byte. A longer one is preceded by the number of its bytes, with the high bit set:
    ``82 01 2c`` is 300. Zeros in front are allowed, and some servers write them. An indefinite length, ``80``,
    announces nothing: the elements inside follow one another up to ``00 00``. DER is BER as well, with one way to write
    each thing, which is not checked here.

    - ``definite``: whether an indefinite length is refused, as in LDAP.
    - ``identifier``: the byte with which every message begins, if it is always the same: 0x30, a SEQUENCE, in SNMP
      (RFC 3430) and LDAP. Another one is refused as soon as it is there.

    The identifier says what the message is, so the header stays in the message, and is in the message to be sent as
    well.

    Raises:
        ValueError: ``identifier`` is no byte, or the first of a longer identifier, or the end of contents.

    """

    definite: bool = field(default=False, kw_only=True)
    identifier: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.identifier is not None and (
            not 0 < self.identifier <= 0xFF or self.identifier & _LONG_TAG == _LONG_TAG
        ):
            raise ValueError(
                f"an identifier of one byte is 0x01 to 0xfe, not ending in 0x1f, and not {self.identifier}"
            )

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Return ``parts``, once they have been found to be one element.

        Raises:
            LocalProtocolError: they are not, neither more nor less.

        """

        def end(header: bytearray) -> int | Need:
            element = self._outermost(header)
            if isinstance(element, Need):
                return element
            if element.length is not None:
                return element.start + element.length
            verdict = _contents(bytearray().join(parts), element.start, 1, _ANY)
            return verdict if isinstance(verdict, Need) else verdict.end

        check_header(parts, end, _HEADER, "element of BER")
        return parts

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int] = 0) -> Frame | Need:
        """Read the length; the element is whole when so many bytes are there, or all that it contains and its end."""
        if isinstance(resume, tuple):
            return _contents(buffer, *resume, limit)
        element = self._outermost(buffer)
        if isinstance(element, Need):
            return element
        if element.length is None:
            return _contents(buffer, element.start, 1, limit)
        end = element.start + element.length
        if end > limit:
            raise oversize.announced(end, limit)
        return Frame(0, end, end) if len(buffer) >= end else Need(end)

    def past_too_large(self) -> Recover:
        """Return what believes the length, or goes from element to element up to the end of contents."""
        return self._past_element

    def _past_element(self, buffer: bytearray, limit: int, resume: int) -> Garbage:
        """Go on by one element; ``resume`` is how many around it have begun and not ended."""
        element = _element(buffer, 0)
        if isinstance(element, Need):
            return Garbage(0, resume)
        if element.length is None:
            return Garbage(element.start, resume + 1)
        return Garbage(element.start + element.length, resume - _ends(buffer, 0, element))

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read ``definite`` and ``identifier=30``, in hexadecimal."""
        definite, identifier = False, None
        for option in options:
            name, equals, value = option.partition("=")
            if option == "definite":
                definite = True
            elif name == "identifier" and equals:
                identifier = int(value, 16)
            else:
                raise ValueError(f"its options are 'definite' and 'identifier=30', in hexadecimal, not {option!r}")
        return cls(definite=definite, identifier=identifier)

    def __str__(self) -> str:
        identifier = "" if self.identifier is None else f":identifier={self.identifier:02x}"
        return "ber" + ":definite" * self.definite + identifier

    def _outermost(self, buffer: bytearray) -> "_Element | Need":
        """Read the header of the element at the front."""
        if self.identifier is not None and buffer[0] != self.identifier:
            raise FramingError(f"an element begins with 0x{self.identifier:02x} here, and this with 0x{buffer[0]:02x}")
        if not buffer[0]:
            raise FramingError("an end of contents, 00, where no element of indefinite length has begun")
        element = _element(buffer, 0)
        if self.definite and not isinstance(element, Need) and element.length is None:
            raise FramingError("an element of indefinite length, and only definite ones are taken here")
        return element


class Ldap(Optionless, Ber):
    """Each message is an LDAP message, whole, with its identifier and its length.

    RFC 4511, section 5.1: an element of ASN.1's basic encoding, X.690, of definite length. An unbind request::

        +--------+--------+------------------+-------------+
        |   30   |   05   |   02   01   02   |   42   00   |
        +--------+--------+------------------+-------------+
         SEQUENCE  length    message ID: 2      unbind

    It is what :class:`Ber` describes, with every message a SEQUENCE. What the message says is for the program: its
    header belongs to the SEQUENCE, which a library for ASN.1 wants whole.
    """

    __slots__ = ()
    name: ClassVar[str] = "ldap"

    def __init__(self) -> None:
        super().__init__(definite=True, identifier=0x30)

    def __repr__(self) -> str:
        return "Ldap()"


class _Element(NamedTuple):
    """The header of an element."""

    #: Where its contents begin.
    start: int
    #: How many bytes they have; None says that they go on to their end of contents.
    length: int | None


def _element(buffer: bytearray, place: int) -> _Element | Need:
    """Read the header of the element that begins at ``place``."""
    at = place + 1
    if len(buffer) > at and buffer[place] & _LONG_TAG == _LONG_TAG:
        for byte in buffer[at : place + 1 + _TAG]:
            if at == place + 1 and byte in _TAG_IN_VAIN:
                raise FramingError(f"a tag number written in more bytes than it needs: {_shown(buffer, place, at + 1)}")
            at += 1
            if byte < 0x80:
                break
        else:
            if at == place + 1 + _TAG:
                raise FramingError(f"a tag number of more than {_TAG} bytes: {_shown(buffer, place, at)}")
            return Need(at + 1)
    if len(buffer) <= at:
        return Need(at + 1)
    length = buffer[at]
    start = at + 1
    if length < _INDEFINITE:
        return _Element(start, length)
    if length == _INDEFINITE:
        if not buffer[place] & _CONSTRUCTED:
            raise FramingError(f"an indefinite length of what contains no elements: {_shown(buffer, place, start)}")
        return _Element(start, None)
    if length == _RESERVED:
        raise FramingError(f"a length that begins with ff means nothing: {_shown(buffer, place, start)}")
    end = start + (length & 0x7F)
    if len(buffer) < end:
        return Need(end)
    size = int.from_bytes(buffer[start:end], "big")
    if size > _LONGEST:
        raise FramingError(f"a length of more than 64 bits: {_shown(buffer, place, end)}")
    return _Element(end, size)


def _contents(buffer: bytearray, place: int, depth: int, limit: int) -> Frame | Need:
    """Go from element to element inside of ``depth`` that have begun and not ended."""
    while depth:
        if (least := place + len(_END) * depth) > limit:
            raise oversize.at_least(least, limit)
        element = _element(buffer, place)
        if isinstance(element, Need):
            return Need(element.size, (place, depth))
        if element.length is None:
            depth += 1
            place = element.start
        else:
            depth -= _ends(buffer, place, element)
            place = element.start + element.length
    return Frame(0, place, place)


def _ends(buffer: bytearray, place: int, element: _Element) -> bool:
    """Say whether the element is the end of those around it."""
    if not buffer[place] and element.length:
        raise FramingError(f"an end of contents has no contents: {_shown(buffer, place, element.start)}")
    return not buffer[place]


def _shown(buffer: bytearray, start: int, stop: int) -> str:
    return buffer[start:stop].hex(" ")
