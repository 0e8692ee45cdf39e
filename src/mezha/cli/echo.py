"""``mezha echo``: send every message back, and answer every request with itself."""

from collections.abc import Sequence

from mezha.blocking import Peer
from mezha.cli.output import Printer
from mezha.cli.serving import serve, server_parser

__all__ = ["run"]


def run(words: Sequence[str]) -> int:
    """Echo as the command line says."""
    parser = server_parser(
        "echo",
        "Accept connections, send every message back, and print it.\n"
        "Requests of the mezha protocol are answered and printed in the same way.",
        quiet="print no messages",
    )
    options = parser.parse(words)
    printer = Printer(options)

    def take(peer: Peer, name: str, messages: list[bytes]) -> None:
        peer.send_many(messages)
        if not options.quiet:
            printer.show(name, messages)

    def answer(name: str, body: bytes) -> bytes:
        if not options.quiet:
            printer.show(name, [body], request=True)
        return body

    serve(parser, options, take, answer)
    return 0
