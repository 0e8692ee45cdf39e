"""Hypothesis strategies: framings with all their parameters, messages they carry, and streams, sound and broken."""

import itertools
from collections.abc import Callable

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError("mezha.testing.strategies needs Hypothesis: pip install 'mezha[testing]'") from error

from mezha.framing import (
    Ber,
    Bgp,
    Chunked,
    Cobs,
    ContentLength,
    Data,
    Delimited,
    Diameter,
    Dns,
    DotStuffed,
    Erlang,
    Fix,
    FixedSize,
    Framing,
    Hdlc,
    Kafka,
    Ldap,
    LengthPrefixed,
    Lines,
    Memcached,
    Mllp,
    Modbus,
    Mqtt,
    Multiprocessing,
    MySql,
    Nats,
    Netstring,
    OncRpc,
    Postgres,
    Resp,
    Slip,
    Smpp,
    Stomp,
    Syslog,
    Tpkt,
    VarintPrefixed,
    WebSocket,
)
from mezha.testing import dialects, units
from mezha.testing.laws import refuses

__all__ = ["FRAMINGS", "cuttings", "in_parts", "length_prefixed", "messages", "signs", "streams"]


@st.composite
def length_prefixed(draw: st.DrawFn) -> LengthPrefixed:
    """Every LengthPrefixed that can be, but for messages of a size that would take long to make."""
    width = draw(st.sampled_from((1, 2, 3, 4, 8)))
    offset = draw(st.integers(0, 5))
    head = offset + width
    strip = draw(st.integers(0, offset) | st.integers(head, head + 4))
    unknown = strip if strip <= offset else strip - width
    behind = max(strip - head, 0)
    longest = 256**width - 1
    adjust = draw(
        st.sampled_from((0, -width, -head, behind))
        | st.integers(-20, 40)
        | (st.integers(behind - longest, behind - longest + 3) if width == 1 else st.nothing())
    )
    return LengthPrefixed(
        width,
        draw(st.sampled_from(("big", "little"))),
        offset=offset,
        adjust=adjust,
        strip=strip,
        fixed=draw(st.binary(min_size=unknown, max_size=unknown)),
    )


#: For each framing, all that can be constructed.
FRAMINGS: dict[type[Framing], st.SearchStrategy[Framing]] = {
    LengthPrefixed: length_prefixed(),
    VarintPrefixed: st.just(VarintPrefixed()),
    Netstring: st.just(Netstring()),
    # Markers of few signs overlap with themselves and with what stands before them.
    Delimited: st.builds(Delimited, st.text("ab", min_size=1, max_size=5).map(str.encode) | st.binary(min_size=1)),
    Lines: st.builds(Lines, st.sampled_from((b"\n", b"\r\n"))),
    FixedSize: st.builds(FixedSize, st.integers(1, 12)),
    Mqtt: st.just(Mqtt()),
    Ber: st.builds(Ber, definite=st.booleans(), identifier=st.sampled_from((None, 0x30, 0x04, 0xE0))),
    Ldap: st.just(Ldap()),
    OncRpc: st.builds(OncRpc, st.integers(1, 9) | st.just(2**31 - 1)),
    Slip: st.builds(Slip, st.booleans()),
    Cobs: st.just(Cobs()),
    Hdlc: st.builds(Hdlc, st.sampled_from((16, 32, 0)), st.sampled_from((0, 0xFFFFFFFF, 0b1010))),
    WebSocket: st.builds(WebSocket, st.booleans()),
    Chunked: st.builds(Chunked, st.integers(1, 20) | st.just(16**16 - 1)),
    Dns: st.just(Dns()),
    Erlang: st.builds(Erlang, st.sampled_from((1, 2, 4))),
    Multiprocessing: st.just(Multiprocessing()),
    Modbus: st.just(Modbus()),
    Tpkt: st.just(Tpkt()),
    Smpp: st.just(Smpp()),
    Diameter: st.just(Diameter()),
    Postgres: st.just(Postgres()),
    MySql: st.just(MySql()),
    Kafka: st.just(Kafka()),
    Bgp: st.just(Bgp()),
    Syslog: st.sampled_from((Syslog(), Syslog("lines"))),
    ContentLength: st.just(ContentLength()),
    Mllp: st.just(Mllp()),
    Fix: st.just(Fix()),
    Stomp: st.just(Stomp()),
    Resp: st.just(Resp()),
    Memcached: st.just(Memcached()),
    Nats: st.just(Nats()),
    DotStuffed: st.just(DotStuffed()),
}

#: The bytes that mean something, and the messages, of framings of one protocol each.
_SIGNS = {**units.SIGNS, **dialects.SIGNS}
_MESSAGES = {**units.MESSAGES, **dialects.MESSAGES}


def signs(framing: Framing) -> st.SearchStrategy[int]:
    """Bytes, mostly those that mean something in this framing."""
    match framing:
        case Delimited(marker):
            some = (*marker, marker[0], marker[-1], 0x61)
        case Lines():
            some = (*b"\r\n\r\na",)
        case Netstring():
            some = (*b"01239:,:,a",)
        case VarintPrefixed():
            some = (0, 1, 2, 3, 0x7F, 0x80, 0x81, 0xFF)
        case LengthPrefixed():
            some = (0, 1, 2, 4, 9, 0xFF, *framing.fixed)
        case _:
            some = (*_SIGNS.get(type(framing), b"abc"),)
    return st.sampled_from(some) | st.integers(0, 255)


def _bytes(framing: Framing, shortest: int = 0, longest: int = 20) -> st.SearchStrategy[bytes]:
    return st.lists(signs(framing), min_size=shortest, max_size=longest).map(bytes)


@st.composite
def messages(draw: st.DrawFn, framing: Framing) -> bytes:
    """Draw a message that this framing carries."""
    match framing:
        case FixedSize(size):
            return draw(_bytes(framing, size, size))
        case Lines():
            return draw(_bytes(framing)).replace(b"\n", b"_").rstrip(b"\r")
        case Syslog("lines"):
            return b"<" + draw(_bytes(framing)).replace(b"\n", b"_").rstrip(b"\r")
        case Delimited(marker):
            message = draw(_bytes(framing))
            while (place := (message + marker).find(marker)) < len(message):
                message = message[:place]
            return message
        case LengthPrefixed(width):
            head = framing.offset + width
            behind = max(framing.strip - head, 0)
            shortest = max(framing.adjust, behind)
            longest = min(256**width - 1 + framing.adjust, shortest + 20)
            body = draw(_bytes(framing, max(shortest, 0) - behind, longest - behind))
            if framing.strip >= head:
                return body
            length = (len(body) - framing.adjust).to_bytes(width, framing.byteorder)
            kept = framing.offset - framing.strip
            return draw(_bytes(framing, kept, kept)) + length + body
        case Ber():
            return draw(units.elements(framing, _bytes(framing)))
        case _ if made := _MESSAGES.get(type(framing)):
            return draw(made(_bytes(framing)))
        case _:
            # 128 is where a varint grows by a byte, 10 and 100 where a netstring's length does
            some = _bytes(framing) | st.integers(0, 140).map(bytes)
            return draw(some.filter(lambda message: not refuses(framing, message)))


@st.composite
def in_parts(draw: st.DrawFn, message: bytes) -> list[Data]:
    """Draw a message as it may be handed to ``encode``: in any parts, of any type."""
    places = sorted(draw(st.lists(st.integers(0, len(message)), max_size=4)))
    bounds = [0, *places, len(message)]
    kinds: st.SearchStrategy[Callable[[bytes], Data]] = st.sampled_from((bytes, bytearray, memoryview))
    return [draw(kinds)(message[start:stop]) for start, stop in itertools.pairwise(bounds)]


@st.composite
def streams(draw: st.DrawFn, framing: Framing) -> tuple[bytes, int]:
    """Draw a stream and the limit to read it with: sound, cut off, altered in a place, over the limit, or noise."""
    if draw(st.integers(0, 5)) == 0:
        return draw(_bytes(framing, 0, 60)), _possible(framing, draw(st.integers(0, 20)))
    some = draw(st.lists(messages(framing), max_size=4))
    stream = b"".join(b"".join(framing.encode(message)) for message in some)
    match draw(st.sampled_from(("sound", "cut off", "altered", "noise behind"))):
        case "cut off":
            stream = stream[: draw(st.integers(0, len(stream)))]
        case "altered" if stream:
            place = draw(st.integers(0, len(stream) - 1))
            stream = stream[:place] + bytes([draw(signs(framing))]) + stream[place + 1 :]
        case "noise behind":
            stream += draw(_bytes(framing))
        case _:
            pass
    largest = max(map(len, some), default=0)
    return stream, _possible(framing, draw(st.sampled_from((largest, largest, largest - 1, 9, 10, 1 << 20))))


def _possible(framing: Framing, limit: int) -> int:
    return max(limit, framing.size if isinstance(framing, FixedSize) else 0)


def cuttings(stream: bytes) -> st.SearchStrategy[list[bytes]]:
    """Cut the stream anywhere."""
    if len(stream) < 2:
        return st.just([stream] if stream else [])
    places = st.sets(st.integers(1, len(stream) - 1)).map(lambda some: [0, *sorted(some), len(stream)])
    return places.map(lambda bounds: [stream[a:b] for a, b in itertools.pairwise(bounds)])
