"""What ``send`` and ``ping`` have in common: the server that they connect to."""

from argparse import Namespace
from ssl import SSLCertVerificationError, SSLContext

from mezha.blocking import Peer, connect
from mezha.cli.options import Failure, Parser, Place, parse_place
from mezha.cli.output import watcher
from mezha.framing import Framing
from mezha.limits import Limits, Timeouts

__all__ = ["add_place", "open_connection", "place_of"]


def add_place(parser: Parser) -> None:
    """Add the argument that says where to connect."""
    parser.arguments.add_argument(
        "place", metavar="[HOST:]PORT", nargs="?", help="where to connect; 127.0.0.1 if no host is given"
    )


def place_of(parser: Parser, options: Namespace) -> Place:
    """Return where to connect; a path goes before a place. Exit and explain, if the options do not say."""
    if options.unix is not None:
        return Place(unix=options.unix)
    if options.place is None:
        parser.error("say where to connect: PORT, HOST:PORT, or --unix PATH")
    place = parser.checked(parse_place, options.place)
    if place.host is None:
        parser.error(f"{options.place!r} says no host to connect to")
    return place


def open_connection(
    place: Place,
    options: Namespace,
    *,
    framing: Framing | None = None,
    tls: SSLContext | None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
) -> Peer:
    """Connect.

    Raises:
        Failure: there is no connection, or nobody to trust at the other end.

    """
    try:
        return connect(
            place.host,
            place.port,
            unix=place.unix,
            framing=framing,
            tls=tls,
            server_hostname=options.server_name,
            limits=limits,
            timeouts=timeouts,
            observer=watcher(framing),
        )
    except SSLCertVerificationError as error:
        raise Failure(
            f"cannot trust {place}: {error.verify_message.rstrip('.')} (--ca says whom to trust, --insecure anybody)"
        ) from error
    except OSError as error:
        raise Failure(f"cannot connect to {place}: {error.strerror or error}") from error
