"""The results as text: tables for the terminal and for ``RESULTS.md``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.table import Table

from benchmarks.cases import Case
from benchmarks.peer import Peer
from benchmarks.schedule import Results
from benchmarks.stats import Runs, median, ratio, spread
from benchmarks.targets import TARGETS

__all__ = ["Report"]

RAW = "raw socket"


@dataclass(frozen=True, slots=True)
class _Grid:
    """A table: a heading and rows of cells."""

    title: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: Rows to be seen first.
    strong: frozenset[str] = field(default=frozenset())

    def rich(self) -> Table:
        """Return it for the terminal."""
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for index, name in enumerate(self.heading):
            table.add_column(name, justify="right" if index else "left")
        for row in self.rows:
            table.add_row(*row, style="bold" if row[0] in self.strong else None)
        return table

    def markdown(self) -> Iterator[str]:
        """Yield it line by line."""
        yield _line(self.heading)
        yield _line(["--", *["--:"] * (len(self.heading) - 1)])
        for first, *others in self.rows:
            yield _line([f"**{first}**" if first in self.strong else first, *others])


class Report:
    """What to show of a run of the benchmarks."""

    def __init__(
        self, results: Results, cases: Sequence[Case], peers: Mapping[str, Peer], missing: Mapping[str, str]
    ) -> None:
        self._results = results
        self._cases = [case for case in cases if case.name in results.runs]
        self._peers = peers
        self._missing = missing
        self._ours = frozenset(name for name, peer in peers.items() if peer.ours)

    def tables(self) -> Iterator[Table]:
        """Yield the tables for the terminal."""
        for case in self._cases:
            yield self._medians(case).rich()
            yield self._ratios(case).rich()
        yield self._targets().rich()

    def remarks(self) -> Iterator[str]:
        """Yield what is behind each empty cell, and who is not here."""
        for (case, peer, column), fault in self._results.faults.items():
            yield f"{case}, {peer}, {column}: {fault}"
        for name, fault in self._missing.items():
            yield f"{name}: {fault}"

    def markdown(self, machine: Mapping[str, str], versions: Mapping[str, str], *, plot: str, seconds: float) -> str:
        """Return ``RESULTS.md``."""
        return "\n".join(self._lines(machine, versions, plot, seconds)) + "\n"

    def _lines(
        self, machine: Mapping[str, str], versions: Mapping[str, str], plot: str, seconds: float
    ) -> Iterator[str]:
        yield "# Results of the benchmarks"
        yield ""
        yield "Written by `make bench`, which anybody can repeat. Medians of all rounds; ± is half the distance from"
        yield "the smallest to the largest. In each round all peers take their turn, so that drift of the machine hits"
        yield "all alike, and ratios are medians of the ratios within a round. Sender and receiver are two processes."
        yield "The receiver checks the length of every message and the content of the last."
        yield ""
        yield f"![The results as curves]({plot})"
        yield ""
        peers = ", ".join(f"{name} {version}" for name, version in versions.items())
        for name, value in {**machine, "peers": peers}.items():
            yield f"- {name}: {value}"
        yield f"- duration: {seconds / 60:.0f} minutes"
        for case in self._cases:
            yield from ("", f"## {case.title}", "", case.text, "")
            yield from self._medians(case).markdown()
            ratios = self._ratios(case)
            if ratios.rows:
                yield from ("", f"{ratios.title}:", "")
                yield from ratios.markdown()
        yield from ("", "## What mezha sets out to reach", "")
        yield from self._targets().markdown()
        if remarks := list(self.remarks()):
            yield from ("", "## What could not be measured", "")
            yield from (f"- {remark}" for remark in remarks)
        yield from ("", "## How each peer is set up", "")
        for settings, names in self._settings().items():
            yield f"- **{'**, **'.join(names)}**: {settings}"

    def _settings(self) -> dict[str, list[str]]:
        """Return what the plug-ins say about themselves, with the peers each holds."""
        settings: dict[str, list[str]] = {}
        for peer in self._peers.values():
            settings.setdefault(peer.settings, []).append(peer.name)
        return settings

    def _medians(self, case: Case) -> _Grid:
        columns = self._results.columns(case.name)
        rows = [
            [peer, *(self._cell(case, peer, column) for column in columns)] for peer in self._results.runs[case.name]
        ]
        return _Grid(case.title, ["", *columns], rows, self._ours)

    def _cell(self, case: Case, peer: str, column: str) -> str:
        value = self._results.median(case.name, peer, column)
        if value is None:
            return self._results.blank(case.name, peer, column)
        return _around(_number(value), self._results.of(case.name, peer, column))

    def _ratios(self, case: Case) -> _Grid:
        """Set mezha's results against those of the best peer, and of the raw socket."""
        runs = self._results.runs[case.name]
        columns = self._results.columns(case.name)
        rows: list[list[str]] = []
        best = {column: self._best(case, column) for column in columns}
        for ours in (name for name in runs if name in self._ours):
            for label, others in (("the best peer", best), (RAW, dict.fromkeys(columns, RAW))):
                cells = [self._times(case, ours, others[column], column, name=others is best) for column in columns]
                if any(cells):
                    rows.append([f"{ours} / {label}", *cells])
        return _Grid(f"{case.title}: ratios", ["", *columns], rows)

    def _best(self, case: Case, column: str) -> str | None:
        medians = {
            peer: value
            for peer in self._results.runs[case.name]
            if peer not in self._ours and peer != RAW
            if (value := self._results.median(case.name, peer, column)) is not None
        }
        return (max if case.more_is_better else min)(medians, key=lambda peer: medians[peer]) if medians else None

    def _times(self, case: Case, ours: str, other: str | None, column: str, *, name: bool) -> str:
        if other is None:
            return ""
        value = ratio(self._results.of(case.name, ours, column), self._results.of(case.name, other, column))
        return "" if value is None else f"{value:.2f}{f' ({other})' if name else ''}"

    def _targets(self) -> _Grid:
        rows: list[list[str]] = []
        for target in TARGETS:
            runs = target.figure(self._results)
            bound = f"{'at least' if target.at_least else 'at most'} {target.bound:g} {target.unit}"
            if (value := median(runs)) is not None:
                rows.append([target.text, bound, _around(f"{value:.3g}", runs), "yes" if target.met(value) else "no"])
            elif any(peer in self._results.runs.get(case, ()) for case, peer, _ in target.cells[:1]):
                rows.append([target.text, bound, "—", "not measured"])
        return _Grid("What mezha sets out to reach", ["", "to reach", "measured", "reached"], rows)


def _number(value: float) -> str:
    """Return a figure with three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _around(value: str, runs: Runs) -> str:
    """Add to a median how far the runs lie around it."""
    around = spread(runs)
    return value + ("" if around is None else f" ±{around:.0%}")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
