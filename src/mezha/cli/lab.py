"""``mezha lab``: the lab, live. It measures, and then hands what it measured to whoever draws."""

import platform
import time
from collections.abc import Sequence
from pathlib import Path

from mezha.cli import experiment, report, terminal
from mezha.cli.options import Failure, Parser
from mezha.cli.picture import Span
from mezha.cli.svg import figure
from mezha.cli.texts import TEXTS, language

__all__ = ["run"]

_ROUNDS = 10_000
_QUICK_ROUNDS = 1_000


def run(words: Sequence[str]) -> int:
    """Run the lab as the command line says; 0 only if mezha got everything right."""
    parser = Parser(
        "lab",
        usage="mezha lab [options]",
        description="Watch TCP lose message boundaries, and mezha keep them: live, on real sockets.\n"
        "It takes some seconds. The exit code is 0 if mezha got everything right.",
        epilog="""\
examples:
  mezha lab
  mezha lab --svg lab.svg
  mezha lab --rounds 100000 --lang uk""",
    )
    add = parser.arguments.add_argument
    add("--rounds", metavar="N", type=int, default=_ROUNDS, help="rounds of two sends (default: 10000)")
    add("--quick", action="store_const", dest="rounds", const=_QUICK_ROUNDS, help="only 1000 rounds")
    add("--svg", metavar="FILE", type=Path, help="write the picture to a file, as a figure")
    add("--lang", choices=TEXTS, default=language(), help="language (default: the locale's, or English)")
    options = parser.parse(words)
    rounds: int = options.rounds
    if rounds < 1:
        parser.error("--rounds: there must be one, at least")
    texts = TEXTS[options.lang]
    width = terminal.width()
    system, python = platform.system(), platform.python_version()

    terminal.show(report.title_section(texts, width=width, system=system, python=python))
    began = time.monotonic()
    with terminal.progress(texts.working, rounds) as progress:
        plain = experiment.plain_rounds(rounds, progress)
    terminal.show(report.plain_section(plain, texts, width=width))
    with terminal.progress(texts.working, rounds) as progress:
        mezha = experiment.mezha_rounds(rounds, progress)
    terminal.show(report.mezha_section(mezha, texts, width=width))
    with terminal.progress(texts.working, experiment.WAYS) as progress:
        cutting = experiment.cut_every_way(progress)
    flood = experiment.flood(experiment.WAYS)
    lab = experiment.Lab(plain, mezha, cutting, flood, time.monotonic() - began)
    terminal.show(report.cutting_section(cutting, flood, texts, width=width))
    terminal.show(report.picture_section(cutting, texts, width=width))
    terminal.show(report.result_section(lab, texts))
    if options.svg:
        try:
            options.svg.write_text(figure(lab, texts, system=system, python=python), encoding="utf-8")
        except OSError as error:
            raise Failure(f"cannot write {options.svg}: {error.strerror}") from error
        terminal.show([[], [Span(f" {texts.saved.format(file=options.svg)}")]])
    return 0 if lab.right else 1
