"""``mezha chaos``: a proxy that makes the rare cut happen every time."""

import argparse
import re
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from mezha.cli.options import FRAMINGS_HELP, Failure, Parser, Place, parse_place, parse_size
from mezha.cli.output import notice
from mezha.framing import parse_framing
from mezha.testing.chaos import (
    Chaos,
    Coalesce,
    Corrupt,
    CutAt,
    CutEvery,
    CutMessage,
    CutRandomly,
    Delay,
    Fault,
    HalfClose,
    Plan,
    Reset,
    Stall,
    Throttle,
    read_plans,
    shrink,
    write_plans,
)

__all__ = ["run"]

T = TypeVar("T")

_STRUCK = {Stall: "stall", HalfClose: "half-close", Reset: "reset"}
_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}


def run(words: Sequence[str]) -> int:
    """Stand between clients and a server until interrupted or terminated, as the command line says."""
    parser = _parser()
    options = parser.parse(words)
    listen = parser.checked(_parse_end, options.place)
    target = parser.checked(_parse_end, options.target)
    if target.host is None and target.unix is None:
        parser.error(f"{options.target!r} says no host to connect to")
    if options.replay and options.faults:
        parser.error("--replay does what was recorded: it goes with no other fault")
    if options.shrink and not options.replay:
        parser.error("--shrink makes a record smaller: say which with --replay")
    plans = _read(options.replay) if options.replay else None

    def proxy(plans: list[Plan] | None) -> Chaos:
        return Chaos(
            target.host,
            target.port,
            unix=target.unix,
            up=[fault for way, fault in options.faults if way != "down"],
            down=[fault for way, fault in options.faults if way != "up"],
            framing=options.framing,
            seed=options.seed,
            plans=plans,
            listen=listen.unix or (listen.host, listen.port or 0),
        )

    try:
        chaos = proxy(plans)
    except ValueError as error:
        parser.error(str(error))
    if options.shrink and plans is not None:
        return _shrink(options.shrink, plans, proxy, options.record)
    if options.record:
        _record(chaos.plans, options.record)  # that it cannot be written shall be known now, not at the end
    with _termination() as terminated, chaos:
        for address in chaos.addresses:
            notice(f"listening on {address}")
        notice(f"passing on to {target}, {f'as recorded in {options.replay}' if plans else f'seed {options.seed}'}")
        try:
            terminated.wait()
        finally:
            if options.record:
                _record(chaos.plans, options.record)
            notice(_summary(chaos, target))
    return 128 + signal.SIGTERM


@contextmanager
def _termination() -> Generator[threading.Event]:
    """Be told of a termination: a shell script has no other way to end what it started in the background."""
    terminated = threading.Event()

    def terminate(*_: object) -> None:
        terminated.set()

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield terminated
    finally:
        signal.signal(signal.SIGTERM, before)


def _read(path: str) -> list[Plan]:
    try:
        return read_plans(path)
    except ValueError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from error


def _shrink(command: str, plans: list[Plan], proxy: Callable[[list[Plan]], Chaos], path: str | None) -> int:
    """Leave out of a record what a failing command does not need, and say what is left."""

    def fails(plans: list[Plan]) -> bool:
        with proxy(plans):
            done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode != 0

    try:
        smallest = shrink(plans, fails)
    except ValueError as error:
        raise Failure(str(error)) from error
    print(f"Chaos(..., plans={smallest})")
    if path:
        _record(smallest, path)
    return 0


def _record(plans: Sequence[Plan], path: str) -> None:
    try:
        write_plans(plans, path)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from error


def _summary(chaos: Chaos, target: Place) -> str:
    """Say what was done."""
    plans = chaos.plans
    counts = Counter({"connection": len(plans), "cut": 0})
    for fault in (fault for plan in plans for _, faults in plan.sides() for fault in faults):
        match fault:
            case CutAt(places):
                counts["cut"] += len(places)
            case Corrupt():
                counts["changed byte"] += 1
            case Stall() | HalfClose() | Reset():
                counts[_STRUCK[type(fault)]] += 1
            case _:  # what takes time is not counted
                pass
    told = [f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items()]
    refused = [f"{len(chaos.refused)} refused by {target}"] if chaos.refused else []
    return ", ".join(told + refused)


def _parser() -> Parser:
    parser = Parser(
        "chaos",
        usage="mezha chaos [HOST:]PORT HOST:PORT [options]",
        description="Pass connections on to a server, and do to them every time what networks\n"
        "do once in a while. Ctrl-C ends it. The same seed does the same; what was\n"
        "recorded can be done again exactly.",
        epilog=f"""\
what has a / in it is the path of a Unix socket.
sizes are as 100 or 64k, times as 20ms or 1.5s; places are bytes of a direction,
from 0; messages count from 1.

examples:
  mezha chaos 7000 localhost:7001 --cut 1
  mezha chaos 7000 localhost:7001 --cut-randomly 20 --seed 7 --record run.jsonl
  mezha chaos 7000 localhost:7001 --framing length:4 --cut-message 3:header
  mezha chaos 7000 localhost:7001 --way up --cut 5 --way down --delay 20ms
  mezha chaos 7000 localhost:7001 --replay run.jsonl --shrink './my-test 7000'
  mezha chaos ./chaos.sock /run/server.sock --cut-at 3,17

{FRAMINGS_HELP}""",
    )
    arguments = parser.arguments
    arguments.add_argument("place", metavar="[HOST:]PORT", help="where clients connect; any free port if 0")
    arguments.add_argument("target", metavar="HOST:PORT", help="the server")
    arguments.add_argument(
        "--way",
        choices=("up", "down", "both"),
        default="both",
        help="which way the faults behind this happen: from clients, to them, or both (default)",
    )
    arguments.add_argument("--framing", metavar="FRAMING", type=_typed(parse_framing), help="for faults by message")
    arguments.add_argument("--seed", type=int, default=0, help="decides what is random (default: 0)")
    arguments.add_argument("--record", metavar="FILE", help="write what was done, a connection a line")
    arguments.add_argument("--replay", metavar="FILE", help="do again what was recorded")
    arguments.add_argument(
        "--shrink", metavar="COMMAND", help="run it again and again; leave out of --replay what its failure needs not"
    )
    parser.set_defaults(faults=())
    group = parser.add_argument_group("faults")

    def fault(option: str, metavar: str, make: Callable[[str], Fault], text: str) -> None:
        group.add_argument(option, metavar=metavar, type=_typed(make), action=_OneWay, dest="faults", help=text)

    fault("--cut", "SIZE", lambda text: CutEvery(parse_size(text)), "cut every so many bytes; 1 is byte by byte")
    fault("--cut-at", "PLACES", lambda text: CutAt(*map(parse_size, text.split(","))), "cut at these, as 3,17")
    fault("--cut-randomly", "MEAN", lambda text: CutRandomly(parse_size(text)), "cut into pieces of so many on average")
    fault("--cut-message", "N[:PART]", _cut_message, "cut message N (0: all) in its header, body, trailer, or there")
    fault("--coalesce", "TIME", lambda text: Coalesce(_seconds(text)), "glue together what comes within this time")
    fault("--delay", "TIME", lambda text: Delay(_seconds(text)), "let everything arrive later")
    fault("--throttle", "RATE", lambda text: Throttle(parse_size(text)), "let so many bytes a second through")
    fault("--stall-after", "SIZE[:TIME]", _stall, "stand still there, for ever or so long")
    fault("--stall-after-message", "N[:TIME]", _stall_behind, "stand still behind message N")
    group.add_argument(
        "--never-answer", action=_OneWay, nargs=0, const=Stall(0), dest="faults", help="accept, and let nothing through"
    )
    fault("--half-close-after", "SIZE", lambda text: HalfClose(parse_size(text)), "end the direction there")
    fault("--half-close-after-message", "N", lambda text: HalfClose(_number(text), messages=True), "end it behind N")
    fault("--reset-after", "SIZE", lambda text: Reset(parse_size(text)), "reset the connection there")
    fault("--reset-after-message", "N", lambda text: Reset(_number(text), messages=True), "reset it behind message N")
    fault("--corrupt", "PLACE[:MASK]", _corrupt, "change the byte at this place; 3:0x01 flips its lowest bit")
    return parser


class _OneWay(argparse.Action):
    """Add a fault, for the way that was named last before it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Fault | str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        fault = values if isinstance(values, Fault) else self.const
        namespace.faults = (*namespace.faults, (namespace.way, fault))


def _typed(make: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse show what is wrong with a value."""

    def convert(text: str) -> T:
        try:
            return make(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _parse_end(text: str) -> Place:
    return Place(unix=text) if "/" in text else parse_place(text)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]*)", text.strip().lower(), re.ASCII)
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a time, as 20ms or 1.5s")
    return float(match[1]) * _UNITS[match[2]]


def _cut_message(text: str) -> CutMessage:
    number, _, where = text.partition(":")
    return CutMessage(_number(number), int(where) if where.isdecimal() else where or "header")


def _stall(text: str) -> Stall:
    after, _, seconds = text.partition(":")
    return Stall(parse_size(after), seconds=_seconds(seconds) if seconds else None)


def _stall_behind(text: str) -> Stall:
    number, _, seconds = text.partition(":")
    return Stall(_number(number), messages=True, seconds=_seconds(seconds) if seconds else None)


def _corrupt(text: str) -> Corrupt:
    place, _, mask = text.partition(":")
    return Corrupt(parse_size(place), int(mask, 0)) if mask else Corrupt(parse_size(place))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} is not the number of a message")
    return int(text)
