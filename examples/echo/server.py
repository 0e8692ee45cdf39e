"""An echo server: a thread for each connection. Ctrl-C ends it."""

from mezha import Lines
from mezha.blocking import Peer, serve


def echo(peer: Peer) -> None:
    for message in peer:  # ends when the peer does, raises if the connection breaks
        peer.send(message)


serve(echo, "localhost", 1898, framing=Lines())
