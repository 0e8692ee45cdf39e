"""``mezha framings``: the catalogue on a terminal."""

import pytest
from cli.program import Run

from mezha.cli import main
from mezha.framing.names import NAMES, PREFIXES


def test_all_have_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["framings"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("  +--") >= 2 * (len(NAMES) + len(PREFIXES))
    assert "mllp: blocks of HL7 messages\n\n  +------+" in shown


def test_names_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["framings", "--names"]) == 0
    names = [line.split()[0].partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [*NAMES, *PREFIXES]


def test_one_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["framings", "netstring"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("netstring: 6:Hello!,")
    assert "D. J. Bernstein" in shown
    assert "``" not in shown


def test_one_that_is_none(mezha: Run) -> None:
    got = mezha("framings", "netstrong")
    assert got.returncode == 2
    assert got.stderr.startswith("mezha framings: no framing is called 'netstrong'; there are length, varint,")
