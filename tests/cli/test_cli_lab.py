"""``mezha lab``, run for real; and what it makes of a run."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from unittest.mock import Mock
from xml.etree import ElementTree as ET

import pytest
from cli.program import COMMAND, Run, environment

from mezha.cli import experiment, main
from mezha.cli.experiment import Lab
from mezha.cli.texts import TEXTS


def test_the_lab_runs_and_mezha_is_right(mezha: Run, tmp_path: Path) -> None:
    figure = tmp_path / "lab.svg"
    done = mezha("lab", "--quick", "--svg", str(figure))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    *lines, _, saved = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert str(figure) in saved
    assert "2,000 of 2,000" in done.stdout
    assert "8,192 of 8,192" in done.stdout
    assert "16,384 of 16,384" in done.stdout
    assert ET.parse(figure).getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")
def test_in_a_terminal_there_are_colours_and_a_bar() -> None:
    import pty

    pytest.importorskip("rich")
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            [*COMMAND, "lab", "--rounds", "100"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(TERM="xterm-256color"),
        )
        os.close(theirs)
        shown = b""
        try:
            while chunk := terminal.read(65536):
                shown += chunk
        except OSError:  # what Linux says at the end of a terminal
            pass
        assert process.wait(20) == 0
    assert b"\x1b[1m One send" in shown
    assert "━".encode() in shown
    assert b"8,192 of 8,192" in shown


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Lab:
    """Let the lab find this, instead of measuring."""
    for name, result in (
        ("plain_rounds", lab.plain),
        ("mezha_rounds", lab.mezha),
        ("cut_every_way", lab.cutting),
        ("flood", lab.flood),
    ):
        monkeypatch.setattr(experiment, name, Mock(return_value=result))
    return lab


@pytest.mark.usefixtures("measured")
def test_colour_is_left_out_where_it_is_not_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["lab"]) == 0
    coloured = capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["lab"]) == 0
    plain = capsys.readouterr().out
    assert "\x1b[" in coloured
    assert "\x1b" not in plain
    assert len(coloured.splitlines()) == len(plain.splitlines())


@pytest.mark.usefixtures("measured")
def test_without_rich_the_text_is_there_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    for module in ("rich", "rich.console", "rich.progress", "rich.text"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    assert main(["lab", "--lang", "uk"]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert "\x1b" not in out
    assert TEXTS["uk"].all_right in out


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("variable", "text"), [("uk_UA.UTF-8", "Один send"), ("en_GB.UTF-8", "One send")])
def test_the_language_comes_from_the_locale(
    variable: str, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", variable)
    assert main(["lab"]) == 0
    assert text in capsys.readouterr().out


def test_an_output_of_few_letters_gets_a_plainer_picture(
    measured: Lab, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measured.right
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(sys.stdout.buffer, "cp1251", write_through=True))
    assert main(["lab", "--lang", "uk"]) == 0
    out = capsysbinary.readouterr().out.decode("cp1251")
    assert "\n    |H e l|l o ! $ W o r|l d ! $|  recv  x  b'Hel' b'lo!\\nWor' b'ld!\\n'" in out
    assert "Один send" in out
    assert "2^13" in out


def test_a_run_that_went_wrong_says_so(
    measured: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(measured.mezha, right=19_999)
    monkeypatch.setattr(experiment, "mezha_rounds", Mock(return_value=wrong))
    assert main(["lab", "--lang", "en"]) == 1
    assert TEXTS["en"].not_all_right in capsys.readouterr().out


@pytest.mark.usefixtures("measured")
def test_a_figure_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--svg", "/nonexistent/lab.svg"]) == 1
    assert capsys.readouterr().err == "mezha lab: cannot write /nonexistent/lab.svg: No such file or directory\n"


def test_ctrl_c_is_quiet() -> None:
    # without the warnings of COMMAND: an interrupt may fall between the making of a socket and its with block
    command = [sys.executable, "-m", "mezha", "lab", "--rounds", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout
        while not process.stdout.readline().startswith(b" 2  "):  # and the third section takes a second, at least
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, b"")


def test_a_reader_that_has_had_enough() -> None:
    with subprocess.Popen(
        [*COMMAND, "lab", "--rounds", "10"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, b"")
