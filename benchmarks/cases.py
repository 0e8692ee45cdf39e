"""What is measured: the cases, their points, and how a figure is made of what the processes report."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.job import Job, Outcome
from benchmarks.peer import Peer

__all__ = ["CASES", "Case", "Point", "size_name"]

Figure = Callable[[Job, Outcome], float]

KIB, MIB = 1 << 10, 1 << 20
#: From here on a throughput is told in bytes.
_LARGE = 64 * KIB


@dataclass(frozen=True, slots=True)
class Point:
    """A job, and the columns that its runs fill."""

    job: Job
    columns: Mapping[str, Figure]
    #: The number of messages belongs to the question; otherwise it is chosen so that a run takes long enough.
    fixed: bool = False
    #: Needs processes that have done nothing before.
    fresh: bool = False
    #: Rounds in which it is run; all if not given.
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A table of results."""

    name: str
    title: str
    #: What is done and what is measured, for the reader.
    text: str
    points: Sequence[Point]
    #: What quick mode makes do with.
    quick: Sequence[Point]
    more_is_better: bool = True
    #: The points are compared with one another, so all of them have their turn in each round.
    together: bool = False
    styles: frozenset[str] = frozenset({"blocking", "asyncio", "callbacks"})
    #: The peers it is limited to; empty for all.
    peers: frozenset[str] = field(default=frozenset())

    def admits(self, peer: Peer) -> bool:
        """Return whether a peer takes part."""
        return (
            peer.style in self.styles
            and (not self.peers or peer.name in self.peers)
            and (not peer.only or self.name in peer.only)
        )


def size_name(size: int) -> str:
    """Return a number of bytes as people write it."""
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} B"


def _rate(job: Job, outcome: Outcome) -> float:
    return job.total / (outcome.ended - outcome.began) / 1000


def _megabytes(job: Job, outcome: Outcome) -> float:
    return job.total * job.size / (outcome.ended - outcome.began) / 1e6


def _each(unit: float) -> Figure:
    """Return the figure of the time of a message, in so many parts of a second."""
    return lambda job, outcome: (outcome.ended - outcome.began) / job.total * unit


def _percentile(percent: int) -> Figure:
    return lambda job, outcome: statistics.quantiles(outcome.latencies, n=100)[percent - 1] * 1e6


def _kibibytes(job: Job, outcome: Outcome) -> float:
    return outcome.weight / 1024


def _one_way(*sizes: int) -> list[Point]:
    return [
        Point(
            Job("stream", size, 1000),
            {size_name(size) + (", MB/s" if size >= _LARGE else ""): _megabytes if size >= _LARGE else _rate},
        )
        for size in sizes
    ]


_ROUND_TRIP = Point(Job("echo", 128, 500, one_core=True), {"p50": _percentile(50), "p99": _percentile(99)})
_FAN_IN = Point(Job("stream", 128, 1000, connections=100), {"100 connections": _rate})


def _set_up(count: int) -> Point:
    job = Job("echo", 128, count, connections=count)
    return Point(job, {"connections/s": lambda job, outcome: _rate(job, outcome) * 1000}, fixed=True)


_MEMORY = Point(
    Job("stream", 128, 1000, connections=1000, weigh=True), {"KiB": _kibibytes}, fixed=True, fresh=True, rounds=2
)

_DISTURBED = (
    Point(Job("stream", 128, 1000), {"undisturbed": _rate}),
    Point(Job("stream", 128, 1000, disturbed="sender"), {"sender disturbed": _rate}),
    Point(Job("stream", 128, 1000, disturbed="receiver"), {"receiver disturbed": _rate}),
)


def _decoding(*sizes: int) -> list[Point]:
    return [Point(Job("decode", size, 10_000), {size_name(size): _each(1e9)}) for size in sizes]


def _messages(*counts: int) -> list[Point]:
    """Return a point for each; the larger ones take long, and vary less."""
    return [
        Point(
            Job("stream", 128, count),
            {f"{count:,}": _each(1e6)},
            fixed=True,
            rounds=1 if count > 10**6 else 2 if count > 10**5 else None,
        )
        for count in counts
    ]


def _connections(count: int, *connections: int) -> list[Point]:
    """Return a point for each number of connections, which have so many messages, or 100 each if that is more."""
    return [
        Point(
            Job("stream", 128, max(count, 100 * number), connections=number),
            {f"{number:,}": _each(1e6)},
            fixed=True,
            rounds=3 if number <= 100 else 2,
        )
        for number in connections
    ]


_GROWING = frozenset(
    {
        "raw socket",
        "pyzmq PUSH/PULL",
        "asyncio streams",
        "mezha blocking",
        "mezha blocking, send_many",
        "mezha asyncio",
        "mezha asyncio, uvloop",
    }
)

CASES = (
    Case(
        "one-way",
        "One way, by size of the message",
        "Thousand messages a second; from 64 KiB on, megabytes a second. One connection, two processes. The clock runs "
        "from the first call that sends until the receiver has checked the last message.",
        _one_way(16, 128, KIB, 16 * KIB, 256 * KIB, 4 * MIB),
        _one_way(128, 256 * KIB, 4 * MIB),
    ),
    Case(
        "round-trip",
        "Round trip of 128 B, both ends on one core",
        "Microseconds from sending a message until its echo is here. Both processes are pinned to the same core: on "
        "two, one measures mostly how long a sleeping core takes to wake up.",
        (_ROUND_TRIP,),
        (_ROUND_TRIP,),
        more_is_better=False,
    ),
    Case(
        "decode",
        "Decoding alone",
        "Nanoseconds a message, in one process, without a socket: bytes in pieces of 64 KiB, messages out.",
        _decoding(16, 128, KIB),
        _decoding(16, 128),
        more_is_better=False,
        styles=frozenset({"decoder"}),
    ),
    Case(
        "fan-in",
        "100 connections into one server",
        "Thousand messages of 128 B a second, all connections together, from one client process: a task for each "
        "connection in asyncio, otherwise one thread that sends on each in turn.",
        (_FAN_IN,),
        (_FAN_IN,),
    ),
    Case(
        "set-up",
        "Connections set up",
        "Connections a second, one after another: connect, send 128 B, receive the echo, close.",
        (_set_up(500),),
        (_set_up(200),),
    ),
    Case(
        "memory",
        "Memory of an idle connection on the server",
        "KiB of resident memory for each connection that has received one message and waits for the next: of 1000 in "
        "fresh processes, the last 750; what the kernel holds is not included.",
        (_MEMORY,),
        (_MEMORY,),
        more_is_better=False,
    ),
    Case(
        "disturbed",
        "With a thread that computes in the same process",
        "Thousand messages of 128 B a second, while another Python thread computes all the time in the process that "
        "sends, or in the one that receives.",
        _DISTURBED,
        _DISTURBED,
        together=True,
        styles=frozenset({"blocking"}),
    ),
    Case(
        "messages",
        "Cost as messages grow",
        "Microseconds for each message of 128 B, by how many are sent. The first few pay for waking the receiver up.",
        _messages(10**3, 10**4, 10**5, 10**6, 10**7),
        _messages(10**3, 10**4, 10**5, 10**6),
        more_is_better=False,
        together=True,
        peers=_GROWING,
    ),
    Case(
        "connections",
        "Cost as connections grow",
        "Microseconds for each message of 128 B, by how many connections carry them.",
        _connections(100_000, 1, 10, 100, 1000, 5000),
        _connections(50_000, 1, 10, 100, 1000),
        more_is_better=False,
        together=True,
        peers=_GROWING,
    ),
)
