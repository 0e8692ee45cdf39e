r"""The frames of the mezha protocol: their kinds and codes, how each is written, and how it is read.

::

    +-------------------+--------+----------------------------+
    |  u32, big-endian  |   u8   |  length - 1 bytes          |
    +-------------------+--------+----------------------------+
      length               kind     body
                        \________ length bytes ______________/

A frame is judged by its first five bytes: each kind has a shortest and a longest body, and what is outside is
not waited for. PART and its sisters are never empty, so that each of them gets somewhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import ClassVar, NamedTuple

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing.base import Framing
from mezha.framing.frame import Data, Frame, Need

__all__ = [
    "BOUNDS",
    "HEADER",
    "LONGEST_HELLO",
    "LONGEST_TEXT",
    "PIECE",
    "AnyFrame",
    "Body",
    "Cancel",
    "Close",
    "Code",
    "Counted",
    "Drop",
    "End",
    "Failure",
    "Frames",
    "Kind",
    "Numbered",
    "Ping",
    "Pong",
    "code_name",
    "encode_frame",
    "parse_frame",
    "shorten",
]

#: Bytes of a frame in front of its body: what a MESSAGE, PART or LAST costs in credit beside its body.
HEADER = 5
#: The largest body of a MESSAGE, and of a piece; what is larger is sent in pieces.
PIECE = 65_536
#: The longest body of a HELLO, in bytes.
LONGEST_HELLO = 4096
#: The longest text for people in a frame, in bytes of UTF-8.
LONGEST_TEXT = 1024


class Kind(IntEnum):
    """What a frame is."""

    __hash__ = int.__hash__  # that of Enum takes a step of Python, and frames are looked up by their kind

    HELLO = 0
    MESSAGE = 1
    PART = 2
    LAST = 3
    DROP = 4
    END = 5
    REQUEST = 6
    REQUEST_PART = 7
    REPLY = 8
    REPLY_PART = 9
    FAILURE = 10
    CANCEL = 11
    CREDIT = 12
    PING = 13
    PONG = 14
    ACK = 15
    CLOSE = 16


class Code(IntEnum):
    """Why: the codes of CLOSE, FAILURE and DROP. From 256 on they belong to programs; others are kept as numbers."""

    OK = 0
    GOING_AWAY = 1
    PROTOCOL_ERROR = 2
    VERSION = 3
    UNSUPPORTED = 4
    TOO_LARGE = 5
    TIMEOUT = 6
    NO_HANDLER = 7
    HANDLER_FAILED = 8
    CANCELLED = 9
    REFUSED = 10
    INTERNAL = 11


def code_name(code: int) -> str:
    """Return how a code is shown to people: ``"GOING_AWAY (1)"``, or ``"code 300"`` where it has no name."""
    try:
        return f"{Code(code).name} ({code})"
    except ValueError:
        return f"code {code}"


@dataclass(frozen=True, slots=True)
class Body:
    """HELLO, MESSAGE, PART, LAST: nothing but bytes."""

    kind: Kind
    body: bytes


@dataclass(frozen=True, slots=True)
class Numbered:
    """REQUEST, REQUEST_PART, REPLY, REPLY_PART: bytes that belong to a request."""

    kind: Kind
    id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Counted:
    """CREDIT, ACK: a number."""

    kind: Kind
    number: int


@dataclass(frozen=True, slots=True)
class Ping:
    """PING: eight bytes that only its sender understands."""

    token: bytes
    kind: ClassVar[Kind] = Kind.PING


@dataclass(frozen=True, slots=True)
class Pong:
    """PONG: those of a PING. ``taken``: how many of the other's messages the program of this side has been handed."""

    token: bytes
    taken: int
    kind: ClassVar[Kind] = Kind.PONG


@dataclass(frozen=True, slots=True)
class Drop:
    """DROP: the message begun is not finished, and to be thrown away."""

    code: int
    text: str
    kind: ClassVar[Kind] = Kind.DROP


@dataclass(frozen=True, slots=True)
class End:
    """END: no more messages from this side."""

    kind: ClassVar[Kind] = Kind.END


@dataclass(frozen=True, slots=True)
class Failure:
    """FAILURE: the request is answered by an error."""

    id: int
    code: int
    text: str
    kind: ClassVar[Kind] = Kind.FAILURE


@dataclass(frozen=True, slots=True)
class Cancel:
    """CANCEL: nobody waits for the answer any more."""

    id: int
    kind: ClassVar[Kind] = Kind.CANCEL


@dataclass(frozen=True, slots=True)
class Close:
    """CLOSE: the last frame of a side. ``taken``: how many of the other's messages its program has been handed."""

    code: int
    taken: int
    text: str
    kind: ClassVar[Kind] = Kind.CLOSE


AnyFrame = Body | Numbered | Counted | Ping | Pong | Drop | End | Failure | Cancel | Close


def encode_frame(frame: AnyFrame) -> tuple[Data, ...]:
    """Return the buffers that put a frame on the wire; a body comes back as it is, not copied.

    A text that is too long is shortened.

    Raises:
        LocalProtocolError: a frame of this kind cannot be so short, or so long. Nothing has happened.
        struct.error: a number does not fit its field.

    """
    match frame:
        case Body(_, body):
            front = b""
        case Numbered(_, id, body):
            front = _U32.pack(id)
        case Counted(_, number):
            front, body = _U64.pack(number), b""
        case Ping(token):
            front, body = token, b""
        case Pong(token, taken):
            front, body = token, _U64.pack(taken)
        case Drop(code, text):
            front, body = _CODE.pack(code), shorten(text)
        case End():
            front = body = b""
        case Failure(id, code, text):
            front, body = _ID_CODE.pack(id, code), shorten(text)
        case Cancel(id):
            front, body = _U32.pack(id), b""
        case _:
            front, body = _CODE_TAKEN.pack(frame.code, frame.taken), shorten(frame.text)
    size = len(front) + len(body)
    _check(frame.kind, size, LocalProtocolError)
    header = _HEADER.pack(size + 1, frame.kind) + front
    return (header, body) if body else (header,)


def parse_frame(data: bytes) -> AnyFrame:
    """Read a frame, from its kind on (what ``Frames`` cuts out).

    Raises:
        FramingError: there is no such frame, or it is too short or too long for its kind.

    """
    if not data:
        raise FramingError(_EMPTY)
    kind = _kind(data[0])
    _check(kind, len(data) - 1, FramingError)
    return _READERS[kind](kind, data)


def shorten(text: str) -> bytes:
    """Return a text for people as a frame carries it: UTF-8, and no longer than it may be, cut between characters."""
    written = text.encode(errors="replace")
    if len(written) <= LONGEST_TEXT:
        return written
    return written[: LONGEST_TEXT - 3].decode(errors="ignore").encode() + "…".encode()


@dataclass(frozen=True, slots=True)
class Frames(Framing):
    """All frames of the protocol as a framing: what it cuts out is a frame from its kind on (see ``parse_frame``).

    ``limit`` counts the kind and the body; the limits of the kinds hold as well.
    """

    def encode(self, *parts: Data) -> Sequence[Data]:
        """Put the length in front of a kind and its body.

        Raises:
            LocalProtocolError: it is no frame of the protocol.

        """
        size = sum(map(len, parts))
        first = next((part[0] for part in parts if part), None)
        if first is None:
            raise LocalProtocolError(f"{_EMPTY}: nothing was sent")
        try:
            kind = _kind(first)
        except FramingError as error:
            raise LocalProtocolError(f"{error}: nothing was sent") from None
        _check(kind, size - 1, LocalProtocolError)
        return (_U32.pack(size), *parts)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        """Read the length and the kind; the frame is whole when so many bytes are there."""
        if len(buffer) < HEADER:
            if buffer.startswith(bytes(4)):
                raise FramingError(_EMPTY)
            return Need(4 if len(buffer) < 4 else HEADER)
        length, first = _HEADER.unpack_from(buffer)
        if not length:
            raise FramingError(_EMPTY)
        _check(_kind(first), length - 1, FramingError)
        if length > limit:
            raise MessageTooLarge(
                f"the peer announced a {Kind(first).name} frame of {length} bytes; at most {limit} are taken here",
                size=length,
                limit=limit,
            )
        end = 4 + length
        return Frame(4, end, end) if len(buffer) >= end else Need(end)


_HEADER = Struct(">IB")
_U32 = Struct(">I")
_U64 = Struct(">Q")
_CODE = Struct(">H")
_ID_CODE = Struct(">IH")
_CODE_TAKEN = Struct(">HQ")

_EMPTY = "a frame of length 0 has no kind"


class _Sizes(NamedTuple):
    """How short and how long the body of a kind may be, in bytes."""

    shortest: int
    longest: int


_SIZES = {
    Kind.HELLO: _Sizes(0, LONGEST_HELLO),
    Kind.MESSAGE: _Sizes(0, PIECE),
    Kind.PART: _Sizes(1, PIECE),
    Kind.LAST: _Sizes(0, PIECE),
    Kind.DROP: _Sizes(2, 2 + LONGEST_TEXT),
    Kind.END: _Sizes(0, 0),
    Kind.REQUEST: _Sizes(4, 4 + PIECE),
    Kind.REQUEST_PART: _Sizes(5, 4 + PIECE),
    Kind.REPLY: _Sizes(4, 4 + PIECE),
    Kind.REPLY_PART: _Sizes(5, 4 + PIECE),
    Kind.FAILURE: _Sizes(6, 6 + LONGEST_TEXT),
    Kind.CANCEL: _Sizes(4, 4),
    Kind.CREDIT: _Sizes(8, 8),
    Kind.PING: _Sizes(8, 8),
    Kind.PONG: _Sizes(16, 16),
    Kind.ACK: _Sizes(8, 8),
    Kind.CLOSE: _Sizes(10, 10 + LONGEST_TEXT),
}


#: For those in a hurry: each kind by its number, and the least and the greatest length of its frames.
BOUNDS = {int(kind): (kind, 1 + sizes.shortest, 1 + sizes.longest) for kind, sizes in _SIZES.items()}


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:
        raise FramingError(f"a frame of kind {number} (0x{number:02x}), which version 1 does not have") from None


def _check(kind: Kind, size: int, error: Callable[[str], Exception]) -> None:
    shortest, longest = _SIZES[kind]
    if not shortest <= size <= longest:
        allowed = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        raise error(f"a {kind.name} frame with a body of {size} bytes: there are {allowed}")


def _text(written: bytes) -> str:
    return written.decode(errors="replace")  # it is for people: nothing depends on it


def _bytes(kind: Kind, data: bytes) -> AnyFrame:
    return Body(kind, data[1:])


def _numbered(kind: Kind, data: bytes) -> AnyFrame:
    return Numbered(kind, _U32.unpack_from(data, 1)[0], data[5:])


def _counted(kind: Kind, data: bytes) -> AnyFrame:
    return Counted(kind, _U64.unpack_from(data, 1)[0])


def _ping(_: Kind, data: bytes) -> AnyFrame:
    return Ping(data[1:])


def _pong(_: Kind, data: bytes) -> AnyFrame:
    return Pong(data[1:9], _U64.unpack_from(data, 9)[0])


def _drop(_: Kind, data: bytes) -> AnyFrame:
    (code,) = _CODE.unpack_from(data, 1)
    return Drop(code, _text(data[3:]))


def _end(_: Kind, __: bytes) -> AnyFrame:
    return End()


def _failure(_: Kind, data: bytes) -> AnyFrame:
    number, code = _ID_CODE.unpack_from(data, 1)
    return Failure(number, code, _text(data[7:]))


def _cancel(_: Kind, data: bytes) -> AnyFrame:
    return Cancel(_U32.unpack_from(data, 1)[0])


def _close(_: Kind, data: bytes) -> AnyFrame:
    code, taken = _CODE_TAKEN.unpack_from(data, 1)
    return Close(code, taken, _text(data[11:]))


_READERS: dict[Kind, Callable[[Kind, bytes], AnyFrame]] = {
    **dict.fromkeys((Kind.HELLO, Kind.MESSAGE, Kind.PART, Kind.LAST), _bytes),
    **dict.fromkeys((Kind.REQUEST, Kind.REQUEST_PART, Kind.REPLY, Kind.REPLY_PART), _numbered),
    **dict.fromkeys((Kind.CREDIT, Kind.ACK), _counted),
    Kind.PING: _ping,
    Kind.PONG: _pong,
    Kind.DROP: _drop,
    Kind.END: _end,
    Kind.FAILURE: _failure,
    Kind.CANCEL: _cancel,
    Kind.CLOSE: _close,
}
