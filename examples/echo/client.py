"""Two messages to the echo server, and what comes back."""

from mezha import Lines
from mezha.blocking import connect

with connect("localhost", 1898, framing=Lines()) as peer:
    peer.send(b"Hello!")
    peer.send(b"World!")
    print(peer.recv(timeout=5), peer.recv(timeout=5))
