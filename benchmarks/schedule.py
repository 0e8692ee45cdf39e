"""Runs the cases: point after point, all peers in turn within each round, each run as long as it is worth."""

from collections.abc import Callable, Mapping, Sequence
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
    #: Seconds after which a run is given up, or not begun.
    patience: float
    quick: bool = False

    def points(self, case: Case) -> Sequence[Point]:
        """Return the points of a case to measure."""
        return case.quick if self.quick else case.points


FULL = Effort(rounds=5, seconds=0.7, patience=60.0)
QUICK = Effort(rounds=3, seconds=0.1, patience=10.0, quick=True)


@dataclass(slots=True)
class Results:
    """What came out. Cases and columns are in the order they were run; of peers, those that took part."""

    #: The runs: by case, peer and column.
    runs: dict[str, dict[str, dict[str, Runs]]] = field(default_factory=dict[str, dict[str, dict[str, Runs]]])
    #: Why a cell is empty, by case, peer and column.
    faults: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])

    def of(self, case: str, peer: str, column: str) -> Runs:
        """Return the runs of a cell."""
        return self.runs.get(case, {}).get(peer, {}).get(column, ())

    def median(self, case: str, peer: str, column: str) -> float | None:
        """Return the middle one of the runs of a cell."""
        return median(self.of(case, peer, column))

    def columns(self, case: str) -> list[str]:
        """Return the columns of a case."""
        return list(dict.fromkeys(column for columns in self.runs.get(case, {}).values() for column in columns))

    def blank(self, case: str, peer: str, column: str) -> str:
        """Return, in a word or two, why a cell is empty."""
        fault = self.faults.get((case, peer, column), "—")
        return next((word for word in ("not installed", LEFT_OUT, "—") if fault.startswith(word)), "failed")


class Schedule:
    """The runs of all cases."""

    def __init__(self, cases: Sequence[Case], peers: Mapping[str, Peer], effort: Effort) -> None:
        self._plan = [
            (case, point, [peer for peer in peers.values() if case.admits(peer)])
            for case in cases
            for point in effort.points(case)
        ]
        self._effort = effort
        #: Is called with what is done next, once for each run or run left out.
        self.step: Callable[[str], object] = lambda text: None
        self._pairs = {name: Pair(peer, patience=effort.patience) for name, peer in peers.items()}
        #: Seconds a message, by case and peer: what fixed numbers of messages will take.
        self._pace: dict[tuple[str, str], float] = {}
        self.results = Results()

    @property
    def steps(self) -> int:
        """How many times ``step`` will be called."""
        return sum(len(entrants) * (self._rounds(point) + (not point.fixed)) for _, point, entrants in self._plan)

    def run(self) -> None:
        """Run everything; ``results`` grows meanwhile, and is worth having if this is interrupted."""
        try:
            for case, point, entrants in self._plan:
                self._run_point(case, point, entrants)
                if not self._effort.quick:
                    self._close()  # new processes for each point, as luck in memory layout would stay with them
        finally:
            self._close()

    def _rounds(self, point: Point) -> int:
        return min(self._effort.rounds, point.rounds or self._effort.rounds)

    def _run_point(self, case: Case, point: Point, entrants: Sequence[Peer]) -> None:
        jobs: dict[str, Job] = {}
        for peer in entrants:
            if not point.fixed:
                self.step(f"{case.name}: {peer.name}, how fast about")
            try:
                jobs[peer.name] = self._prepare(case, point, peer)
            except Failed as failure:
                self._fail(case, point, peer, failure)
        for order in interleaved(entrants, self._rounds(point)):
            for peer in order:
                self.step(f"{case.name}: {peer.name}, {', '.join(point.columns)}")
                if peer.name not in jobs:
                    continue
                try:
                    self._measure(case, point, peer, jobs[peer.name])
                except Failed as failure:
                    self._fail(case, point, peer, failure)
                    del jobs[peer.name]

    def _prepare(self, case: Case, point: Point, peer: Peer) -> Job:
        """Return the job with the number of messages that a run should have."""
        job = point.job
        pair = self._pairs[peer.name]
        if job.connections > peer.most_connections:
            raise Failed(f"{LEFT_OUT}: it is not asked for {job.connections} connections")
        if point.fixed:
            expected = self._pace.get((case.name, peer.name), 0.0) * job.total
            if expected > self._effort.patience / 2:
                raise Failed(f"{LEFT_OUT}: it would take {expected:.0f} s")
            return job
        job = replace(job, count=max(min(job.count, (32 << 20) // job.size), job.connections, 4))
        for _ in range(4):  # the first runs are short, and mostly about beginning
            outcome = pair.run(job)
            factor = self._effort.seconds / max(outcome.ended - outcome.began, 1e-6)
            job = replace(job, count=max(int(job.count * min(factor, 50)), job.connections, 4))
            if factor < 2:
                break
        return job

    def _measure(self, case: Case, point: Point, peer: Peer, job: Job) -> None:
        pair = self._pairs[peer.name]
        if point.fresh:
            pair.close()
        outcome = pair.run(job)
        if point.fresh:
            pair.close()
        if not job.weigh:
            self._pace[case.name, peer.name] = (outcome.ended - outcome.began) / job.total
        columns = self.results.runs.setdefault(case.name, {}).setdefault(peer.name, {})
        for column, figure in point.columns.items():
            columns[column] = [*columns.get(column, ()), figure(job, outcome)]

    def _fail(self, case: Case, point: Point, peer: Peer, failure: Failed) -> None:
        columns = self.results.runs.setdefault(case.name, {}).setdefault(peer.name, {})
        for column in point.columns:
            columns.setdefault(column, ())
            self.results.faults[case.name, peer.name, column] = str(failure)

    def _close(self) -> None:
        for pair in self._pairs.values():
            pair.close()
