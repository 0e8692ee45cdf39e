"""``mezha chaos``, as a process between others."""

import json
import signal
import sys
from pathlib import Path

import pytest
from cli.program import Run, Start
from echo_server import echo

from mezha.cli import chaos, main
from mezha.testing.chaos import (
    Coalesce,
    Corrupt,
    CutAt,
    CutEvery,
    CutMessage,
    CutRandomly,
    Delay,
    Fault,
    HalfClose,
    Reset,
    Stall,
    Throttle,
)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("--cut 1k", CutEvery(1024)),
        ("--cut-at 3,17", CutAt(3, 17)),
        ("--cut-randomly 20", CutRandomly(20)),
        ("--cut-message 3", CutMessage(3, "header")),
        ("--cut-message 0:trailer", CutMessage(0, "trailer")),
        ("--cut-message 3:2", CutMessage(3, 2)),
        ("--coalesce 20ms", Coalesce(0.02)),
        ("--delay 1.5s", Delay(1.5)),
        ("--throttle 64k", Throttle(65536)),
        ("--stall-after 7", Stall(7)),
        ("--stall-after 7:2", Stall(7, seconds=2.0)),
        ("--stall-after-message 2:1s", Stall(2, messages=True, seconds=1.0)),
        ("--never-answer", Stall(0)),
        ("--half-close-after 64", HalfClose(64)),
        ("--half-close-after-message 1", HalfClose(1, messages=True)),
        ("--reset-after 0", Reset(0)),
        ("--reset-after-message 2", Reset(2, messages=True)),
        ("--corrupt 5", Corrupt(5)),
        ("--corrupt 5:0x01", Corrupt(5, 1)),
    ],
)
def test_every_fault_has_a_name(words: str, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goes the way that was named last before it."""
    asked: list[object] = []

    class Asked(Exception):
        pass

    def ask(*_: object, up: list[Fault], down: list[Fault], **__: object) -> None:
        asked.extend((up, down))
        raise Asked

    monkeypatch.setattr(chaos, "Chaos", ask)
    with pytest.raises(Asked):
        chaos.run(["0", "1", *words.split(), "--way", "down", "--delay", "1ms", "--way", "up", *words.split()])
    assert asked == [[fault, fault], [fault, Delay(0.001)]]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--delay soon", "'soon' is not a time, as 20ms or 1.5s"),
        ("--cut 0", "CutEvery.size is 1 or more, not 0"),
        ("--cut-message first", "'first' is not the number of a message"),
        ("--reset-after-message 2", "say which framing="),
        ("--replay run.jsonl --cut 1", "it goes with no other fault"),
        ("--shrink false", "say which with --replay"),
    ],
)
def test_a_mistake_is_one_sentence(words: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["chaos", "0", "1", *words.split()])
    assert left.value.code == 2
    assert text in capsys.readouterr().err


def test_a_record_is_shrunk_to_what_a_command_fails_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, record, short = (tmp_path / name for name in ("proxy", "run.jsonl", "short.jsonl"))
    record.write_text('{"up": [["CutAt", 2, 4, 6], ["Delay", 0.001]], "down": [["CutAt", 3]]}\n', encoding="utf-8")
    test = tmp_path / "naive.py"
    test.write_text(
        "import socket\n"
        "client = socket.socket(socket.AF_UNIX)\n"
        f"client.connect({str(place)!r})\n"
        "client.sendall(b'Hello!')\n"
        "assert client.recv(99) == b'Hello!'\n",
        encoding="utf-8",
    )
    with echo() as server:
        words = ["chaos", str(place), f"127.0.0.1:{server.port}", "--shrink", f'"{sys.executable}" -S "{test}"']
        assert main([*words, "--replay", str(record), "--record", str(short)]) == 0
        assert capsys.readouterr().out == "Chaos(..., plans=[Plan(down=[CutAt(3)])])\n"
        assert json.loads(short.read_text()) == {"down": [["CutAt", 3]]}
        short.write_text("{}\n")
        assert main([*words, "--replay", str(short)]) == 1
    assert "it does not fail with these plans" in capsys.readouterr().err


def test_messages_pass_whole_however_they_are_cut(mezha: Run, start: Start, tmp_path: Path) -> None:
    server = start("echo", "0", "--framing", "length:4", "--quiet")
    record = tmp_path / "run.jsonl"
    proxy = start("chaos", "0", server.place, "--cut", "3", "--delay", "1ms", "--record", str(record))
    assert proxy.notice() == f"passing on to {server.place}, seed 0"
    got = mezha("send", proxy.port, "--framing", "length:4", "--replies", "all", "Hello!", "World!")
    assert (got.returncode, got.stdout) == (0, "Hello!\nWorld!\n")
    assert proxy.interrupt() == (130, "1 connection, 12 cuts\n")
    (line,) = record.read_text().splitlines()
    done = json.loads(line)
    assert done["up"][0] == ["CutAt", 3, 6, 9, 12, 15, 18]
    again = start("chaos", "0", server.place, "--replay", str(record))
    assert again.notice() == f"passing on to {server.place}, as recorded in {record}"
    assert mezha("send", again.port, "--framing", "length:4", "--replies", "all", "Hello!", "World!").returncode == 0
    assert again.interrupt()[1] == "1 connection, 12 cuts\n"


def test_by_message_and_one_way(mezha: Run, start: Start) -> None:
    server = start("echo", "0", "--framing", "lines", "--quiet")
    words = ("--framing", "lines", "--way", "down", "--reset-after-message", "2", "--cut-message", "1:body")
    proxy = start("chaos", "0", server.place, *words)
    proxy.notice()
    got = mezha("send", proxy.port, "--framing", "lines", "--replies", "all", "one", "two", "three")
    assert got.returncode == 1
    assert got.stdout == "one\ntwo\n"
    assert "lost" in got.stderr
    assert proxy.interrupt() == (130, "1 connection, 2 cuts, 1 reset\n")


def test_who_is_not_there_is_counted(mezha: Run, start: Start) -> None:
    proxy = start("chaos", "0", "127.0.0.1:9", "--stall-after", "5:10ms", "--coalesce", "20ms", "--throttle", "1k")
    proxy.notice()
    assert mezha("send", proxy.port, "--framing", "lines", "--replies", "1", "x").returncode == 1
    assert proxy.interrupt()[1] == "1 connection, 0 cuts, 1 refused by 127.0.0.1:9\n"


def test_a_script_ends_it_in_order(mezha: Run, start: Start, tmp_path: Path) -> None:
    server = start("echo", "0", "--framing", "lines", "--quiet")
    record = tmp_path / "run.jsonl"
    faults = ("--way", "up", "--stall-after", "2:1ms", "--corrupt", "0:0x0f")
    proxy = start("chaos", "0", server.place, *faults, "--record", str(record))
    proxy.notice()
    assert record.read_text() == "", "it can be written, and is before anything happens"
    assert mezha("send", proxy.port, "--framing", "lines", "--replies", "1", "Hello!").returncode == 0
    proxy.process.send_signal(signal.SIGTERM)
    _, errors = proxy.process.communicate(timeout=20)
    assert (proxy.process.returncode, errors) == (143, "1 connection, 1 cut, 1 changed byte, 1 stall\n")
    assert json.loads(record.read_text())["up"] == [["CutAt", 2], ["Corrupt", 0, 15], ["Stall", 2, False, 0.001]]


def test_between_unix_sockets(mezha: Run, start: Start, tmp_path: Path) -> None:
    here, there = str(tmp_path / "proxy"), str(tmp_path / "server")
    start("echo", "--unix", there, "--framing", "lines", "--quiet")
    proxy = start("chaos", here, there, "--cut", "2")
    assert proxy.place == here
    assert proxy.notice() == f"passing on to {there}, seed 0"
    got = mezha("send", "--unix", here, "--framing", "lines", "--replies", "1", "Hello!")
    assert (got.returncode, got.stdout) == (0, "Hello!\n")
    assert proxy.interrupt() == (130, "1 connection, 6 cuts\n")


def test_at_an_address_of_version_6(start: Start) -> None:
    try:
        proxy = start("chaos", "[::1]:0", "1")
    except AssertionError:
        pytest.skip("this machine has no such address")
    assert proxy.place.startswith("[::1]:")
    assert proxy.interrupt()[0] == 130
