"""Failure: whoever sends decides how much memory the receiver needs."""

from threading import Thread

from by_hand import recv_message, send_message
from stage import connected_pair, say

from mezha import LengthPrefixed, LocalProtocolError, MessageTooLarge
from mezha.blocking import wrap

HUGE = bytes(10_000_000)


def by_hand() -> None:
    sender, receiver = connected_pair()
    with sender, receiver:
        stranger = Thread(target=send_message, args=(sender, HUGE))
        stranger.start()
        say("by hand", len(recv_message(receiver)), "bytes taken, no questions asked")
        stranger.join()


def with_mezha() -> None:
    sender, receiver = connected_pair()
    with wrap(sender, LengthPrefixed(4)) as ours, wrap(receiver, LengthPrefixed(4)) as theirs:
        try:
            ours.send(HUGE)
        except LocalProtocolError as error:
            say("mezha", error)
        ours.send(b"Hello!")
        say("mezha", theirs.recv())


def with_mezha_and_a_stranger() -> None:
    sender, receiver = connected_pair()
    with sender, wrap(receiver, LengthPrefixed(4)) as peer:
        sender.sendall(len(HUGE).to_bytes(4, "big"))
        try:
            peer.recv()
        except MessageTooLarge as error:
            say("mezha", error)


by_hand()
with_mezha()
with_mezha_and_a_stranger()
