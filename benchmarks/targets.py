"""What mezha sets out to reach, as ratios and figures of the results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.cases import CASES
from benchmarks.schedule import Results
from benchmarks.stats import Runs, ratios

__all__ = ["TARGETS", "Cell", "Target"]

_BLOCKING, _MANY = "mezha blocking", "mezha blocking, send_many"
_ASYNCIO, _UVLOOP = "mezha asyncio", "mezha asyncio, uvloop"
#: Those that speak the mezha protocol, and what carries the bare framing in the same way.
_SESSIONS = {
    "blocking": ("mezha blocking, session", _BLOCKING),
    "blocking, send_many": ("mezha blocking, session, send_many", _MANY),
    "asyncio": ("mezha asyncio, session", _ASYNCIO),
    "asyncio on uvloop": ("mezha asyncio, session, uvloop", _UVLOOP),
}
_RAW, _ZMQ, _STREAMS, _UVLOOP_STREAMS = "raw socket", "pyzmq PUSH/PULL", "asyncio streams", "asyncio streams, uvloop"
#: Its two settings: the better one counts.
_PICOWS = ("picows, uvloop", "picows, uvloop, aiofastnet")
_MANY_PURE, _ASYNCIO_PURE = "mezha blocking, send_many, pure", "mezha asyncio, pure"
_DECODER = "mezha length:4:big"
#: A cost is flat if it is nowhere more than this much larger than at a smaller scale.
_FLAT = 1.5

#: A figure among the results: case, peer, column.
Cell = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, and how large it should be."""

    text: str
    unit: str
    bound: float
    #: A value for each round, none if it has not been measured.
    figure: Callable[[Results], Runs]
    #: What it is made of.
    cells: Sequence[Cell]
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Return whether a value is as it should be."""
        return value >= self.bound if self.at_least else value <= self.bound


def _value(text: str, bound: float, unit: str, cell: Cell) -> Target:
    """Make a target of a figure that should be small."""
    return Target(text, unit, bound, lambda results: results.of(*cell), [cell], at_least=False)


def _times(
    text: str, bound: float, ours: Cell, *others: str, than: str = "", unit: str = "", at_least: bool = True
) -> Target:
    """Make a target of a ratio within each round.

    ``others`` are peers of the same case, of which the best one counts; ``than`` is their column if it is another.
    """
    case, _, column = ours
    against = [(case, other, than or column) for other in others]

    def figure(results: Results) -> Runs:
        medians = {cell: value for cell in against if (value := results.median(*cell)) is not None}
        best = (max if at_least else min)(medians, key=lambda cell: medians[cell], default=None)
        return ratios(results.of(*ours), results.of(*best)) if best else ()

    return Target(text, unit or f"× {others[0]}", bound, figure, [ours, *against], at_least)


def _more(text: str, bound: float, unit: str, ours: Cell, other: str) -> Target:
    """Make a target of how much more this is than another peer's in the same round."""
    case, _, column = ours
    than = (case, other, column)

    def figure(results: Results) -> Runs:
        return [run - base for run, base in zip(results.of(*ours), results.of(*than), strict=False)]

    return Target(text, f"{unit} more", bound, figure, [ours, than], at_least=False)


def _flat(case: str, peer: str) -> Target:
    """Make a target of how much more a message costs at any scale than at a smaller one."""
    points = [point for one in CASES if one.name == case for point in (*one.points, *one.quick)]
    cells = [(case, peer, column) for column in dict.fromkeys(column for point in points for column in point.columns)]

    def figure(results: Results) -> Runs:
        costs = [value for column in results.columns(case) if (value := results.median(case, peer, column)) is not None]
        return [max(later / earlier for earlier, later in combinations(costs, 2))] if len(costs) > 1 else ()

    return Target(
        f"cost of a message as {case} grow, {peer}", "× a smaller scale", _FLAT, figure, cells, at_least=False
    )


def _one_way(column: str, peer: str) -> Cell:
    return ("one-way", peer, column)


def _round_trip(peer: str) -> Cell:
    return ("round-trip", peer, "p50")


TARGETS = (
    *(_value(f"decode {size}, compiled", 25, "ns", ("decode", _DECODER, size)) for size in ("16 B", "128 B")),
    *(
        _value(f"decode {size}, plain Python", 8 * 25, "ns", ("decode", f"{_DECODER}, pure", size))
        for size in ("16 B", "128 B")
    ),
    _times("blocking, 128 B, one by one", 5, _one_way("128 B", _BLOCKING), _ZMQ),
    _times("blocking, 128 B, send_many of 100, recv_many", 10, _one_way("128 B", _MANY), _ZMQ),
    *(_times(f"blocking, {size}", 0.9, _one_way(f"{size}, MB/s", _BLOCKING), _RAW) for size in ("256 KiB", "4 MiB")),
    _times("blocking, round trip 128 B, one core", 1.1, _round_trip(_BLOCKING), _RAW, at_least=False),
    _times("asyncio, 128 B, one by one", 15, _one_way("128 B", _ASYNCIO), _STREAMS),
    _times("asyncio, 128 B, one by one", 12, _one_way("128 B", _ASYNCIO), *_PICOWS),
    _times("asyncio on uvloop, 128 B, one by one", 15, _one_way("128 B", _UVLOOP), _UVLOOP_STREAMS),
    _times("asyncio on uvloop, 128 B, one by one", 12, _one_way("128 B", _UVLOOP), *_PICOWS),
    _times("asyncio, 4 MiB", 2, _one_way("4 MiB, MB/s", _ASYNCIO), _STREAMS),
    _times("asyncio, 4 MiB", 0.7, _one_way("4 MiB, MB/s", _ASYNCIO), _RAW),
    _times("asyncio, round trip 128 B, one core", 0.5, _round_trip(_ASYNCIO), _STREAMS, at_least=False),
    _times("asyncio on uvloop, round trip 128 B, one core", 1.2, _round_trip(_UVLOOP), *_PICOWS, at_least=False),
    _times("100 connections into one asyncio server, 128 B", 1.5, ("fan-in", _ASYNCIO, "100 connections"), _ZMQ),
    _times("connections set up, blocking", 0.9, ("set-up", _BLOCKING, "connections/s"), _RAW),
    _times("connections set up, asyncio", 1.0, ("set-up", _ASYNCIO, "connections/s"), _STREAMS),
    _value("idle connection, asyncio", 2.5, "KiB", ("memory", _ASYNCIO, "KiB")),
    _value("idle connection, blocking threads", 20, "KiB", ("memory", _BLOCKING, "KiB")),
    *(
        _times(
            f"blocking, a computing thread beside the {side}",
            0.7,
            ("disturbed", _BLOCKING, f"{side} disturbed"),
            _BLOCKING,
            than="undisturbed",
            unit="× undisturbed",
        )
        for side in ("sender", "receiver")
    ),
    _times("plain Python, blocking in bursts, 128 B", 1.0, _one_way("128 B", _MANY_PURE), _ZMQ),
    _times("plain Python, asyncio, 128 B", 8, _one_way("128 B", _ASYNCIO_PURE), _STREAMS),
    *(
        _times(f"session, {how}, 128 B", 0.8, _one_way("128 B", session), bare, unit="× the bare framing")
        for how, (session, bare) in _SESSIONS.items()
    ),
    *(
        _more(f"session, idle connection, {how}", 1, "KiB", ("memory", session, "KiB"), bare)
        for how, (session, bare) in _SESSIONS.items()
        if how in ("blocking", "asyncio")
    ),
    *(_flat(case, peer) for case in ("messages", "connections") for peer in (_BLOCKING, _MANY, _ASYNCIO, _UVLOOP)),
)
