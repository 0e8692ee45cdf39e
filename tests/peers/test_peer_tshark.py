"""tshark as a judge: in a capture of mezha's own traffic it finds the ends of messages where mezha has put them."""

import signal
import subprocess
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from peers.daemons import output_of, program
from peers.proofs import TO_IT, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer, connect
from mezha.framing import parse_framing


def tshark_version() -> str:
    return number(output_of(program("tshark", "tshark"), "--version"))


class Case(NamedTuple):
    """A framing, and what tshark says of the size of its messages."""

    form: str
    dissector: str
    field: str
    messages: list[bytes]
    #: What tshark's field is for a message.
    size: Callable[[bytes], int]


def dns(name: bytes) -> bytes:
    return bytes.fromhex("abcd 0100 0001 0000 0000 0000") + bytes([len(name)]) + name + bytes.fromhex("00 0001 0001")


def mqtt(payload: bytes) -> bytes:
    rest = b"\x00\x01a" + payload
    length = bytes([len(rest) % 128 | 128, len(rest) // 128]) if len(rest) > 127 else bytes([len(rest)])
    return b"\x30" + length + rest


def modbus(count: int) -> bytes:
    pdu = bytes([0x11, 0x10, 0, 0, 0, count, 2 * count]) + bytes(2 * count)  # write so many registers
    return bytes.fromhex("0001 0000") + len(pdu).to_bytes(2, "big") + pdu


def smpp(command: int, body: bytes = b"") -> bytes:
    return (16 + len(body)).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(4) + b"\0\0\0\7" + body


def diameter(code: int, data: bytes) -> bytes:
    padded = data + bytes(-len(data) % 4)
    avp = code.to_bytes(4, "big") + b"\x40" + (8 + len(data)).to_bytes(3, "big") + padded
    return b"\x01" + (20 + len(avp)).to_bytes(3, "big") + b"\x80\x00\x01\x18" + bytes(12) + avp


BGP_MARKER = b"\xff" * 16
BGP_OPEN = BGP_MARKER + b"\x00\x1d\x01" + bytes.fromhex("04 fde8 00b4 0a000001 00")
BGP_KEEPALIVE = BGP_MARKER + b"\x00\x13\x04"

CASES = [
    Case("dns", "dns", "dns.length", [dns(b"one"), dns(b"another"), dns(b"x" * 60)], len),
    Case("modbus", "mbtcp", "mbtcp.len", [modbus(1), modbus(100), modbus(3)], lambda unit: len(unit) - 6),
    Case("tpkt", "tpkt", "tpkt.length", [b"\x02\xf0\x80" + bytes(n) for n in (5, 300, 17)], lambda body: len(body) + 4),
    Case(
        "mqtt",
        "mqtt",
        "mqtt.len",
        [mqtt(b"Hello!"), mqtt(b"x" * 200), mqtt(b"")],
        lambda packet: len(packet) - 2 - (len(packet) > 129),
    ),
    Case("smpp", "smpp", "smpp.command_length", [smpp(0x15), smpp(0x80000000), smpp(6)], len),
    Case("diameter", "diameter", "diameter.length", [diameter(264, b"one.test"), diameter(296, b"test")], len),
    Case("bgp", "bgp", "bgp.length", [BGP_OPEN, BGP_KEEPALIVE, BGP_KEEPALIVE], len),
]
PROOFS = {
    "dns": Proof("dns", "RFC 1035, 4.2.2; RFC 7766, 8", "tshark", tshark_version),
    "modbus": Proof("modbus", "MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3", "tshark", tshark_version),
    "tpkt": Proof("tpkt", "RFC 1006, 6", "tshark", tshark_version),
    "mqtt": Proof("mqtt", "MQTT 3.1.1, 2.2", "tshark", tshark_version),
    "smpp": Proof("smpp", "SMPP 3.4, 3.2", "tshark", tshark_version),
    "diameter": Proof("diameter", "RFC 6733, 3", "tshark", tshark_version),
    "bgp": Proof("bgp", "RFC 4271, 4.1", "tshark", tshark_version),
}


@contextmanager
def captured(port: int, file: Path) -> Generator[None]:
    """Capture what goes to and from a port of this machine."""
    command = [program("dumpcap", "tshark"), "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", str(file)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as capturing:
        assert capturing.stderr is not None
        said = ""
        while not said.startswith("File: "):  # now it is there
            said = capturing.stderr.readline()
            assert said, "dumpcap captures nothing"
        try:
            yield
        finally:
            capturing.send_signal(signal.SIGINT)
            capturing.communicate(timeout=PATIENCE)


def sizes(case: Case, port: int, file: Path) -> list[int]:
    """Return what tshark says of all messages to a port, in order; of a capture that goes on, what is there."""
    ran = subprocess.run(
        [
            *(program("tshark", "tshark"), "-n", "-r", str(file), "-d", f"tcp.port=={port},{case.dissector}"),
            *("-Y", f"tcp.dstport=={port} && {case.field}", "-T", "fields", "-e", case.field),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the capture may end inside a packet
        timeout=PATIENCE,
    )
    return [int(size) for size in ran.stdout.decode().replace("\n", ",").split(",") if size]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.form)
@proves(TO_IT, *PROOFS.values())
def test_the_ends_are_where_tshark_finds_them(case: Case, through: Through, tmp_path: Path) -> None:
    framing = parse_framing(case.form)
    received = Future[list[bytes]]()

    def receive(peer: Peer) -> None:
        received.set_result(list(peer))

    file = tmp_path / "own.pcapng"
    host, port = through.serve(receive, framing)
    with captured(port, file):
        with connect(host, port, framing=framing) as peer:
            peer.send_many(case.messages)
        expected = [case.size(message) for message in case.messages]
        deadline = time.monotonic() + PATIENCE
        while (found := sizes(case, port, file)) != expected:
            assert time.monotonic() < deadline, f"tshark finds {found}, and mezha has sent {expected}"
    assert received.result(PATIENCE) == case.messages
