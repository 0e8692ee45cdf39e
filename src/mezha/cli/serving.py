"""What ``listen`` and ``echo`` have in common: a server that tells who comes and goes, until it is interrupted."""

import itertools
import threading
from argparse import Namespace
from collections.abc import Callable
from weakref import WeakKeyDictionary

from mezha.blocking import Peer, Server, listen
from mezha.cli.endings import counted, delivery, ended, why
from mezha.cli.options import (
    FRAMINGS_HELP,
    Parser,
    Place,
    add_connection_options,
    add_output_options,
    checked_framing,
    parse_place,
)
from mezha.cli.output import notice, watcher
from mezha.cli.tls import add_server_options, server_context
from mezha.errors import ClosedByPeer, ClosedByUs, MezhaError, RequestFailed
from mezha.limits import Limits
from mezha.session.frames import Code

__all__ = ["serve", "server_parser"]


def server_parser(verb: str, description: str, *, quiet: str = "") -> Parser:
    """Return the parser of a verb that serves."""
    parser = Parser(
        verb,
        usage=f"mezha {verb} [HOST:]PORT [--framing FRAMING] [options]\n"
        f"       mezha {verb} --unix PATH [--framing FRAMING] [options]",
        description=f"{description}\nWho comes and goes, and how, is told on the standard error. Ctrl-C ends it.",
        epilog=f"""\
examples:
  mezha {verb} 9000
  mezha {verb} 0.0.0.0:9000 --framing length:4 --json
  mezha {verb} 9000 --framing lines --cert cert.pem --key key.pem

{FRAMINGS_HELP}""",
    )
    parser.arguments.add_argument(
        "place", metavar="[HOST:]PORT", nargs="?", help="where; 127.0.0.1 if no host is given, any free port if 0"
    )
    add_connection_options(parser, where="listen on")
    add_output_options(parser, quiet=quiet)
    add_server_options(parser)
    return parser


def serve(
    parser: Parser,
    options: Namespace,
    take: Callable[[Peer, str, list[bytes]], None],
    answer: Callable[[str, bytes], bytes] | None = None,
) -> None:
    """Serve as the options say: ``take(peer, name, messages)`` gets each run of messages that arrives.

    ``answer(name, body)`` answers the requests, where there are any: in the mezha protocol.

    Raises:
        OSError: it cannot listen there.
        BrokenPipeError: ``take`` or ``answer`` raised it: nobody reads the output any more.

    """
    if (options.place is None) == (options.unix is None):
        parser.error("say where to listen: PORT, HOST:PORT, or --unix PATH")
    place = parser.checked(parse_place, options.place) if options.unix is None else Place(unix=options.unix)
    framing = checked_framing(parser, options)
    names = _Names(place)
    finished = threading.Event()
    failures: list[OSError] = []

    def stop(error: OSError) -> None:
        failures.append(error)
        finished.set()

    def respond(peer: Peer, body: bytes) -> bytes:
        assert answer is not None
        try:
            return answer(names[peer], body)
        except BrokenPipeError as error:
            stop(error)
            raise RequestFailed("the server stops", code=Code.GOING_AWAY) from error

    def handle(peer: Peer) -> None:
        name = names[peer]
        notice(f"{name} connected")
        count = 0
        try:
            while True:
                messages = peer.recv_many()
                count += len(messages)
                take(peer, name, messages)
        except ClosedByUs:
            raise
        except BrokenPipeError as error:
            stop(error)
        except MezhaError as error:
            _tell_the_end(peer, name, count, error)

    listener = listen(
        place.host,
        place.port,
        unix=place.unix,
        framing=framing,
        tls=server_context(parser, options),
        answer=respond if framing is None and answer is not None else None,
        limits=Limits(max_message=options.max_message),
        observer=watcher(framing),
    )
    for address in listener.addresses:
        notice(f"listening on {address}")
    with Server(listener, handle) as server:
        try:
            finished.wait()
        finally:
            server.stop(timeout=0)
    raise failures[0]


class _Names:
    """What each peer is called: by its address, or a number where it has none."""

    def __init__(self, place: Place) -> None:
        self._numbered = place.unix is not None
        self._numbers = itertools.count(1)
        self._names = WeakKeyDictionary[Peer, str]()
        self._lock = threading.Lock()

    def __getitem__(self, peer: Peer) -> str:
        if not self._numbered:
            return peer.remote_address
        with self._lock:  # its first request may be here before its handler is
            if peer not in self._names:
                self._names[peer] = f"client {next(self._numbers)}"
            return self._names[peer]


def _tell_the_end(peer: Peer, name: str, count: int, error: MezhaError) -> None:
    """Take leave of a peer whose messages have ended, and tell how that was; with a framing the log tells of faults."""
    after = f"after {counted(count)}"
    ending = peer.close()
    if ending is not None:
        echoed = f"; to it: {delivery(ending)}" if ending.sent or ending.never_sent else ""
        notice(f"{name} {ended(ending)}, {after}: {why(ending, error)}{echoed}")
    elif isinstance(error, ClosedByPeer):
        notice(f"{name} closed, {after}")
    else:
        raise error
