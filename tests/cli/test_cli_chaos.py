"""``mezha chaos``, as a process between others."""

import json
import signal
from pathlib import Path

import pytest
from cli.program import Run, Start


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
    proxy = start("chaos", "0", "127.0.0.1:9", "--stall", "5:10ms", "--coalesce", "20ms", "--throttle", "1k")
    proxy.notice()
    assert mezha("send", proxy.port, "--framing", "lines", "--replies", "1", "x").returncode == 1
    assert proxy.interrupt()[1] == "1 connection, 0 cuts, 1 refused by 127.0.0.1:9\n"


def test_a_script_ends_it_in_order(mezha: Run, start: Start, tmp_path: Path) -> None:
    server = start("echo", "0", "--framing", "lines", "--quiet")
    record = tmp_path / "run.jsonl"
    proxy = start(
        "chaos", "0", server.place, "--way", "up", "--stall", "2:1ms", "--corrupt", "0", "--record", str(record)
    )
    proxy.notice()
    assert record.read_text() == "", "it can be written, and is before anything happens"
    assert mezha("send", proxy.port, "--framing", "lines", "--replies", "1", "Hello!").returncode == 0
    proxy.process.send_signal(signal.SIGTERM)
    _, errors = proxy.process.communicate(timeout=20)
    assert (proxy.process.returncode, errors) == (143, "1 connection, 1 cut, 1 changed byte, 1 stall\n")
    assert json.loads(record.read_text())["up"] == [["CutAt", 2], ["Corrupt", 0, 255], ["Stall", 2, False, 0.001]]


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
