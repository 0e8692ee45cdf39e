from collections.abc import Sequence
from xml.etree import ElementTree as ET

import faulty_peers
import pytest

from benchmarks import schedule
from benchmarks.cases import CASES, Case, Point, size_name
from benchmarks.job import Failed, Job, Outcome, Tally, Wrong, body, check_last, last
from benchmarks.pair import Pair
from benchmarks.peer import Peer, load
from benchmarks.plot import figure
from benchmarks.report import Report
from benchmarks.schedule import Effort, Results, Schedule
from benchmarks.stats import interleaved, median, ratio, spread
from benchmarks.targets import TARGETS

#: What needs nothing but mezha and the standard library.
PLUG_INS = ("raw_socket", "hand_rolled", "multiprocessing_connection", "mezha_blocking", "mezha_asyncio")
FAULTY = {peer.name: peer for peer in faulty_peers.PEERS}


def peers_of(*modules: str) -> list[Peer]:
    return [peer for module in modules for peer in load(f"benchmarks.peers.{module}")]


# -- statistics -------------------------------------------------------------------------------------------------------


def test_the_median_and_the_spread_of_a_few_runs() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert spread([1.0, 2.0, 4.0]) == 0.75


def test_without_runs_there_is_no_median_and_with_one_no_spread() -> None:
    assert median([]) is None
    assert spread([5.0]) is None


def test_a_ratio_is_taken_within_each_round_so_that_drift_cancels_out() -> None:
    slowing = [100.0, 50.0, 10.0]
    assert ratio([3 * value for value in slowing], slowing) == pytest.approx(3.0)


def test_a_ratio_counts_only_rounds_that_both_finished() -> None:
    assert ratio([4.0, 6.0], [2.0]) == 2.0
    assert ratio([4.0], []) is None


def test_everyone_runs_once_a_round_and_every_other_round_backwards() -> None:
    assert interleaved("abc", 3) == [list("abc"), list("cba"), list("abc")]


# -- the schedule -----------------------------------------------------------------------------------------------------


class Recorded:
    """Stands for the processes of a peer: notes what is run, and takes as long per message as it is told to."""

    log: list[tuple[str, Job]]

    def __init__(self, peer: Peer, *, patience: float) -> None:
        self._name = peer.name

    def run(self, job: Job) -> Outcome:
        self.log.append((self._name, job))
        if self._name == "tears" and len([name for name, _ in self.log if name == "tears"]) > 4:
            raise Failed("torn")
        return Outcome(began=1.0, ended=1.0 + job.total * 1e-3)

    def close(self) -> None:
        pass


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Job]]:
    Recorded.log = []
    monkeypatch.setattr(schedule, "Pair", Recorded)
    return Recorded.log


def measure(point: Point, names: Sequence[str], rounds: int = 3) -> tuple[Results, list[str]]:
    case = Case("test", "Test", "A test.", [point], [point])
    effort = Effort(rounds, seconds=1.0, patience=60.0, longest=30.0)
    work = Schedule([case], {name: FAULTY[name] for name in names}, effort)
    steps: list[str] = []
    work.step = steps.append
    expected = work.steps
    work.run()
    assert len(steps) == expected
    return work.results, steps


def seconds(job: Job, outcome: Outcome) -> float:
    return outcome.ended - outcome.began


def test_peers_take_turns_within_each_round(log: list[tuple[str, Job]]) -> None:
    measure(Point(Job("stream", 8, 10), {"s": seconds}, fixed=True), ["loses", "doubles", "glues"])
    names = [name for name, _ in log]
    assert names == ["loses", "doubles", "glues", "glues", "doubles", "loses", "loses", "doubles", "glues"]


def test_the_number_of_messages_is_chosen_so_that_a_run_takes_long_enough(log: list[tuple[str, Job]]) -> None:
    results, _ = measure(Point(Job("stream", 8, 10), {"s": seconds}), ["loses"])
    assert results.of("test", "loses", "s") == pytest.approx([1.0, 1.0, 1.0])
    assert log[-1][1].count == 1000


def test_a_peer_that_fails_is_told_of_and_the_others_go_on(log: list[tuple[str, Job]]) -> None:
    results, _ = measure(Point(Job("stream", 8, 10), {"s": seconds}, fixed=True), ["tears", "glues"], rounds=6)
    assert len(results.of("test", "glues", "s")) == 6
    assert len(results.of("test", "tears", "s")) == 4
    assert results.faults == {("test", "tears", "s"): "torn"}


def test_points_that_are_compared_take_turns_too(log: list[tuple[str, Job]]) -> None:
    points = [Point(Job("stream", 8, count), {f"{count}": seconds}, fixed=True) for count in (1, 2)]
    points.append(Point(Job("stream", 8, 3), {"3": seconds}, fixed=True, rounds=1))
    case = Case("test", "Test", "A test.", points, points, together=True)
    Schedule([case], {"loses": FAULTY["loses"]}, Effort(2, seconds=1.0, patience=60.0, longest=30.0)).run()
    assert [job.count for _, job in log] == [1, 2, 3, 2, 1]


def test_cells_that_nobody_wants_are_not_measured(log: list[tuple[str, Job]]) -> None:
    points = [Point(Job("stream", 8, count), {f"{count}": seconds}, fixed=True) for count in (1, 2)]
    case = Case("test", "Test", "A test.", points, points)
    effort = Effort(1, seconds=1.0, patience=60.0, longest=30.0)
    work = Schedule([case], {name: FAULTY[name] for name in ("loses", "glues")}, effort, {("test", "glues", "2")})
    work.run()
    assert [(name, job.count) for name, job in log] == [("glues", 2)]
    assert work.results.columns("test") == ["2"]


def test_what_would_take_too_long_is_left_out(log: list[tuple[str, Job]]) -> None:
    points = [Point(Job("stream", 8, count), {f"{count}": seconds}, fixed=True) for count in (1000, 1_000_000)]
    case = Case("test", "Test", "A test.", points, points)
    work = Schedule([case], {"loses": FAULTY["loses"]}, Effort(1, seconds=1.0, patience=60.0, longest=30.0))
    work.run()
    assert work.results.median("test", "loses", "1000") == pytest.approx(1.0)
    assert work.results.blank("test", "loses", "1000000") == "left out"


def test_what_took_too_long_is_not_done_again(log: list[tuple[str, Job]]) -> None:
    points = [Point(Job("stream", 8, count), {f"{count}": seconds}, fixed=True) for count in (4000, 10)]
    case = Case("test", "Test", "A test.", points, points, together=True)
    work = Schedule([case], {"loses": FAULTY["loses"]}, Effort(3, seconds=1.0, patience=60.0, longest=3.0))
    work.run()
    assert [job.count for _, job in log] == [4000, 10, 10, 10]
    assert work.results.of("test", "loses", "4000") == pytest.approx([4.0])
    assert work.results.faults == {}


# -- what is sent, and what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 15, 16, 17, 128])
def test_the_last_message_is_as_long_as_the_others_and_another(size: int) -> None:
    assert len(body(size)) == len(last(size)) == size
    check_last(last(size), size)
    with pytest.raises(Wrong, match="not the one sent last"):
        check_last(body(size), size)


def test_shares_are_mixed_only_where_one_socket_hears_all() -> None:
    job = Job("stream", 8, 12, connections=3)
    assert (job.share, job.total) == (4, 12)
    assert job.parts(merged=False) == [(4, 1)]
    assert job.parts(merged=True) == [(12, 3)]
    assert Job("stream", 8, 2, connections=2).parts(merged=True) == [(1, 1), (1, 1)]


def test_a_fault_after_the_end_is_none() -> None:
    ends: list[str] = []
    tally = Tally(Job("stream", 8, 1), lambda: ends.append("end"))
    tally.done()
    tally.fail(EOFError())
    assert tally.outcome().ended > 0
    assert ends == ["end"]


def test_a_fault_before_the_end_is_what_comes_out() -> None:
    tally = Tally(Job("stream", 8, 2, connections=2), lambda: None)
    tally.done()
    tally.fail(Wrong("torn"))
    with pytest.raises(Wrong, match="torn"):
        tally.outcome()


# -- two processes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("loses", "not all messages arrived"),
        ("tears", "a message of 5 bytes was received"),
        ("doubles", "not the one sent last"),
        ("glues", "a message of 64 bytes was received"),
        ("changes the last", "not the one sent last"),
        ("is absent", "not installed: No module named 'absent'"),
    ],
)
def test_a_faulty_peer_is_caught(name: str, text: str) -> None:
    pair = Pair(FAULTY[name], patience=2.0 if name == "loses" else 20.0)
    try:
        with pytest.raises(Failed, match=text):
            pair.run(Job("stream", 32, 3 if name == "changes the last" else 10))
    finally:
        pair.close()


def test_processes_that_failed_are_replaced() -> None:
    pair = Pair(FAULTY["tears"], patience=20.0)
    try:
        with pytest.raises(Failed):
            pair.run(Job("stream", 32, 10))
        assert pair.run(Job("stream", 32, 2)).ended > 0  # the third message is the faulty one
    finally:
        pair.close()


@pytest.mark.parametrize(
    "peer", [peer for peer in peers_of(*PLUG_INS) if peer.style != "decoder"], ids=lambda peer: peer.name
)
def test_a_plug_in_carries_messages(peer: Peer) -> None:
    pair = Pair(peer, patience=20.0)
    try:
        one = pair.run(Job("stream", 128, 250))
        several = pair.run(Job("stream", 128, 30, connections=3))
        large = pair.run(Job("stream", 3 << 20, 2))
        echo = pair.run(Job("echo", 128, 6, connections=3))
        disturbed = pair.run(Job("stream", 128, 10, disturbed="sender"))
    finally:
        pair.close()
    assert all(outcome.ended > outcome.began > 0 for outcome in (one, several, large, echo, disturbed))
    assert len(echo.latencies) == 6


@pytest.mark.parametrize("peer", peers_of("mezha_decoding"), ids=lambda peer: peer.name)
def test_a_decoder_finds_all_messages(peer: Peer) -> None:
    pair = Pair(peer, patience=20.0)
    try:
        assert pair.run(Job("decode", 128, 2000)).ended > 0
    finally:
        pair.close()


# -- the report -------------------------------------------------------------------------------------------------------


@pytest.fixture
def report() -> tuple[Report, Results]:
    results = Results()
    results.runs["one-way"] = {
        "raw socket": {"16 B": [200.0, 210.0, 190.0], "4 MiB, MB/s": [4000.0]},
        "pyzmq PUSH/PULL": {"16 B": [1000.0, 1100.0, 900.0], "4 MiB, MB/s": []},
        "mezha blocking": {"16 B": [5000.0, 5500.0, 4500.0], "4 MiB, MB/s": [3900.0]},
    }
    results.runs["messages"] = {"mezha blocking": {"1,000": [2.0], "10,000": [1.0]}}
    results.faults["one-way", "pyzmq PUSH/PULL", "4 MiB, MB/s"] = "a process ended with status -6"
    peers = {peer.name: peer for peer in peers_of("raw_socket", "mezha_blocking")}
    return Report(results, CASES, peers, {"picows": "not installed: No module named 'picows'"}), results


def test_results_are_written_with_ratios_faults_and_settings(report: tuple[Report, Results]) -> None:
    text = report[0].markdown({"system": "Linux"}, {"pyzmq": "27"}, plot="results.svg", seconds=60.0)
    assert "| **mezha blocking** | 5,000 ±10% | 3,900 |" in text
    assert "| mezha blocking / the best peer | 5.00 (pyzmq PUSH/PULL) |  |" in text
    assert "| mezha blocking / raw socket | 25.00 | 0.97 |" in text
    assert "| pyzmq PUSH/PULL | 1,000 ±10% | failed |" in text
    assert "- one-way, pyzmq PUSH/PULL, 4 MiB, MB/s: a process ended with status -6" in text
    assert "- picows: not installed: No module named 'picows'" in text
    assert "**raw socket**: A plain TCP socket, the floor" in text
    assert "| blocking, 4 MiB | at least 0.9 × raw socket | 0.975 | yes |" in text


def test_the_terminal_gets_a_table_for_each_case_and_its_ratios(report: tuple[Report, Results]) -> None:
    titles = [str(table.title) for table in report[0].tables()]
    assert titles[0] == "One way, by size of the message"
    assert "What mezha sets out to reach" in titles


def test_the_figure_has_a_curve_for_each_peer_and_chart(report: tuple[Report, Results]) -> None:
    root = ET.fromstring(figure(report[1], frozenset({"mezha blocking"})))
    assert len(root.findall(".//{*}polyline")) == 4


def test_every_target_names_cells_that_are_measured() -> None:
    ours = {peer.name for peer in peers_of("mezha_blocking", "mezha_asyncio", "mezha_decoding", "raw_socket")}
    names = ours | {"pyzmq PUSH/PULL", "asyncio streams", "asyncio streams, uvloop", "picows, uvloop"}
    names.add("picows, uvloop, aiofastnet")
    for quick in (False, True):
        measured = {
            (case.name, name, column)
            for case in CASES
            for point in (case.quick if quick else case.points)
            for column in point.columns
            for name in names
        }
        results = Results()
        for case, name, column in measured:
            results.runs.setdefault(case, {}).setdefault(name, {})[column] = [1.0]
        assert [target.text for target in TARGETS if len(target.figure(results)) != 1] == []


def test_a_target_is_a_difference_within_a_round() -> None:
    target = next(target for target in TARGETS if target.unit == "KiB more")
    results = Results()
    for (case, peer, column), runs in zip(target.cells, ([21.0, 20.5], [20.0, 20.0]), strict=True):
        results.runs.setdefault(case, {})[peer] = {column: runs}
    assert list(target.figure(results)) == [1.0, 0.5]
    assert target.met(1.0)
    assert not target.met(1.1)


def test_a_target_is_a_ratio_to_the_better_setting_of_a_peer() -> None:
    target = next(target for target in TARGETS if target.unit == "× picows, uvloop")
    cells = {"mezha asyncio": [24.0, 26.0], "picows, uvloop": [1.0, 1.0], "picows, uvloop, aiofastnet": [2.0, 2.0]}
    results = Results({"one-way": {peer: {"128 B": runs} for peer, runs in cells.items()}})
    assert list(target.figure(results)) == [12.0, 13.0]


def test_a_cost_is_flat_if_no_scale_costs_more_than_a_smaller_one() -> None:
    target = next(target for target in TARGETS if target.text == "cost of a message as messages grow, mezha asyncio")
    results = Results({"messages": {"mezha asyncio": {"1,000": [9.0], "10,000": [2.0], "100,000": [3.0]}}})
    assert list(target.figure(results)) == [1.5]
    assert target.met(1.5)
    assert not target.met(1.6)


def test_a_target_whose_peer_is_missing_is_told_of() -> None:
    results = Results({"one-way": {"mezha asyncio": {"128 B": [5.0]}}})
    text = Report(results, CASES, {}, {}).markdown({}, {}, plot="", seconds=1.0)
    assert "| asyncio, 128 B, one by one | at least 12 × picows, uvloop | — | not measured |" in text
    assert "round trip" not in text.partition("sets out to reach")[2]


def test_sizes_are_named_as_people_write_them() -> None:
    assert [size_name(size) for size in (16, 1024, 256 << 10, 4 << 20)] == ["16 B", "1 KiB", "256 KiB", "4 MiB"]
