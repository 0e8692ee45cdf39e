"""Captures: the streams of TCP, put in order again from whatever segments there are."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Padding
from scapy.utils import wrpcap, wrpcapng

from mezha.identify import Stream, read_capture

ONE, OTHER = "127.0.0.1:1000 -> 127.0.0.2:2000", "127.0.0.2:2000 -> 127.0.0.1:1000"


def segment(sequence: int, payload: bytes = b"", flags: str = "A", *, back: bool = False, port: int = 1000) -> Packet:
    ends = (IP(src="127.0.0.1", dst="127.0.0.2"), TCP(sport=port, dport=2000, seq=sequence % 2**32, flags=flags))
    if back:
        ends = (IP(src="127.0.0.2", dst="127.0.0.1"), TCP(sport=2000, dport=port, seq=sequence % 2**32, flags=flags))
    return Ether(src="00:00:00:00:00:01", dst="00:00:00:00:00:02") / ends[0] / ends[1] / payload


def streams(tmp_path: Path, packets: Iterable[Packet]) -> list[Stream]:
    path = tmp_path / "some.pcap"
    wrpcap(str(path), list(packets))
    return read_capture(path)


def test_both_directions_of_a_connection(tmp_path: Path) -> None:
    packets = [
        segment(99, flags="S"),
        segment(499, flags="SA", back=True),
        segment(100, b"Hello!"),
        segment(500, b"World!", back=True),
        segment(106, b"Again", flags="FA"),
        segment(506, flags="R", back=True),
    ]
    assert streams(tmp_path, packets) == [Stream(ONE, b"Hello!Again"), Stream(OTHER, b"World!", ended=False)]
    again = tmp_path / "some.pcapng"
    wrpcapng(str(again), packets)
    assert read_capture(again) == read_capture(tmp_path / "some.pcap")


@given(st.binary(min_size=1, max_size=200), st.sampled_from([0, 7, 2**32 - 50, 2**32 - 1]), st.integers())
def test_any_order_any_overlap(tmp_path_factory: pytest.TempPathFactory, data: bytes, first: int, seed: int) -> None:
    chance = random.Random(seed)
    packets: list[Packet] = []
    for _ in range(5):  # sent again, with other boundaries
        place = 0
        while place < len(data):
            size = chance.randint(1, 40)
            packets.append(segment(first + 1 + place, data[place : place + size]))
            place += size
    chance.shuffle(packets)
    path = tmp_path_factory.getbasetemp() / "shuffled.pcap"
    wrpcap(str(path), [segment(first, flags="S"), *packets])
    assert read_capture(path) == [Stream(ONE, data, ended=False)]


def test_a_capture_that_began_late(tmp_path: Path) -> None:
    late = [segment(2**32 - 2, b"cd"), segment(2**32 - 4, b"ab"), segment(0, b"ef")]
    assert streams(tmp_path, late) == [Stream(ONE, b"abcdef", begun=False, ended=False)]


def test_what_came_before_the_first_byte_is_no_part_of_it(tmp_path: Path) -> None:
    kept_alive = [segment(99, flags="S"), segment(99, b"\0"), segment(100, b"ab")]  # RFC 9293, section 3.8.4
    assert streams(tmp_path, kept_alive) == [Stream(ONE, b"ab", ended=False)]


def test_what_the_capture_has_lost(tmp_path: Path) -> None:
    lossy = [segment(99, flags="S"), segment(100, b"abc"), segment(110, b"xyz", flags="FA")]
    assert streams(tmp_path, lossy) == [Stream(ONE, b"abc", ended=False, lost=7)]


def test_the_same_ports_again_are_another_connection(tmp_path: Path) -> None:
    twice = [segment(99, flags="S"), segment(100, b"one"), segment(5000, flags="S"), segment(5001, b"two")]
    assert [stream.data for stream in streams(tmp_path, twice)] == [b"one", b"two"]
    repeated = [segment(99, flags="S"), segment(99, flags="S"), segment(100, b"one")]
    assert [stream.data for stream in streams(tmp_path, repeated)] == [b"one"]


def test_padding_is_no_payload(tmp_path: Path) -> None:
    padded = segment(100, b"a") / Padding(b"\0" * 10)
    assert [stream.data for stream in streams(tmp_path, [padded, segment(101, b"b")])] == [b"ab"]


def test_ipv6(tmp_path: Path) -> None:
    packet = Ether() / IPv6(src="::1", dst="::2") / TCP(sport=1, dport=2, seq=5, flags="A") / b"six"
    assert streams(tmp_path, [packet]) == [Stream("[::1]:1 -> [::2]:2", b"six", begun=False, ended=False)]


def test_any_other_file_is_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"Hello!\nWorld!\n")
    assert read_capture(path) == [Stream(str(path), b"Hello!\nWorld!\n")]


def test_a_damaged_capture(tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(bytes.fromhex("d4c3b2a1") + b"short")
    with pytest.raises(ValueError, match="is a damaged capture"):
        read_capture(path)
    with pytest.raises(FileNotFoundError):
        read_capture(tmp_path / "none")
