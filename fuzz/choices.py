"""What the fuzzer's bytes mean: pieces of a stream are taken off their front, choices off their end.

So a byte more in the stream changes no choice, and what was found to matter goes on to matter. When the bytes are used
up, every choice is the first one: a target that goes on as long as there are some comes to an end.
"""

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["LIMITS", "Choices", "framing"]

T = TypeVar("T")


class Choices:
    """Bytes, to choose by."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._front = 0
        self._end = len(data)

    def __bool__(self) -> bool:
        return self._front < self._end

    def below(self, bound: int) -> int:
        """Choose one of ``bound`` numbers, 256 at most, from 0 up."""
        if not self:
            return 0
        self._end -= 1
        return self._data[self._end] % bound

    def one_of(self, some: Sequence[T]) -> T:
        """Choose one of these."""
        return some[self.below(len(some))]

    def piece(self, size: int) -> bytes:
        """Take up to ``size`` bytes of the stream."""
        piece = self._data[self._front : min(self._front + size, self._end)]
        self._front += len(piece)
        return piece


#: The limits to choose from: tight ones, one that no test reaches, and one that no machine word holds.
LIMITS = (1 << 20, 0, 1, 9, 10, 100, 70_000, 2**80)

_FORMS = (
    "length:4:big",
    "length:2:little",
    "varint",
    "netstring",
    "lines",
    "lines:crlf",
    r"delimited:\x00",
    r"delimited:\r\n",
    "delimited:aab",
    "mqtt",
    "ber",
    "ldap",
    "oncrpc",
    "oncrpc:4096",
    "slip",
    "slip:both",
    "cobs",
    "hdlc",
    "hdlc:fcs=0:accm=ffffffff",
    "hdlc:fcs=32",
    "websocket",
    "websocket:masked",
    "chunked",
    "chunked:4096",
    "bgp",
    "diameter",
    "dns",
    "erlang:2",
    "kafka",
    "modbus",
    "multiprocessing",
    "mysql",
    "postgres",
    "smpp",
    "tpkt",
    "syslog",
    "syslog:lines",
    "content-length",
    "mllp",
    "fix",
    "stomp",
    "resp",
    "memcached",
    "nats",
    "dot-stuffed",
)


def framing(choices: Choices) -> str:
    """Choose a framing, by its string form. A few forms name nothing: the numbers do not fit together."""
    place = choices.below(len(_FORMS) + 3)
    if place < len(_FORMS):
        return _FORMS[place]
    return f"fixed:{1 + choices.below(20)}" if place == len(_FORMS) else _length(choices)


def _length(choices: Choices) -> str:
    width = choices.one_of((1, 2, 3, 4, 8))
    offset = choices.below(6)
    head = offset + width
    strip = choices.one_of((*range(offset + 1), *range(head, head + 5)))
    unknown = strip if strip <= offset else strip - width
    adjust = choices.one_of(
        (0, -width, -head, max(strip - head, 0), choices.below(256) - 128, 2**63, -(2**63), -(2**64))
    )
    fixed = bytes(choices.below(256) for _ in range(unknown)).hex()
    order = choices.one_of(("big", "little"))
    return f"length:{width}:{order}:offset={offset}:adjust={adjust}:strip={strip}:fixed={fixed}"
