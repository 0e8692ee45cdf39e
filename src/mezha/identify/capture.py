"""Captured bytes: a file as it is, or the streams of the TCP connections in a pcap or pcapng file, reassembled."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Stream", "is_capture", "read_capture"]

#: What a capture file begins with: pcap in both byte orders, with microseconds or nanoseconds, and pcapng.
_MAGICS = {bytes.fromhex(text) for text in ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "0a0d0d0a")}
#: Sequence numbers of TCP count modulo this (RFC 9293, section 3.4).
_MODULUS = 1 << 32
_SYN, _FIN, _RST = 0x02, 0x01, 0x04


@dataclass(frozen=True, slots=True)
class Stream:
    """What one side of a connection said."""

    #: Whose it is: ``"127.0.0.1:40000 -> 127.0.0.1:53"``, or the name of a file.
    name: str
    data: bytes
    #: Whether it is here from its first byte: a capture may have begun later, and then the first message may be cut.
    begun: bool = True
    #: Whether it is here to its end.
    ended: bool = True
    #: Bytes that the capture has lost; what came behind them is left out.
    lost: int = 0


@dataclass(slots=True)
class _Direction:
    """The segments of one direction of a connection."""

    name: str
    #: The sequence number of its first byte, once known.
    first: int | None = None
    begun: bool = False
    ended: bool = False
    #: By their place in the stream.
    segments: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def add(self, sequence: int, flags: int, payload: bytes) -> None:
        if flags & _SYN:
            self.first, self.begun = (sequence + 1) % _MODULUS, True
            return
        if self.first is None:
            self.first = sequence
        self.ended = self.ended or bool(flags & _FIN)
        place = (sequence - self.first) % _MODULUS
        if place >= _MODULUS // 2:  # from before the first that was seen: sent again, or overtaken
            earlier = _MODULUS - place
            if self.begun:
                payload, place = payload[earlier:], 0
            else:
                self.segments = {old + earlier: data for old, data in self.segments.items()}
                self.first, place = sequence, 0
        if len(payload) > len(self.segments.get(place, b"")):
            self.segments[place] = payload

    def stream(self) -> Stream:
        data = bytearray()
        for place, payload in sorted(self.segments.items()):
            if place > len(data):
                return Stream(self.name, bytes(data), self.begun, ended=False, lost=place - len(data))
            data += payload[len(data) - place :]
        return Stream(self.name, bytes(data), self.begun, self.ended)


def is_capture(first: bytes) -> bool:
    """Say whether a file that begins so is a pcap or pcapng file."""
    return first[:4] in _MAGICS


def read_capture(path: str | Path) -> list[Stream]:
    """Return the streams in a file: those of all TCP connections in a capture, or else the file itself as one.

    Segments are put in order by their numbers, and what was sent twice is taken once. Directions that carried nothing
    are left out.

    Raises:
        OSError: it cannot be read.
        ImportError: it is a capture, and scapy is not installed (``mezha[identify]``).
        ValueError: it is a damaged capture.

    """
    path = Path(path)
    with path.open("rb") as file:
        if not is_capture(file.read(4)):
            file.seek(0)
            return [Stream(str(path), file.read())]
    directions: list[_Direction] = []
    current: dict[tuple[str, int, str, int], _Direction] = {}
    for source, target, sequence, flags, payload in _segments(path):
        ends = (*source, *target)
        direction = current.get(ends)
        if direction is None or (flags & _SYN and direction.segments):  # the same ports again are another connection
            direction = current[ends] = _Direction(f"{_place(*source)} -> {_place(*target)}")
            directions.append(direction)
        direction.add(sequence, flags, payload)
    return [stream for stream in (direction.stream() for direction in directions) if stream.data]


def _segments(path: Path) -> Iterator[tuple[tuple[str, int], tuple[str, int], int, int, bytes]]:
    """Read the TCP segments of a capture file: whence, whither, sequence number, flags, payload."""
    from scapy.error import Scapy_Exception
    from scapy.layers import inet6  # noqa: F401  # pyright: ignore[reportUnusedImport] - a layer imported is understood
    from scapy.layers.inet import TCP
    from scapy.utils import PcapReader

    try:
        with path.open("rb") as file, PcapReader(file) as packets:  # type: ignore[arg-type]
            for packet in packets:
                if TCP not in packet:
                    continue
                below: Any = packet[TCP].underlayer
                segment: Any = packet[TCP]
                payload = bytes(segment.payload)
                size = _payload_size(below, segment)
                yield (
                    (str(below.src), int(segment.sport)),
                    (str(below.dst), int(segment.dport)),
                    int(segment.seq),
                    int(segment.flags),
                    payload[:size],
                )
    except Scapy_Exception as error:
        raise ValueError(f"{path} is a damaged capture: {error}") from error


def _payload_size(below: Any, segment: Any) -> int:
    """Return how much of what follows the header is payload: an Ethernet frame of less than 60 bytes is padded."""
    header = int(segment.dataofs or 5) * 4
    if below.name == "IP":
        return int(below.len or 0) - int(below.ihl or 5) * 4 - header if below.len else len(segment.payload)
    return int(below.plen) - header if below.plen else len(segment.payload)


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
