"""Failure: recv(n) returns fewer bytes than n."""

from socket import socket

from stage import connected_pair, say

from mezha import LengthPrefixed
from mezha.blocking import wrap

STREAM = b"\0\0\0\6Hello!\0\0\0\6World!"


def recv_message(sock: socket) -> bytes:
    header = sock.recv(4)
    return sock.recv(int.from_bytes(header, "big"))


def by_hand() -> None:
    sender, receiver = connected_pair()
    with sender, receiver:
        sender.sendall(STREAM[:7])
        say("by hand", recv_message(receiver))
        sender.sendall(STREAM[7:])
        header = receiver.recv(4)
        say("by hand", "the next length is", header, "=", int.from_bytes(header, "big"))


def with_mezha() -> None:
    sender, receiver = connected_pair()
    with sender, wrap(receiver, LengthPrefixed(4)) as peer:
        sender.sendall(STREAM[:7])
        try:
            say("mezha", peer.recv(timeout=0.1))
        except TimeoutError as error:
            say("mezha", error)
        sender.sendall(STREAM[7:])
        say("mezha", peer.recv())
        say("mezha", peer.recv())


by_hand()
with_mezha()
