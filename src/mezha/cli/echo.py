"""``mezha echo``: send every message back."""

from collections.abc import Sequence

from mezha.blocking import Peer
from mezha.cli.output import Printer
from mezha.cli.serving import serve, server_parser

__all__ = ["run"]


def run(words: Sequence[str]) -> int:
    """Echo as the command line says."""
    parser = server_parser(
        "echo", "Accept connections, send every message back, and print it.", quiet="print no messages"
    )
    options = parser.parse(words)
    printer = Printer(options)

    def take(peer: Peer, name: str, messages: list[bytes]) -> None:
        peer.send_many(messages)
        if not options.quiet:
            printer.show(name, messages)

    serve(parser, options, take)
    return 0
