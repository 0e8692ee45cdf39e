"""``mezha ping``: measure how long the other end takes to answer, as ``ping`` does."""

import math
import time
from argparse import ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Sequence

from mezha.blocking import Peer
from mezha.cli.connecting import open_peer
from mezha.cli.options import Parser, Place, parse_place
from mezha.cli.tls import add_client_options, client_context
from mezha.limits import Timeouts

__all__ = ["RoundTrips", "run"]

#: What percentages of the round trips are told, beside the shortest and the longest.
_PERCENTILES = (50, 90, 99)


def run(words: Sequence[str]) -> int:
    """Ping as the command line says."""
    parser = Parser(
        "ping",
        usage="mezha ping [HOST:]PORT [options]\n       mezha ping --unix PATH [options]",
        description="Ask the other end for a sign of life, and measure how long it takes.\n"
        "It has to speak the mezha protocol. Ctrl-C ends it, with a summary.",
        epilog="""\
examples:
  mezha ping 9000
  mezha ping example.org:9000 --tls --count 10
  mezha ping 9000 --interval 0 --count 10000 --quiet""",
    )
    parser.arguments.add_argument(
        "place", metavar="[HOST:]PORT", nargs="?", help="where to connect; 127.0.0.1 if no host is given"
    )
    parser.arguments.add_argument("--unix", metavar="PATH", help="connect to a Unix socket, instead of a port")
    group = parser.add_argument_group("pings")
    group.add_argument("--count", metavar="N", type=_count, help="how many; without it, until Ctrl-C")
    group.add_argument(
        "--interval", metavar="SECONDS", type=_seconds, default=1.0, help="from one to the next (default: 1)"
    )
    group.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=5.0, help="how long to wait for each answer (default: 5)"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="print the summary only")
    add_client_options(parser)
    options = parser.parse(words)
    if (options.place is None) == (options.unix is None):
        parser.error("say where to connect: PORT, HOST:PORT, or --unix PATH")
    place = parser.checked(parse_place, options.place) if options.unix is None else Place(unix=options.unix)
    if place.host is None and place.unix is None:
        parser.error(f"{options.place!r} says no host to connect to")
    # Who has not said hello before the first answer is due does not speak the protocol.
    timeouts = Timeouts(handshake=options.timeout * 0.9)
    with open_peer(place, None, client_context(parser, options), options, timeouts=timeouts) as peer:
        return _ping(peer, place, options)


class RoundTrips:
    """How long round trips took, in seconds; any number of them in little memory: percentiles are true to 1 %."""

    def __init__(self) -> None:
        self.sent = 0
        self.shortest, self.longest = math.inf, 0.0
        self._counts: Counter[int] = Counter()

    @property
    def answered(self) -> int:
        """How many there were."""
        return self._counts.total()

    def add(self, seconds: float) -> None:
        """Count one."""
        self.shortest, self.longest = min(self.shortest, seconds), max(self.longest, seconds)
        self._counts[round(math.log(max(seconds, _LEAST)) / _STEP)] += 1

    def percentile(self, percent: float) -> float:
        """Return what so many per cent of them did not exceed."""
        left = self.answered * percent / 100
        for step in sorted(self._counts):
            left -= self._counts[step]
            if left <= 0:
                break
        else:
            raise ValueError("there were no round trips")
        return min(max(math.exp(step * _STEP), self.shortest), self.longest)


#: The width of a class of round trips: its logarithm.
_STEP = math.log(1.01)
#: Seconds that no round trip is below.
_LEAST = 1e-9


def _ping(peer: Peer, place: Place, options: Namespace) -> int:
    trips = RoundTrips()
    begun = due = time.monotonic()
    try:
        while trips.sent != options.count:
            time.sleep(max(due - time.monotonic(), 0))
            due = max(due + options.interval, time.monotonic() - options.interval)
            trips.sent += 1
            try:
                seconds = peer.ping(timeout=options.timeout)
            except TimeoutError:
                print(f"ping {trips.sent}: no answer within {options.timeout:g} s", flush=True)
                continue
            trips.add(seconds)
            if not options.quiet:
                print(f"ping {trips.sent}: {_milliseconds(seconds)} ms", flush=True)
    except KeyboardInterrupt:
        print()
    finally:
        _summarize(trips, place, time.monotonic() - begun)
    return 0 if trips.answered else 1


def _summarize(trips: RoundTrips, place: Place, seconds: float) -> None:
    print(f"{place}: {trips.sent} pings, {trips.answered} answered, in {seconds:.1f} s")
    if trips.answered:
        names = ("min", *(f"p{percent}" for percent in _PERCENTILES), "max")
        values = (trips.shortest, *map(trips.percentile, _PERCENTILES), trips.longest)
        print(f"round trip {'/'.join(names)} = {'/'.join(map(_milliseconds, values))} ms")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3f}"


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r} is not a number of pings, 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return seconds
