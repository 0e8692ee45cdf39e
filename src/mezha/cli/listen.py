"""``mezha listen``: print every message that arrives."""

from collections.abc import Sequence

from mezha.blocking import Peer
from mezha.cli.output import Printer
from mezha.cli.serving import serve, server_parser

__all__ = ["run"]


def run(words: Sequence[str]) -> int:
    """Listen as the command line says."""
    parser = server_parser("listen", "Accept connections, and print every message that arrives.")
    options = parser.parse(words)
    printer = Printer(options)

    def take(_: Peer, name: str, messages: list[bytes]) -> None:
        printer.show(name, messages)

    serve(parser, options, take)
    return 0
