"""Failure: a time-out inside sendall leaves a piece of a message on the wire, and the next one is read as its rest."""

from socket import socket
from threading import Thread

from by_hand import recv_message, send_message
from stage import connected_pair, say

from mezha import LengthPrefixed, SendTimeout
from mezha.blocking import wrap

FIRST = b"1" * 1_000_000
SECOND = b"2" * 1_000_000


def describe(message: bytes) -> str:
    return f"{len(message)} bytes, from {message[:1]!r} to {message[-1:]!r}"


def send_second(sender: socket) -> None:
    send_message(sender, SECOND)
    sender.close()


def by_hand() -> None:
    sender, receiver = connected_pair(small_buffers=True)
    with sender, receiver:
        sender.settimeout(0.1)
        try:
            send_message(sender, FIRST)
        except TimeoutError:
            say("by hand", "the first message is late; on to the second")
        sender.settimeout(None)
        second = Thread(target=send_second, args=(sender,))
        second.start()
        say("by hand", describe(recv_message(receiver)))
        while receiver.recv(4096):
            pass  # read the rest, so that the sender can end
        second.join()


def with_mezha() -> None:
    sender, receiver = connected_pair(small_buffers=True)
    with wrap(sender, LengthPrefixed(4)) as ours, wrap(receiver, LengthPrefixed(4)) as theirs:
        try:
            ours.send(FIRST, timeout=0.1)
        except SendTimeout as error:
            say("mezha", "the first message is late, but under way: sent =", error.sent)
        second = Thread(target=ours.send, args=(SECOND,))
        second.start()
        say("mezha", describe(theirs.recv()))
        say("mezha", describe(theirs.recv()))
        second.join()


by_hand()
with_mezha()
