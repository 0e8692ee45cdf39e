"""The command line from outside: help, exit codes, and errors of one sentence."""

import re

import pytest
from cli.program import Run

from mezha.cli import VERBS, main
from mezha.framing.names import NAMES
from mezha.version import __version__


def _main(*words: str) -> int:
    """Run in this process, as the script does."""
    try:
        return main(words)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else -1


@pytest.mark.parametrize("words", [["--help"], ["-h"], *([verb, "--help"] for verb in VERBS)])
def test_help_fits_and_names_every_framing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(*words) == 0
    out, err = capsys.readouterr()
    assert not err
    assert out.startswith("usage: mezha")
    assert "examples:\n" in out
    assert max(map(len, out.splitlines())) <= 80
    if words[0] not in ("lab", "framings", "identify"):
        assert all(re.search(rf"^  {name}\b", out, re.MULTILINE) for name in NAMES)
    if words[0] not in VERBS:
        assert all(re.search(rf"^  {verb}\b", out, re.MULTILINE) for verb in VERBS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main("--version") == 0
    assert capsys.readouterr().out == f"mezha {__version__}\n"


def test_without_a_verb_the_help_is_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main() == 2
    assert capsys.readouterr().err.startswith("usage: mezha VERB")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["sned"], "mezha: there is no verb 'sned'; there are lab, listen, send, echo, chaos"),
        (["listen", "9000"], "mezha listen: say how messages are marked, as with --framing lines"),
        (["send", "9000", "x"], "mezha send: say how messages are marked, as with --framing lines"),
        (["echo", "--framing", "lines"], "mezha echo: say where to listen: PORT, HOST:PORT, or --unix PATH"),
        (["echo", "1", "--unix", "x", "--framing", "lines"], "mezha echo: say where to listen"),
        (["send", "--framing", "lines"], "mezha send: say where to connect"),
        (["send", ":9000", "--framing", "lines"], "mezha send: ':9000' says no host to connect to"),
        (["listen", "here", "--framing", "lines"], "mezha listen: 'here' is not PORT, HOST:PORT or [IPV6]:PORT"),
        (["listen", "1", "--framing", "line"], "mezha listen: --framing: no framing is called 'line'; there are"),
        (["listen", "1", "--framing", "fixed:9", "--max-message", "8"], "mezha listen: "),
        (["listen", "1", "--framing", "lines", "--max-message", "x"], "mezha listen: --max-message: 'x' is not a size"),
        (["listen", "1", "--framing", "lines", "--tls"], "mezha listen: a TLS server needs a certificate: --cert FILE"),
        (["listen", "1", "--framing", "lines", "--text", "--hex"], "mezha listen: --hex: not allowed with argument"),
        (["send", "1", "--framing", "lines", "--hex", "0x0"], "mezha send: '0x0' is not a message in hex digits"),
        (["send", "1", "--framing", "lines", "--replies", "-1"], "mezha send: "),
        (["send", "1", "--framing", "lines", "--replies", "few"], "mezha send: --replies: 'few' is not a number, nor"),
        (["send", "1", "--framing", "lines", "--insecure", "--ca", "x"], "mezha send: --ca says whom to trust"),
        (["send", "1", "--framing", "lines", "--key", "x"], "mezha send: --key is the key of a certificate"),
        (["send", "--unix", "x", "--framing", "lines", "--tls"], "mezha send: a path has no name to find"),
        (["chaos", "0"], "mezha chaos: the following arguments are required: HOST:PORT"),
        (["chaos", "0", ":1"], "mezha chaos: ':1' says no host to connect to"),
        (["chaos", "0", "1", "--cut", "0"], "mezha chaos: --cut: CutEvery.size is 1 or more, not 0"),
        (["chaos", "0", "1", "--cut-message", "x"], "mezha chaos: --cut-message: 'x' is not the number of a message"),
        (["chaos", "0", "1", "--cut-message", "3"], "mezha chaos: CutMessage(number=3, where='header') speaks of mess"),
        (["chaos", "0", "1", "--delay", "soon"], "mezha chaos: --delay: 'soon' is not a time"),
        (["chaos", "0", "1", "--cut", "1", "--replay", "x"], "mezha chaos: --replay does what was recorded"),
        (["lab", "--rounds", "0"], "mezha lab: --rounds"),
        (["lab", "--lang", "xx"], "mezha lab: --lang: invalid choice"),
    ],
)
def test_a_wrong_call_is_explained_in_one_line(
    words: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(*words) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(error)
    assert err.endswith("--help)\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["send", "nosuch.invalid:1", "x"], "mezha send: cannot connect to nosuch.invalid:1: "),
        (["send", "--unix", "/nonexistent/x", "m"], "mezha send: cannot connect to /nonexistent/x: No such file"),
        (["listen", "--unix", "/nonexistent/x"], "mezha listen: cannot listen on /nonexistent/x: No such file"),
        (["listen", "1", "--cert", "/nonexistent"], "mezha listen: cannot read /nonexistent: No such file"),
        (["chaos", "203.0.113.1:1", "1"], "mezha chaos: cannot listen on 203.0.113.1:1: "),
        (["chaos", "0", "1", "--replay", "/nonexistent"], "mezha chaos: cannot read /nonexistent: No such file"),
        (["chaos", "0", "1", "--replay", __file__], "mezha chaos: "),
        (["chaos", "0", "1", "--record", "/nonexistent/x"], "mezha chaos: cannot write /nonexistent/x: No such file"),
        (["chaos", "/nonexistent/x", "1"], "mezha chaos: cannot listen on /nonexistent/x: No such file"),
        (["send", "1", "m", "--ca", __file__], f"mezha send: cannot use {__file__}: "),
        (["send", "1", "m", "--ca", "/nonexistent"], "mezha send: cannot read /nonexistent: No such file"),
    ],
)
def test_a_failure_is_told_in_one_line(words: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(*words, "--framing", "lines") == 1
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(error)
    assert err.count("\n") == 1


def test_the_module_can_be_run(mezha: Run) -> None:
    assert mezha("--version").stdout == f"mezha {__version__}\n"
    wrong = mezha("listen", "9000")
    assert (wrong.returncode, wrong.stdout) == (2, "")
