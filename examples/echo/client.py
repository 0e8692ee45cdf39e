"""Two messages to the echo server, what comes back, and a request."""

from mezha.blocking import connect

with connect("localhost", 1898) as peer:
    peer.send(b"Hello!")
    peer.send(b"World!")
    print(peer.recv(timeout=5), peer.recv(timeout=5))
    print(peer.request(b"how are you?", timeout=5))
