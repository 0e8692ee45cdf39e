"""Runs the cases: all peers in turn within each round, each run as long as it is worth."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.cases import Case, Point
from benchmarks.job import Failed, Job
from benchmarks.pair import Pair
from benchmarks.peer import Peer
from benchmarks.stats import Runs, interleaved, median

__all__ = ["FULL", "QUICK", "Effort", "Results", "Schedule"]


LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much time to take."""

    rounds: int
    #: Seconds that a run should take, where the number of messages is free.
    seconds: float
    #: Seconds after which a run is given up: a message that is lost is waited for.
    patience: float
    #: Seconds of a run, where the number of messages is not free, that make it too long to be begun.
    longest: float
    quick: bool = False

    def points(self, case: Case) -> Sequence[Point]:
        """Return the points of a case to measure."""
        return case.quick if self.quick else case.points


FULL = Effort(rounds=5, seconds=0.25, patience=60.0, longest=15.0)
QUICK = Effort(rounds=5, seconds=0.25, patience=20.0, longest=3.0, quick=True)


@dataclass(slots=True)
class Results:
    """What came out. Cases are in the order they were run; of peers, those that took part."""

    #: The runs: by case, peer and column.
    runs: dict[str, dict[str, dict[str, Runs]]] = field(default_factory=dict[str, dict[str, dict[str, Runs]]])
    #: The columns of each case, in their order.
    order: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    #: Why a cell is empty, by case, peer and column.
    faults: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])

    def of(self, case: str, peer: str, column: str) -> Runs:
        """Return the runs of a cell."""
        return self.runs.get(case, {}).get(peer, {}).get(column, ())

    def median(self, case: str, peer: str, column: str) -> float | None:
        """Return the middle one of the runs of a cell."""
        return median(self.of(case, peer, column))

    def columns(self, case: str) -> list[str]:
        """Return the columns of a case that hold anything."""
        filled = dict.fromkeys(column for columns in self.runs.get(case, {}).values() for column in columns)
        return sorted(filled, key=self.order[case].index) if case in self.order else list(filled)

    def blank(self, case: str, peer: str, column: str) -> str:
        """Return, in a word or two, why a cell is empty."""
        fault = self.faults.get((case, peer, column), "—")
        return next((word for word in ("not installed", LEFT_OUT, "—") if fault.startswith(word)), "failed")


@dataclass(slots=True, eq=False)
class _Entry:
    """A peer that takes part in a point."""

    case: Case
    point: Point
    peer: Peer
    rounds: int
    #: What it does in each round; nothing before that is settled, and after it has failed or took too long.
    job: Job | None = None


class Schedule:
    """The runs of all cases, or of those cells alone that are ``wanted``."""

    def __init__(
        self,
        cases: Sequence[Case],
        peers: Mapping[str, Peer],
        effort: Effort,
        wanted: Container[tuple[str, str, str]] | None = None,
    ) -> None:
        def entries(case: Case, *points: Point) -> list[_Entry]:
            return [
                _Entry(case, point, peer, min(effort.rounds, point.rounds or effort.rounds))
                for point in points
                for peer in peers.values()
                if case.admits(peer)
                if wanted is None or any((case.name, peer.name, column) in wanted for column in point.columns)
            ]

        self._groups: list[list[_Entry]] = []
        for case in cases:
            points = effort.points(case)
            self._groups += [entries(case, *points)] if case.together else [entries(case, point) for point in points]
        self._effort = effort
        #: Is called with what is done next, once for each run or run left out.
        self.step: Callable[[str], object] = lambda text: None
        self._pairs = {name: Pair(peer, patience=effort.patience) for name, peer in peers.items()}
        #: Seconds a message, by case and peer: what fixed numbers of messages will take.
        self._pace: dict[tuple[str, str], float] = {}
        self.results = Results(
            order={case.name: [name for point in effort.points(case) for name in point.columns] for case in cases}
        )

    @property
    def steps(self) -> int:
        """How many times ``step`` will be called."""
        return sum(entry.rounds + (not entry.point.fixed) for group in self._groups for entry in group)

    def run(self) -> None:
        """Run everything; ``results`` grows meanwhile, and is worth having if this is interrupted."""
        try:
            for group in self._groups:
                self._run_group(group)
                if not self._effort.quick:
                    self._close()  # new processes for the next, as luck in memory layout would stay with them
        finally:
            self._close()

    def _run_group(self, group: Sequence[_Entry]) -> None:
        for entry in group:
            if not entry.point.fixed:
                self.step(f"{entry.case.name}: {entry.peer.name}, how fast about")
            try:
                entry.job = self._prepare(entry)
            except Failed as failure:
                self._fail(entry, failure)
        rounds = max((entry.rounds for entry in group), default=0)
        for number, order in enumerate(interleaved(group, rounds), 1):
            for entry in order:
                if number > entry.rounds:
                    continue
                self.step(f"{entry.case.name}: {entry.peer.name}, {', '.join(entry.point.columns)}")
                if entry.job:
                    try:
                        self._measure(entry, entry.job)
                    except Failed as failure:
                        self._fail(entry, failure)
                        entry.job = None

    def _prepare(self, entry: _Entry) -> Job:
        """Return the job with the number of messages that a run should have."""
        job = entry.point.job
        if job.connections > entry.peer.most_connections:
            raise Failed(f"{LEFT_OUT}: it is not asked for {job.connections} connections")
        if entry.point.fixed:
            return job
        pair = self._pairs[entry.peer.name]
        job = replace(job, count=max(min(job.count, (32 << 20) // job.size), job.connections, 4))
        for _ in range(4):  # the first runs are short, and mostly about beginning
            outcome = pair.run(job)
            factor = self._effort.seconds / max(outcome.ended - outcome.began, 1e-6)
            job = replace(job, count=max(int(job.count * min(factor, 50)), job.connections, 4))
            if factor < 2:
                break
        return job

    def _measure(self, entry: _Entry, job: Job) -> None:
        case, point, peer = entry.case.name, entry.point, entry.peer.name
        columns = self.results.runs.setdefault(case, {}).setdefault(peer, {})
        first = not any(columns.get(column) for column in point.columns)
        if first and point.fixed and (expected := self._pace.get((case, peer), 0.0) * job.total) > self._effort.longest:
            raise Failed(f"{LEFT_OUT}: it would take {expected:.0f} s")
        pair = self._pairs[peer]
        if point.fresh:
            pair.close()
        outcome = pair.run(job)
        if point.fresh:
            pair.close()
        if not job.weigh:
            took = outcome.ended - outcome.began
            self._pace[case, peer] = took / job.total
            if took > self._effort.longest:
                entry.job = None  # once is enough
        for column, figure in point.columns.items():
            columns[column] = [*columns.get(column, ()), figure(job, outcome)]

    def _fail(self, entry: _Entry, failure: Failed) -> None:
        columns = self.results.runs.setdefault(entry.case.name, {}).setdefault(entry.peer.name, {})
        for column in entry.point.columns:
            columns.setdefault(column, ())
            self.results.faults[entry.case.name, entry.peer.name, column] = str(failure)

    def _close(self) -> None:
        for pair in self._pairs.values():
            pair.close()
