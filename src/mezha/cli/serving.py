"""What ``listen`` and ``echo`` have in common: a server that tells who comes and goes, until it is interrupted."""

import itertools
import threading
from argparse import Namespace
from collections.abc import Callable

from mezha.blocking import Peer, Server, listen
from mezha.cli.options import (
    FRAMINGS_HELP,
    Parser,
    Place,
    add_connection_options,
    add_output_options,
    parse_place,
    require_framing,
)
from mezha.cli.output import notice, watcher
from mezha.cli.tls import add_server_options, server_context
from mezha.errors import ClosedByPeer
from mezha.limits import Limits

__all__ = ["serve", "server_parser"]


def server_parser(verb: str, description: str, *, quiet: str = "") -> Parser:
    """Return the parser of a verb that serves."""
    parser = Parser(
        verb,
        usage=f"mezha {verb} [HOST:]PORT --framing FRAMING [options]\n"
        f"       mezha {verb} --unix PATH --framing FRAMING [options]",
        description=f"{description}\nWho comes and goes is told on the standard error. Ctrl-C ends it.",
        epilog=f"""\
examples:
  mezha {verb} 9000 --framing lines
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


def serve(parser: Parser, options: Namespace, take: Callable[[Peer, str, list[bytes]], None]) -> None:
    """Serve as the options say: ``take(peer, name, messages)`` gets each run of messages that arrives.

    Raises:
        OSError: it cannot listen there.
        BrokenPipeError: ``take`` raised it: nobody reads the output any more.

    """
    if (options.place is None) == (options.unix is None):
        parser.error("say where to listen: PORT, HOST:PORT, or --unix PATH")
    place = parser.checked(parse_place, options.place) if options.unix is None else Place(unix=options.unix)
    framing = require_framing(parser, options)
    listener = listen(
        place.host,
        place.port,
        unix=place.unix,
        framing=framing,
        tls=server_context(parser, options),
        limits=Limits(max_message=options.max_message),
        observer=watcher(framing),
    )
    finished = threading.Event()
    failures: list[OSError] = []
    numbers = itertools.count(1)

    def handle(peer: Peer) -> None:
        name = peer.remote_address if place.unix is None else f"client {next(numbers)}"
        notice(f"{name} connected")
        count = 0
        try:
            while True:
                messages = peer.recv_many()
                count += len(messages)
                take(peer, name, messages)
        except ClosedByPeer:
            notice(f"{name} closed, after {count} {'message' if count == 1 else 'messages'}")
        except BrokenPipeError as error:
            failures.append(error)
            finished.set()

    for address in listener.addresses:
        notice(f"listening on {address}")
    with Server(listener, handle) as server:
        try:
            finished.wait()
        finally:
            server.stop(timeout=0)
    raise failures[0]
