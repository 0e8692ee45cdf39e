"""``mezha identify``, as a process."""

import json
import socket
from pathlib import Path

import pytest
from cli.program import Run
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from mezha import LengthPrefixed
from mezha.testing import Script

SAID = b"".join(b"".join(LengthPrefixed(2).encode(word)) for word in (b"Hello!", b"World!", b"\xff" * 80, b"again"))


def test_a_file(mezha: Run, tmp_path: Path) -> None:
    path = tmp_path / "said"
    path.write_bytes(SAID)
    got = mezha("identify", str(path))
    assert got.returncode == 0
    first, best, *messages = got.stdout.splitlines()[:6]
    assert first == f"{path}: {len(SAID)} bytes"
    assert best.startswith("  1. length:2:big (the same as erlang:2): 4 messages, nothing left over, ")
    assert best.endswith(" bits of evidence")
    assert messages[:2] == ["       Hello!", "       World!"]
    assert messages[2] == "       " + r"\xff" * 60 + " … (80 bytes)"


def test_a_capture(mezha: Run, tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    ends = Ether() / IP(src="127.0.0.1", dst="127.0.0.2")
    wrpcap(str(path), [ends / TCP(sport=1000, dport=2000, seq=7, flags="A") / SAID[:-2]])
    got = mezha("identify", str(path), "--top", "1")
    first, best, *_ = got.stdout.splitlines()
    assert first == f"127.0.0.1:1000 -> 127.0.0.2:2000: {len(SAID) - 2} bytes; its beginning is not in the capture"
    assert ": 3 messages, 5 bytes left over (unfinished), " in best


def test_a_server(mezha: Run) -> None:
    with Script().expect(b"hi\r\n").say(SAID).end() as script:
        got = mezha("identify", f"127.0.0.1:{script.address[1]}", "--say", r"hi\r\n", "--json")
    (line,) = got.stdout.splitlines()
    record = json.loads(line)
    assert record["framings"][0]["framing"] == "length:2:big"
    assert record["framings"][0]["first"][0] == b"Hello!".hex()
    assert record["bytes"] == len(SAID)


def test_strangers(mezha: Run, tmp_path: Path) -> None:
    path = tmp_path / "tls"
    path.write_bytes(bytes.fromhex("16030100c8010000c40303"))
    got = mezha("identify", str(path))
    assert got.returncode == 0
    assert "  this looks like a TLS ClientHello" in got.stdout


def test_nothing_explains_it(mezha: Run, tmp_path: Path) -> None:
    path = tmp_path / "said"
    path.write_bytes(b"\xfe\xfd")
    got = mezha("identify", str(path))
    assert (got.returncode, got.stdout) == (
        1,
        f"{path}: 2 bytes\n  no framing of the catalogue explains this\n",
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nothing"], "'nothing' is no file, and not HOST:PORT (see mezha identify --help)"),
        ([":9000"], "':9000' says no host to connect to (see mezha identify --help)"),
        (["9000", "--max-message", "x"], "'x' is not a size, as 4096, 64k, 1MiB or 10MB (see mezha identify --help)"),
    ],
)
def test_a_call_that_makes_no_sense(mezha: Run, words: list[str], text: str) -> None:
    got = mezha("identify", *words)
    assert (got.returncode, got.stderr) == (2, f"mezha identify: {text}\n")


def test_who_says_nothing_waits_to_be_spoken_to(mezha: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        got = mezha("identify", f"127.0.0.1:{silent.getsockname()[1]}", "--wait", "0.1")
    assert got.returncode == 1
    assert got.stderr.endswith("said nothing within 0.1 s: perhaps it waits to be spoken to (--say)\n")


def test_a_damaged_capture(mezha: Run, tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(bytes.fromhex("d4c3b2a1") + b"short")
    got = mezha("identify", str(path))
    assert got.returncode == 1
    assert got.stderr.startswith(f"mezha identify: {path} is a damaged capture")
