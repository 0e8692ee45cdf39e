"""``mezha chaos``, as a process between others."""

import json
from pathlib import Path

from cli.program import Run, Start


def test_messages_pass_whole_however_they_are_cut(mezha: Run, start: Start, tmp_path: Path) -> None:
    server = start("echo", "0", "--framing", "length:4", "--quiet")
    record = tmp_path / "run.jsonl"
    proxy = start("chaos", "0", server.place, "--cut", "3", "--delay", "1ms", "--record", str(record))
    assert proxy.notice() == f"passing on to {server.place}, seed 0"
    got = mezha("send", proxy.port, "--framing", "length:4", "--replies", "all", "Hello!", "World!")
    assert (got.returncode, got.stdout) == (0, "Hello!\nWorld!\n")
    assert proxy.interrupt() == (130, "1 connections, 12 cuts\n")
    (line,) = record.read_text().splitlines()
    done = json.loads(line)
    assert done["up"][0] == ["CutAt", 3, 6, 9, 12, 15, 18]
    again = start("chaos", "0", server.place, "--replay", str(record))
    assert again.notice() == f"passing on to {server.place}, as recorded in {record}"
    assert mezha("send", again.port, "--framing", "length:4", "--replies", "all", "Hello!", "World!").returncode == 0
    assert again.interrupt()[1] == "1 connections, 12 cuts\n"


def test_by_message_and_one_way(mezha: Run, start: Start) -> None:
    server = start("echo", "0", "--framing", "lines", "--quiet")
    words = ("--framing", "lines", "--way", "down", "--reset-after-message", "2", "--cut-message", "1:body")
    proxy = start("chaos", "0", server.place, *words)
    proxy.notice()
    got = mezha("send", proxy.port, "--framing", "lines", "--replies", "all", "one", "two", "three")
    assert got.returncode == 1
    assert got.stdout == "one\ntwo\n"
    assert "lost" in got.stderr
    proxy.interrupt()


def test_who_is_not_there_is_counted(mezha: Run, start: Start) -> None:
    proxy = start("chaos", "0", "127.0.0.1:9", "--stall", "5:10ms", "--coalesce", "20ms", "--throttle", "1k")
    proxy.notice()
    assert mezha("send", proxy.port, "--framing", "lines", "--replies", "1", "x").returncode == 1
    assert proxy.interrupt()[1] == "1 connections, 0 cuts, 1 refused by 127.0.0.1:9\n"
