"""Every framing by itself: ``encode``, ``split``, and the memory that a decoder takes for what they say.

Invariant: what ``encode`` writes, ``split`` reads back, and what ``split`` accepts, ``encode`` writes again; ``split``
never changes its mind when more bytes arrive, and asks for no more than it needs; and whatever a stream announces, it
costs memory in proportion to the bytes that did arrive.

Allowed: LocalProtocolError from ``encode``; FramingError and MessageTooLarge from ``split``.
"""

import operator
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

from fuzz.choices import LIMITS, Choices, framing
from fuzz.copies import COPIES
from fuzz.model import attempt
from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import (
    Chunked,
    Cobs,
    ContentLength,
    DotStuffed,
    Framing,
    Hdlc,
    Lines,
    Memcached,
    Nats,
    OncRpc,
    Slip,
    Stomp,
    Syslog,
    WebSocket,
    parse_framing,
)
from mezha.testing.laws import check_inverse, check_reverse, check_split, known, refuses

__all__ = ["check"]

ALLOWED = (FramingError, MessageTooLarge)
#: Framings in which there are several ways to write a message, of which one is chosen.
_SEVERAL_WAYS = (
    Chunked,
    Cobs,
    ContentLength,
    DotStuffed,
    Hdlc,
    Memcached,
    Nats,
    OncRpc,
    Slip,
    Stomp,
    Syslog,
    WebSocket,
)


def check(data: bytes) -> None:
    """Read the bytes as a stream, write them as a message, and believe what they announce."""
    choices = Choices(data)
    form, limit = framing(choices), choices.one_of(LIMITS)
    with suppress(ValueError):  # there is no such framing
        framed = parse_framing(form)
        parts = [choices.one_of((bytes, bytearray, memoryview))(choices.piece(choices.below(40))) for _ in range(3)]
        if not refuses(framed, *parts):
            check_inverse(framed, *parts)
        stream = b"".join(parts)
        fault = known(framed, stream, limit).fault
        assert fault is None or fault.kind in ALLOWED
        check_split(framed, stream[:32], limit)
        check_reverse(framed, stream, limit, _same_of(framed))
        for copy in COPIES:
            _check_memory(copy.parse_framing(form), stream)


def _same_of(framing: Framing) -> Callable[[bytes, bytes | None], bool]:
    """Say whether two frames mean the same, where a framing reads more than it writes."""

    def same_message(read: bytes, written: bytes | None) -> bool:
        messages = known(framing, read, 2**80).messages
        if written is None and isinstance(framing, WebSocket):  # a part of a message, from the side of a control frame
            return not messages or messages[0][0] & 0x8F < 0x81  # of what stands before it alone, nothing comes
        if written is None:  # a message that came counted, and cannot be a line
            return framing == Syslog("lines")
        return known(framing, written, 2**80).messages == messages

    if isinstance(framing, Lines):
        return _same_line
    return same_message if isinstance(framing, _SEVERAL_WAYS) else operator.eq


def _same_line(read: bytes, written: bytes | None) -> bool:
    """Either ending is read and one is written; and a carriage return before the ending is read, but not written."""
    line = read.removesuffix(b"\n").removesuffix(b"\r")
    return line.endswith(b"\r") if written is None else written.rstrip(b"\r\n") == line


def _check_memory(framing: Framing, stream: bytes) -> None:
    decoder = framing.decoder(limit=2**80)
    tracemalloc.start()
    try:
        decoder.feed(stream)
        attempt(lambda: decoder.take(2**80))
        decoder.space()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (32 << 10) + 64 * len(stream), f"{peak} bytes for {len(stream)} that arrived"
