"""WebSocket frames: messages with a kind, in fragments and masked, behind the upgrade from HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from os import urandom
from typing import NamedTuple, Self

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing import oversize
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover
from mezha.framing.parts import behind, front

__all__ = ["WebSocket"]

_FINAL, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_DATA, _CONTROL = (_TEXT, _BINARY), (_CLOSE, _PING, _PONG)
_WHOLE = {_FINAL | opcode for opcode in (*_DATA, *_CONTROL)}
_MASKED = 0x80
_KEY = 4
#: Lengths that say that the length stands behind them, in 2 bytes or in 8.
_TWO, _EIGHT = 126, 127
_SHORT, _MIDDLE, _LONG = 125, 2**16 - 1, 2**63 - 1
#: Headers may have so many bytes for each of the message, and so many more: empty fragments could be sent without end.
_PER_BYTE, _MORE = 8, 1024
#: Nobody who chooses a message can foresee its masking key.
_SECRET = urandom(16)


@dataclass(frozen=True, slots=True)
class WebSocket(Framing):
    r"""Each message is a WebSocket message, with its kind in front: fragments joined, masks taken off.

    RFC 6455, section 5, for what follows the upgrade from HTTP: shake hands by other means, and hand the socket over.
    The text ``Hello!`` as a server sends it, and a client::

        +------+------+------------------------+    +------+------+------------------+------------------------+
        |  81  |  06  |  H   e   l   l   o   ! |    |  81  |  86  |  37  fa  21  3d  | 7f  9f  4d  51  58  db |
        +------+------+------------------------+    +------+------+------------------+------------------------+
          text  length                                text  length    masking key      Hello!, masked

    The message is the first byte of its frame, and behind it the payload: ``b"\x81Hello!"``. So the kind is there to be
    read, and to be written: ``81`` text, ``82`` bytes, ``88`` close, ``89`` ping, ``8a`` pong. To answer a ping or a
    close is for the program, as is to look whether a text is UTF-8. Extensions are not spoken: agree on none in the
    handshake.

    Fragments that follow one another are joined. Where a ping or another control frame stands between two of them, it
    cannot wait for the last: what is in front of it is handed out before it, as a message whose kind lacks the high bit
    (``01`` or ``02``: it goes on), and what is behind it as one of the kind ``80`` (it ends) or ``00``. Such messages
    are read, and not written.

    - ``masked``: write what a client writes, masked; or what a server writes, not. Both are read.

    The masking key is made from the payload and a secret of the process. So ``encode`` writes the same for the same
    message, and nobody who does not know the secret can choose what will stand on the wire.
    """

    masked: bool = False

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Write the message in one frame: its first byte is the kind.

        Raises:
            LocalProtocolError: it has no kind, or a control frame has more than 125 bytes. Nothing has happened.

        """
        size = sum(map(len, parts)) - 1
        kind = front(parts, 1)
        if not kind or kind[0] not in _WHOLE:
            begins = f"begins with 0x{kind[0]:02x}" if kind else "is empty"
            raise LocalProtocolError(
                f"a message begins with its kind: 81 text, 82 bytes, 88 close, 89 ping, 8a pong; "
                f"and this one {begins}: nothing was sent"
            )
        if size > _SHORT and kind[0] & _OPCODE in _CONTROL:
            raise LocalProtocolError(
                f"a control frame carries {_SHORT} bytes at most, and this one would {size}: nothing was sent",
                size=size + 1,
                limit=_SHORT + 1,
            )
        if size > _LONG:
            raise LocalProtocolError(
                f"a payload of {size} bytes does not fit a length of 63 bits: nothing was sent",
                size=size + 1,
                limit=_LONG + 1,
            )
        mask = _MASKED * self.masked
        if size <= _SHORT:
            header = bytes((kind[0], mask | size))
        elif size <= _MIDDLE:
            header = bytes((kind[0], mask | _TWO)) + size.to_bytes(2, "big")
        else:
            header = bytes((kind[0], mask | _EIGHT)) + size.to_bytes(8, "big")
        if self.masked:
            payload = b"".join(parts)[1:]
            key = blake2b(payload, digest_size=_KEY, key=_SECRET).digest()
            return (header + key, _xor(payload, key))
        return (header, *behind(parts, 1))

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int] = 0) -> Frame | Need:
        """Go from fragment to fragment; the message is whole when the last is there, or a control frame is next."""
        place, size = resume if isinstance(resume, tuple) else (0, 1)
        while place < len(buffer):
            opcode = _opcode(buffer[place])
            if place and opcode in _CONTROL:
                return Frame(0, place, place, _joined(buffer, place, buffer[0]))
            if place and opcode != _CONTINUATION:
                raise _too_early(buffer[place])
            fragment = _fragment(buffer, place)
            if isinstance(fragment, Need):
                return Need(fragment.size, (place, size))
            final = buffer[place] & _FINAL
            least = size + fragment.stop - fragment.start
            if least > limit:
                raise (oversize.announced if final else oversize.at_least)(least, limit)
            if len(buffer) < fragment.stop:
                return Need(fragment.stop, (place, size))
            place, size = fragment.stop, least
            if final:
                return Frame(0, place, place, _joined(buffer, place, _FINAL | buffer[0]))
            if place > _PER_BYTE * size + _MORE:
                raise FramingError(f"the fragments of a message have {place} bytes, for {size - 1} of payload")
        return Need(place + 1, (place, size))

    def past_too_large(self) -> Recover:
        """Return what goes from fragment to fragment, up to the last or to a control frame."""
        return _past_fragment

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read ``masked``, if it is there."""
        if options not in ([], ["masked"]):
            raise ValueError("its one option is 'masked': write as a client does")
        return cls(bool(options))

    def __str__(self) -> str:
        return "websocket:masked" if self.masked else "websocket"


def _past_fragment(buffer: bytearray, limit: int, resume: int) -> Garbage:
    """Go on by one fragment; ``resume`` is 1 if it is not the first."""
    opcode = _opcode(buffer[0])
    if resume and opcode in _CONTROL:
        return Garbage(0)
    if resume and opcode != _CONTINUATION:
        raise _too_early(buffer[0])
    fragment = _fragment(buffer, 0)
    return Garbage(0, resume=1) if isinstance(fragment, Need) else Garbage(fragment.stop, not buffer[0] & _FINAL)


class _Fragment(NamedTuple):
    """Where the payload of a frame stands."""

    start: int
    stop: int
    #: The masking key, or nothing.
    key: bytes


def _opcode(first: int) -> int:
    """Return the opcode in the first byte of a frame."""
    opcode = first & _OPCODE
    if first & _RESERVED:
        raise FramingError(f"a frame that begins with 0x{first:02x} is of an extension, and none was agreed on")
    if opcode not in (_CONTINUATION, *_DATA, *_CONTROL):
        raise FramingError(f"a frame that begins with 0x{first:02x}: there is no opcode {opcode}")
    if opcode in _CONTROL and not first & _FINAL:
        raise FramingError(f"a frame that begins with 0x{first:02x}: a control frame has no fragments")
    return opcode


def _too_early(first: int) -> FramingError:
    return FramingError(f"a message of kind 0x{first:02x} begins where another has not ended")


def _fragment(buffer: bytearray, place: int) -> _Fragment | Need:
    """Read the header of the frame at ``place``, whose first byte is there and sound."""
    start = place + 2
    if len(buffer) < start:
        return Need(start)
    second = buffer[place + 1]
    length = second & ~_MASKED
    if length > _SHORT:
        if buffer[place] & _OPCODE in _CONTROL:
            raise FramingError(f"a control frame carries {_SHORT} bytes at most, and this one announces more")
        end = start + (2 if length == _TWO else 8)
        if len(buffer) < end:
            return Need(end)
        shorter = _SHORT if length == _TWO else _MIDDLE
        length = int.from_bytes(buffer[start:end], "big")
        if not shorter < length <= _LONG:
            raise FramingError(f"a length of {length} is not written as {buffer[start:end].hex(' ')}")
        start = end
    key = bytes(buffer[start : start + _KEY]) if second & _MASKED else b""
    start += _KEY * (second >= _MASKED)
    return _Fragment(start, start + length, key)


def _joined(buffer: bytearray, end: int, kind: int) -> bytes:
    """Return the message in the frames up to ``end``."""
    found = bytearray((kind,))
    place = 0
    while place < end:
        fragment = _fragment(buffer, place)
        assert isinstance(fragment, _Fragment)
        payload = buffer[fragment.start : fragment.stop]
        found += _xor(payload, fragment.key) if fragment.key else payload
        place = fragment.stop
    return bytes(found)


def _xor(payload: bytes | bytearray, key: bytes) -> bytes:
    """Put the mask on, or take it off."""
    size = len(payload)
    mask = (key * (size // _KEY + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")
