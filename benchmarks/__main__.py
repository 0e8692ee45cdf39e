"""``python -m benchmarks``: measure, show, and write ``RESULTS.md`` and ``results.svg``."""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from benchmarks.cases import CASES
from benchmarks.machine import machine, versions
from benchmarks.peer import Peer, discover
from benchmarks.plot import figure
from benchmarks.report import Report
from benchmarks.schedule import FULL, QUICK, Results, Schedule
from benchmarks.targets import TARGETS

HERE = Path(__file__).parent
_QUICK_SAYS = (
    "quick: only what mezha sets out to reach, with short runs; the full run has all peers and sizes, and follows the "
    "cost of a message up to 10,000,000 messages and 5,000 connections"
)


def main() -> int:
    """Run the benchmarks that were asked for."""
    options = _options()
    facts = {**machine(), "run": _QUICK_SAYS} if options.quick else machine()
    found, missing = discover()
    peers = {name: peer for name, peer in found.items() if _wanted(name, options.peer)}
    cases = [case for case in CASES if case.name in (options.case or [case.name])]
    console = Console()
    if not peers:
        console.print(f"no peer is called so; there are {', '.join(found)}")
        return 2
    began = time.monotonic()
    # In quick mode, only what is judged is measured, unless it was asked for by name.
    judged = {cell for target in TARGETS for cell in target.cells} if options.quick and not options.peer else None
    results = _run(Schedule(cases, peers, QUICK if options.quick else FULL, judged), console)
    report = Report(results, cases, peers, missing)
    wide = Console(width=max(console.width, 140))
    wide.print("; ".join(f"{name}: {value}" for name, value in facts.items()), markup=False, highlight=False)
    for table in report.tables():
        if table.row_count:
            wide.print(table)
    for remark in report.remarks():
        wide.print(f"- {remark}", markup=False, highlight=False)
    wide.print(f"duration: {time.monotonic() - began:.0f} s", highlight=False)
    complete = not (options.quick or options.case or options.peer)
    if folder := options.output or (HERE if complete else None):
        _write(folder, report, results, facts, peers, time.monotonic() - began)
        console.print(f"written: {folder / 'RESULTS.md'}, {folder / 'results.svg'}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="about two minutes: only what is judged, short runs, no files"
    )
    parser.add_argument(
        "--case", action="append", choices=[case.name for case in CASES], help="only this case; may be repeated"
    )
    parser.add_argument("--peer", action="append", help="only peers with this in their name; may be repeated")
    parser.add_argument(
        "--output", type=Path, help="where to write; benchmarks/ for a full run, nowhere for a part of it"
    )
    return parser.parse_args()


def _wanted(name: str, patterns: list[str] | None) -> bool:
    return not patterns or any(pattern.lower() in name.lower() for pattern in patterns)


def _run(schedule: Schedule, console: Console) -> Results:
    """Run with a progress bar; Ctrl-C ends it with what there is."""
    what = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    columns = (what, BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, expand=True) as progress:
        task = progress.add_task("", total=schedule.steps)

        def step(text: str) -> None:
            progress.update(task, description=text, advance=1)

        schedule.step = step
        try:
            schedule.run()
        except KeyboardInterrupt:
            console.print("interrupted: this is what was measured so far")
    return schedule.results


def _write(
    folder: Path,
    report: Report,
    results: Results,
    facts: Mapping[str, str],
    peers: Mapping[str, Peer],
    seconds: float,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ours = frozenset(name for name, peer in peers.items() if peer.ours)
    (folder / "results.svg").write_text(figure(results, ours), encoding="utf-8")
    text = report.markdown(facts, versions(peers.values()), plot="results.svg", seconds=seconds)
    (folder / "RESULTS.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
