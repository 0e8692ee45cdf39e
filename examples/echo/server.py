"""An echo server that also answers requests: a thread for each connection. Ctrl-C ends it."""

from mezha.blocking import Peer, serve


def echo(peer: Peer) -> None:
    for message in peer:  # ends when the peer says goodbye, raises if the connection breaks
        peer.send(message)


def shout(peer: Peer, question: bytes) -> bytes:
    return question.upper()


serve(echo, "localhost", 1898, answer=shout)
