"""Failure: a time-out inside a message loses what was read, and with it the place in the stream."""

from by_hand import recv_exactly, recv_message
from stage import connected_pair, say

from mezha import LengthPrefixed
from mezha.blocking import wrap

STREAM = b"\0\0\0\6Hello!\0\0\0\6World!"


def by_hand() -> None:
    sender, receiver = connected_pair()
    with sender, receiver:
        receiver.settimeout(0.1)
        sender.sendall(STREAM[:7])
        try:
            say("by hand", recv_message(receiver))
        except TimeoutError:
            say("by hand", "nothing yet, trying again")
        sender.sendall(STREAM[7:])
        header = recv_exactly(receiver, 4)
        say("by hand", "the length is", header, "=", int.from_bytes(header, "big"))


def with_mezha() -> None:
    sender, receiver = connected_pair()
    with sender, wrap(receiver, LengthPrefixed(4)) as peer:
        sender.sendall(STREAM[:7])
        try:
            say("mezha", peer.recv(timeout=0.1))
        except TimeoutError:
            say("mezha", "nothing yet, trying again")
        sender.sendall(STREAM[7:])
        say("mezha", peer.recv())
        say("mezha", peer.recv())


by_hand()
with_mezha()
