"""Serve the ``websockets`` library at a port: messages go back in fragments, with a ping between two if asked to."""

import sys
from collections.abc import Iterator

from websockets.sync.server import ServerConnection, serve


def fragments(connection: ServerConnection, message: str | bytes) -> Iterator[str | bytes]:
    for start in range(0, len(message) or 1, 100):
        if message[:4] in ("ping", b"ping") and start:
            connection.ping(b"between")
        yield message[start : start + 100]


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(fragments(connection, message))


serve(echo, "127.0.0.1", int(sys.argv[1])).serve_forever()
