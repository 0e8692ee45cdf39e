"""What mezha sets out to reach, as ratios and figures of the results."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.schedule import Results
from benchmarks.stats import ratio

__all__ = ["TARGETS", "Target"]

_BLOCKING, _MANY = "mezha blocking", "mezha blocking, send_many"
_ASYNCIO, _UVLOOP = "mezha asyncio", "mezha asyncio, uvloop"
_RAW, _ZMQ, _STREAMS, _PICOWS = "raw socket", "pyzmq PUSH/PULL", "asyncio streams", "picows, uvloop"
_UVLOOP_STREAMS = "asyncio streams, uvloop"
_LARGE = ("256 KiB, MB/s", "4 MiB, MB/s")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, and how large it should be."""

    text: str
    unit: str
    bound: float
    figure: Callable[[Results], float | None]
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Return whether a value is as it should be."""
        return value >= self.bound if self.at_least else value <= self.bound


def _times(case: str, column: str, ours: str, other: str, other_column: str = "") -> Callable[[Results], float | None]:
    """Return the figure of a ratio, computed within each round."""
    return lambda results: ratio(results.of(case, ours, column), results.of(case, other, other_column or column))


def _value(case: str, column: str, ours: str) -> Callable[[Results], float | None]:
    return lambda results: results.median(case, ours, column)


def _one_way(text: str, column: str, bound: float, ours: str, other: str) -> Target:
    return Target(text, f"× {other}", bound, _times("one-way", column, ours, other))


TARGETS = (
    *(
        Target(f"decode {size}, compiled", "ns", 25, _value("decode", size, "mezha length:4:big"), at_least=False)
        for size in ("16 B", "128 B")
    ),
    *(
        Target(
            f"decode {size}, plain Python",
            "× compiled",
            8,
            _times("decode", size, "mezha length:4:big, pure", "mezha length:4:big"),
            at_least=False,
        )
        for size in ("16 B", "128 B")
    ),
    _one_way("blocking, 128 B, one-by-one", "128 B", 5, _BLOCKING, _ZMQ),
    _one_way("blocking, 128 B, send_many of 100, recv_many", "128 B", 10, _MANY, _ZMQ),
    *(_one_way(f"blocking, {column.split(',')[0]}", column, 0.9, _BLOCKING, _RAW) for column in _LARGE),
    Target(
        "blocking, round trip 128 B, one core",
        f"× {_RAW}",
        1.1,
        _times("round-trip", "p50", _BLOCKING, _RAW),
        at_least=False,
    ),
    _one_way("asyncio, 128 B, one by one", "128 B", 15, _ASYNCIO, _STREAMS),
    _one_way("asyncio, 128 B, one by one", "128 B", 12, _ASYNCIO, _PICOWS),
    _one_way("asyncio on uvloop, 128 B, one by one", "128 B", 15, _UVLOOP, _UVLOOP_STREAMS),
    _one_way("asyncio on uvloop, 128 B, one by one", "128 B", 12, _UVLOOP, _PICOWS),
    _one_way("asyncio, 4 MiB", _LARGE[1], 2, _ASYNCIO, _STREAMS),
    _one_way("asyncio, 4 MiB", _LARGE[1], 0.7, _ASYNCIO, _RAW),
    Target(
        "asyncio, round trip 128 B, one core",
        f"× {_STREAMS}",
        0.5,
        _times("round-trip", "p50", _ASYNCIO, _STREAMS),
        at_least=False,
    ),
    Target(
        "asyncio on uvloop, round trip 128 B, one core",
        f"× {_PICOWS}",
        1.2,
        _times("round-trip", "p50", _UVLOOP, _PICOWS),
        at_least=False,
    ),
    Target(
        "100 connections into one asyncio server, 128 B",
        f"× {_ZMQ}",
        1.5,
        _times("fan-in", "100 connections", _ASYNCIO, _ZMQ),
    ),
    Target("connections set up, blocking", f"× {_RAW}", 0.9, _times("set-up", "connections/s", _BLOCKING, _RAW)),
    Target("connections set up, asyncio", f"× {_STREAMS}", 1.0, _times("set-up", "connections/s", _ASYNCIO, _STREAMS)),
    Target("idle connection, asyncio", "KiB", 2.5, _value("memory", "KiB", _ASYNCIO), at_least=False),
    Target("idle connection, blocking threads", "KiB", 20, _value("memory", "KiB", _BLOCKING), at_least=False),
    *(
        Target(
            f"blocking, a computing thread beside the {side}",
            "× undisturbed",
            0.7,
            _times("disturbed", f"{side} disturbed", _BLOCKING, _BLOCKING, "undisturbed"),
        )
        for side in ("sender", "receiver")
    ),
    _one_way("plain Python, blocking in bursts, 128 B", "128 B", 1, "mezha blocking, send_many, pure", _ZMQ),
    _one_way("plain Python, asyncio, 128 B", "128 B", 8, "mezha asyncio, pure", _STREAMS),
)
