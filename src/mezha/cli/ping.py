"""``mezha ping``: how long the mezha protocol takes to the other side and back."""

import itertools
import json
import math
import threading
import time
from argparse import ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from mezha.blocking import Peer
from mezha.cli.connecting import add_place, open_connection, place_of
from mezha.cli.options import Parser
from mezha.cli.output import as_time, notice
from mezha.cli.tls import add_client_options, client_context
from mezha.errors import MezhaError
from mezha.limits import Timeouts

__all__ = ["Times", "run"]

#: Seconds for the goodbye. Nothing is under way that could get lost.
_CLOSE = 1.0


def run(words: Sequence[str]) -> int:
    """Measure as the command line says; 0 only if anything was answered."""
    parser = Parser(
        "ping",
        usage="mezha ping [HOST:]PORT [options]\n       mezha ping --unix PATH [options]",
        description="Measure round trips to a server that speaks the mezha protocol. Its program has\n"
        "no part in them. Ctrl-C ends it. The exit code is 0 if anything was answered.",
        epilog="""\
examples:
  mezha ping 9000
  mezha ping example.org:9000 --tls --count 10 --interval 0.2
  mezha ping 9000 --count 1000 --interval 0 --quiet --json""",
    )
    add_place(parser)
    connection = parser.add_argument_group("connection")
    connection.add_argument("--unix", metavar="PATH", help="connect to a Unix socket, instead of a port")
    pings = parser.add_argument_group("pings")
    pings.add_argument("-c", "--count", metavar="N", type=_count, help="end after so many (default: never)")
    pings.add_argument(
        "-i", "--interval", metavar="SECONDS", type=_interval, default=1.0, help="from one to the next (default: 1)"
    )
    pings.add_argument(
        "--timeout", metavar="SECONDS", type=_timeout, default=5.0, help="then it counts as lost (default: 5)"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="an object for each, and one for the summary")
    output.add_argument("-q", "--quiet", action="store_true", help="print only the summary")
    add_client_options(parser)
    options = parser.parse(words)
    place = place_of(parser, options)
    tls = client_context(parser, options)

    report = _Report(str(place), options)
    with open_connection(place, options, tls=tls, timeouts=Timeouts(close=_CLOSE)) as peer:
        peer.ping()  # whoever speaks something else is found out here, within Timeouts.handshake
        notice(f"connected to {place}")
        try:
            _measure(peer, options, report)
        except KeyboardInterrupt:
            pass
        except MezhaError:
            report.summary()
            raise
        report.summary()
    return 0 if report.times.answered else 1


def _measure(peer: Peer, options: Namespace, report: "_Report") -> None:
    due = time.monotonic()
    for number in itertools.count(1) if options.count is None else range(1, options.count + 1):
        time.sleep(max(due - time.monotonic(), 0))
        due = time.monotonic() + options.interval
        try:
            report.answered(number, peer.ping(timeout=options.timeout))
        except TimeoutError:
            report.lost(number)
        except MezhaError:
            report.times.lost += 1
            raise


class Times:
    """Round trips in milliseconds. However many there are, they take little memory: four digits of each are kept."""

    def __init__(self) -> None:
        self.answered = 0
        self.lost = 0
        self._total = 0.0
        self._least = math.inf
        self._most = 0.0
        self._counts = Counter[float]()

    def add(self, time: float) -> None:
        """Count a round trip."""
        self.answered += 1
        self._total += time
        self._least = min(self._least, time)
        self._most = max(self._most, time)
        self._counts[float(f"{time:.4g}")] += 1

    def numbers(self) -> dict[str, float]:
        """Return what is told of them, by its name; nothing if there are none."""
        if not self.answered:
            return {}
        return {
            "min": self._least,
            "avg": self._total / self.answered,
            "median": self._percentile(50),
            "p90": self._percentile(90),
            "p99": self._percentile(99),
            "max": self._most,
        }

    def _percentile(self, percent: int) -> float:
        """Return the least of them that so many percent do not exceed."""
        rank = -(-self.answered * percent // 100)
        ordered = sorted(self._counts)
        counted = itertools.accumulate(self._counts[time] for time in ordered)
        rounded = next(time for time, count in zip(ordered, counted, strict=True) if count >= rank)
        return min(max(rounded, self._least), self._most)


class _Report:
    """Prints a line for each ping, and the summary."""

    def __init__(self, place: str, options: Namespace) -> None:
        self.times = Times()
        self._place = place
        self._timeout: float = options.timeout
        self._json: bool = options.json
        self._quiet: bool = options.quiet

    def answered(self, number: int, seconds: float) -> None:
        time = seconds * 1000
        self.times.add(time)
        self._print(number, time, f"answered ping {number} after {time:.3f} ms")

    def lost(self, number: int) -> None:
        self.times.lost += 1
        self._print(number, None, f"did not answer ping {number} within {self._timeout:g} s")

    def summary(self) -> None:
        times = self.times
        sent = times.answered + times.lost
        numbers = {name: round(time, 3) for name, time in times.numbers().items()}
        if self._json:
            self._record(sent=sent, lost=times.lost, ms=numbers or None)
            return
        share = f" ({100 * times.lost / sent:.3g}%)" if sent else ""
        print(f"{sent} sent, {times.lost} lost{share}", flush=True)
        if numbers:
            print(", ".join(f"{name} {time:.3f}" for name, time in numbers.items()), "ms", flush=True)

    def _print(self, number: int, time: float | None, text: str) -> None:
        if self._quiet:
            return
        if self._json:
            self._record(number=number, ms=None if time is None else round(time, 3))
        else:
            print(self._place, text, flush=True)

    def _record(self, **values: object) -> None:
        print(json.dumps({"peer": self._place, "time": as_time(datetime.now(UTC)), **values}), flush=True)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _timeout(text: str) -> float:
    if not (seconds := _interval(text)):
        raise ArgumentTypeError("nothing is answered within 0 s")
    return seconds
