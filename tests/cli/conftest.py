"""The command line as tests use it: real runs of ``python -m mezha``, and a lab that was measured."""

import subprocess
from collections.abc import Generator

import pytest
from cli.program import COMMAND, Run, Running, Start, environment

from mezha.cli.experiment import MESSAGES, TELLING, WIRE, Alternation, Cutting, Flood, Lab, Rounds, Way, cut_off


@pytest.fixture(autouse=True)
def _usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def mezha() -> Run:
    """Run ``mezha`` with these arguments, to its end."""

    def run(*words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            env=environment(**variables),
            check=False,
        )

    return run


@pytest.fixture
def start() -> Generator[Start]:
    """Start ``mezha`` with these arguments, a server; it is killed at the end of the test."""
    running: list[Running] = []

    def begin(*words: str) -> Running:
        process = subprocess.Popen(
            [*COMMAND, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            env=environment(),
        )
        running.append(Running(process, ""))
        assert process.stderr
        first = process.stderr.readline()
        assert first.startswith("listening on "), first
        running[-1] = Running(process, first.removeprefix("listening on ").rstrip("\n"))
        return running[-1]

    yield begin
    for server in running:
        with server.process as process:
            process.kill()


@pytest.fixture
def lab() -> Lab:
    """What a run of the lab might have measured."""
    both, one, other = b"Hello!World!", b"Hello!", b"World!"
    telling: dict[str, Way] = {}
    for name, cuts in TELLING.items():
        pieces = tuple(cut_off(WIRE, cuts))
        telling[name] = Way(cuts, pieces, pieces, MESSAGES)
    return Lab(
        plain=Rounds(
            10_000, ((both, 9998), (one, 1), (other, 1)), (both,) * 8 + (one, other), 9, ((9, one), (10, other))
        ),
        mezha=Alternation(10_000, 20_000, (one, other, one, other), 19_992, 8),
        cutting=Cutting(8192, 8192, 61_440, 1, 8192, telling),
        flood=Flood(16_384, 114_688, 28, 0, 16_384),
        seconds=2.54,
    )
