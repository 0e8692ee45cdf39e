"""``mezha ping``, as a process; and the numbers that it tells."""

import json
import re
import signal
import statistics
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from cli.program import COMMAND, Run, Start, environment
from hypothesis import given
from hypothesis import strategies as st

from mezha.cli.ping import Times

NUMBERS = r"min (\S+), avg (\S+), median (\S+), p90 (\S+), p99 (\S+), max (\S+) ms"


@contextmanager
def pinging(*words: str) -> Generator[subprocess.Popen[str]]:
    """Ping until the test has seen enough."""
    with subprocess.Popen(
        [*COMMAND, "ping", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_line_for_each_answer_and_a_summary(mezha: Run, start: Start) -> None:
    server = start("listen", "0")
    done = mezha("ping", server.port, "--count", "3", "--interval", "0.01")
    assert (done.returncode, done.stderr) == (0, f"connected to {server.place}\n")
    *answers, counts, numbers = done.stdout.splitlines()
    for number, answer in enumerate(answers, 1):
        assert re.fullmatch(rf"{re.escape(server.place)} answered ping {number} after \d+\.\d{{3}} ms", answer)
    assert len(answers) == 3
    assert counts == "3 sent, 0 lost (0%)"
    told = re.fullmatch(NUMBERS, numbers)
    assert told
    least, average, median, p90, p99, most = map(float, told.groups())
    assert 0 < least <= median <= p90 <= p99 <= most
    assert least <= average <= most
    assert server.notice().endswith(" connected")
    assert server.notice().endswith(" closed, after 0 messages: OK (0)")


def test_quiet_and_json(mezha: Run, start: Start) -> None:
    port = start("listen", "0").port
    quiet = mezha("ping", port, "--count", "20", "--interval", "0", "--quiet")
    assert re.fullmatch(rf"20 sent, 0 lost \(0%\)\n{NUMBERS}\n", quiet.stdout)
    done = mezha("ping", f"localhost:{port}", "--count", "2", "--interval", "0", "--json")
    first, second, summary = map(json.loads, done.stdout.splitlines())
    assert [list(first), list(summary)] == [["peer", "time", "number", "ms"], ["peer", "time", "sent", "lost", "ms"]]
    assert (first["peer"], first["number"], second["number"]) == (f"localhost:{port}", 1, 2)
    assert (summary["sent"], summary["lost"]) == (2, 0)
    assert list(summary["ms"]) == ["min", "avg", "median", "p90", "p99", "max"]
    assert (summary["ms"]["min"], summary["ms"]["max"]) == tuple(sorted((first["ms"], second["ms"])))


def test_over_tls_and_unix_sockets(mezha: Run, start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    port = start("echo", "0", "--cert", str(tmp_path / "cert.pem")).port
    assert mezha("ping", port, "--count", "1", "--ca", str(tmp_path / "ca.pem")).returncode == 0
    stranger = mezha("ping", port, "--count", "1", "--tls")
    assert (stranger.returncode, stranger.stdout) == (1, "")
    assert stranger.stderr.startswith(f"mezha ping: cannot trust 127.0.0.1:{port}: ")
    path = start("echo", "--unix", str(tmp_path / "s")).place
    assert mezha("ping", "--unix", path, "--count", "1").stdout.startswith(f"{path} answered ping 1 after ")


def test_what_is_not_answered_is_lost_and_an_interrupt_sums_up(start: Start) -> None:
    server = start("echo", "0")
    with pinging(server.port, "--interval", "0.01", "--timeout", "0.5") as process:
        assert process.stdout
        assert "answered ping 1 after" in process.stdout.readline()
        server.process.send_signal(signal.SIGSTOP)
        lost = next(line for line in process.stdout if "answered" not in line)
        assert re.fullmatch(rf"{re.escape(server.place)} did not answer ping \d+ within 0\.5 s\n", lost)
        server.process.send_signal(signal.SIGCONT)
        assert any(" answered ping " in line for line in process.stdout)  # none of the late ones is taken for it
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.search(rf"^\d+ sent, [1-9]\d* lost \(\S+%\)\n{NUMBERS}\n\Z", rest, re.MULTILINE)


def test_with_no_answer_at_all_it_fails(mezha: Run, start: Start) -> None:
    server = start("echo", "0")
    done = mezha("ping", server.port, "--count", "3", "--interval", "0", "--timeout", "0.000000001", "--quiet")
    assert (done.returncode, done.stdout) == (1, "3 sent, 3 lost (100%)\n")


def test_a_connection_that_breaks_is_summed_up(start: Start) -> None:
    server = start("echo", "0")
    with pinging(server.port, "--interval", "0.01", "--json") as process:
        assert process.stdout
        process.stdout.readline()
        server.process.kill()
        rest, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert json.loads(rest.splitlines()[-1])["lost"] == 1
    assert errors.splitlines()[1].startswith("mezha ping: ")
    assert len(errors.splitlines()) == 2


@given(st.lists(st.floats(1e-3, 1e6), min_size=1))
def test_numbers_are_those_of_all_times(many: list[float]) -> None:
    times = Times()
    for time in many:
        times.add(time)
    numbers = times.numbers()
    assert (numbers["min"], numbers["max"]) == (min(many), max(many))
    assert numbers["avg"] == pytest.approx(statistics.fmean(many))
    many.sort()
    for name, share in (("median", 50), ("p90", 90), ("p99", 99)):
        assert numbers[name] == pytest.approx(many[-(-len(many) * share // 100) - 1], rel=1e-3)


def test_no_times_have_no_numbers() -> None:
    assert Times().numbers() == {}
