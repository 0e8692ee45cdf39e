"""HELLO, the first frame of each side: what it speaks, and what it takes.

::

    +-------------------+-------------------+----------------+
    |  u16              |  u16              |  length bytes  |   and the next, until the body ends
    +-------------------+-------------------+----------------+
      type                length              value
      (0x8000: critical)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from struct import Struct
from typing import Self

from mezha.errors import HandshakeError
from mezha.session.frames import LONGEST_HELLO, Code

__all__ = [
    "ALLOWANCE",
    "CRITICAL",
    "LONGEST_AGENT",
    "MOST_CREDIT",
    "SMALLEST_HEARTBEAT",
    "SMALLEST_REQUESTS",
    "SMALLEST_REQUEST_BYTES",
    "SMALLEST_WINDOW",
    "Hello",
    "Type",
    "agree_on_heartbeat",
    "agree_on_version",
]

#: Bytes of MESSAGE frames, headers included, that may be sent before the peer's HELLO has been read.
ALLOWANCE = 65_536
#: The smallest window: a frame may wait for as much credit as its size, and the receiver may hold a quarter back.
SMALLEST_WINDOW = 131_072
#: The most credit there can be at any time, and so the largest window.
MOST_CREDIT = 2**63 - 1
#: The shortest heartbeat that can be announced, in milliseconds.
SMALLEST_HEARTBEAT = 1000
#: Every side takes so many requests at a time, also from a peer that has not read its HELLO yet.
SMALLEST_REQUESTS = 16
#: And so many bytes of their bodies.
SMALLEST_REQUEST_BYTES = 65_536
#: The longest ``agent``, in bytes of UTF-8.
LONGEST_AGENT = 64
#: The bit of a type that says: who does not know this value must not go on.
CRITICAL = 0x8000


class Type(IntEnum):
    """The values of a HELLO."""

    VERSIONS = 1
    MAX_MESSAGE = 2
    WINDOW = 3
    HEARTBEAT = 4
    REQUESTS = 5
    FEATURES = 6
    AGENT = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a side says of itself. The defaults are what a HELLO means that leaves the value out.

    Raises:
        ValueError: a number is outside what the protocol allows, or the agent is too long.

    """

    #: The versions of the protocol it speaks, ascending.
    versions: tuple[int, ...] = (1,)
    #: The largest message, request or answer it takes, in bytes.
    max_message: int = 1 << 20
    #: Bytes of message frames it takes before its program has to take any, what came early included.
    window: int = SMALLEST_WINDOW
    #: Milliseconds: it gives up a peer that has been silent for twice as long. 0: it never does.
    heartbeat: int = 0
    #: Requests it takes at a time, and bytes of their bodies together.
    requests: int = SMALLEST_REQUESTS
    request_bytes: int = SMALLEST_REQUEST_BYTES
    #: Bits; what both sides set is on.
    features: int = 0
    #: The program and its version, for people.
    agent: str = ""

    def __post_init__(self) -> None:
        if list(self.versions) != sorted(set(self.versions)) or not self.versions:
            raise ValueError(f"versions must be one or more, ascending, not {_list(self.versions)}")
        _within("a version", self.versions[0], 1, 255)
        _within("a version", self.versions[-1], 1, 255)
        _within("max_message", self.max_message, 0, 2**64 - 1)
        _within("window", self.window, SMALLEST_WINDOW, MOST_CREDIT)
        if self.heartbeat:
            _within("heartbeat", self.heartbeat, SMALLEST_HEARTBEAT, 2**32 - 1)
        _within("requests", self.requests, SMALLEST_REQUESTS, 2**32 - 1)
        _within("request_bytes", self.request_bytes, SMALLEST_REQUEST_BYTES, 2**64 - 1)
        _within("features", self.features, 0, 2**64 - 1)
        if len(self.agent.encode()) > LONGEST_AGENT:
            raise ValueError(f"agent must be {LONGEST_AGENT} bytes of UTF-8 or less, not {len(self.agent.encode())}")

    def encode(self) -> bytes:
        """Return the body of the HELLO: the versions, and the values that are not what leaving them out means."""
        written = bytearray()
        for kind, layout in _LAYOUTS.items():
            values = [getattr(self, name) for name in layout.names]
            if kind is Type.VERSIONS or values != [_DEFAULTS[name] for name in layout.names]:
                value = layout.write(*values)
                written += _HEAD.pack(kind, len(value)) + value
        return bytes(written)

    @classmethod
    def decode(cls, body: bytes, *, speaks: tuple[int, ...] = (1,)) -> Self:
        """Read the body of a HELLO. Values of types that this version does not know are skipped.

        ``speaks`` are the versions of this side. They are compared first, for what else a HELLO says may mean something
        else in a version that this side does not know.

        Raises:
            HandshakeError: it is malformed, no version is in common (``code``: VERSION), or a value is critical and not
                known (UNSUPPORTED).

        """
        values: dict[Type, bytes] = {}
        unknown: list[int] = []
        for number, value in _values(body):
            try:
                kind = Type(number & ~CRITICAL)
            except ValueError:
                if number & CRITICAL:
                    unknown.append(number)
                continue
            if kind in values:
                raise HandshakeError(f"the peer's HELLO says {kind.name} (type {kind}) twice")
            values[kind] = value
        if Type.VERSIONS not in values:
            raise HandshakeError("the peer's HELLO names no VERSIONS (type 1)")
        agree_on_version(speaks, tuple(values[Type.VERSIONS]))
        if unknown:
            raise HandshakeError(
                f"the peer insists on something that this side does not know: its HELLO has values of type "
                f"{', '.join(f'0x{number:04x}' for number in unknown[:3])}{' …' * (len(unknown) > 3)}, marked critical",
                code=Code.UNSUPPORTED,
            )
        said: dict[str, object] = {}
        try:
            for kind, value in values.items():
                said.update(zip(_LAYOUTS[kind].names, _LAYOUTS[kind].read(value), strict=True))
            return cls(**said)  # type: ignore[arg-type]  # each has been read as what it is
        except ValueError as error:
            raise HandshakeError(f"the peer's HELLO is malformed: {error}") from None


def agree_on_version(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """Return the highest version that both sides speak.

    Raises:
        HandshakeError: there is none (``code``: VERSION).

    """
    if common := set(ours) & set(theirs):
        return max(common)
    raise HandshakeError(
        f"no version of the mezha protocol in common: the peer speaks {_list(theirs)}, and this side {_list(ours)}",
        code=Code.VERSION,
    )


def agree_on_heartbeat(ours: Hello, theirs: Hello) -> int:
    """Return the heartbeat of the connection in milliseconds: the shorter one, of those that are not 0."""
    return min((hello.heartbeat for hello in (ours, theirs) if hello.heartbeat), default=0)


_HEAD = Struct(">HH")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which attributes a value holds, and how they are written and read."""

    names: tuple[str, ...]
    write: Callable[..., bytes]
    read: Callable[[bytes], tuple[object, ...]]


def _values(body: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(body):
        start = place + _HEAD.size
        if start > len(body):
            raise HandshakeError(f"the peer's HELLO ends inside the head of a value, at byte {place} of {len(body)}")
        number, size = _HEAD.unpack_from(body, place)
        place = start + size
        if place > len(body):
            raise HandshakeError(
                f"the peer's HELLO ends inside a value: "
                f"type 0x{number:04x} has {size} bytes, and {len(body) - start} are left"
            )
        yield number, body[start:place]


def _numbers(names: tuple[str, ...], form: str) -> _Layout:
    layout = Struct(form)

    def read(value: bytes) -> tuple[object, ...]:
        if len(value) != layout.size:
            raise ValueError(f"{names[0]} must be {layout.size} bytes, not {len(value)}")
        return layout.unpack(value)

    return _Layout(names, layout.pack, read)


def _text(value: bytes) -> tuple[str]:
    try:
        return (value.decode(),)
    except UnicodeDecodeError:
        raise ValueError("agent must be UTF-8") from None


_LAYOUTS = {
    Type.VERSIONS: _Layout(("versions",), bytes, lambda value: (tuple(value),)),
    Type.MAX_MESSAGE: _numbers(("max_message",), ">Q"),
    Type.WINDOW: _numbers(("window",), ">Q"),
    Type.HEARTBEAT: _numbers(("heartbeat",), ">I"),
    Type.REQUESTS: _numbers(("requests", "request_bytes"), ">IQ"),
    Type.FEATURES: _numbers(("features",), ">Q"),
    Type.AGENT: _Layout(("agent",), str.encode, _text),
}
_DEFAULTS = {field.name: field.default for field in fields(Hello)}

assert sum(_HEAD.size + 255 for _ in Type) < LONGEST_HELLO


def _within(name: str, value: int, smallest: int, largest: int) -> None:
    if not smallest <= value <= largest:
        raise ValueError(f"{name} must be {smallest} to {largest}, not {value}")


def _list(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
