"""Failure: two threads send at the same time, and one message lands inside the other."""

from socket import MSG_PEEK, socket
from threading import Event, Thread
from typing import Any

from by_hand import recv_message, send_message
from stage import connected_pair, say

from mezha import LengthPrefixed, SendTimeout
from mezha.blocking import wrap


class Halting(socket):
    """A socket with room for twenty bytes: a longer sendall waits until there is more."""

    def __init__(self, sock: socket) -> None:
        super().__init__(fileno=sock.detach())
        self.full = Event()
        self.more_room = Event()

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send what fits, wait, send the rest: sendall never did anything else."""
        super().sendall(data[:20], flags)
        if len(data) > 20:
            self.full.set()
            self.more_room.wait()
            super().sendall(data[20:], flags)


def by_hand() -> None:
    sender, receiver = connected_pair()
    with receiver, Halting(sender) as halting:
        other = Thread(target=send_message, args=(halting, b"A message that does not fit"))
        other.start()
        halting.full.wait()
        send_message(halting, b"Hello!")
        halting.more_room.set()
        other.join()
        say("by hand", recv_message(receiver))
        say("by hand", "and then", receiver.recv(10))


def with_mezha() -> None:
    sender, receiver = connected_pair(small_buffers=True)
    with wrap(sender, LengthPrefixed(4)) as ours:
        other = Thread(target=ours.send, args=(bytes(1_000_000),))
        other.start()
        receiver.recv(1, MSG_PEEK)  # it has begun, and cannot end: no buffer here has room for so much
        try:
            ours.send(b"Hello!", timeout=0.1)
        except SendTimeout as error:
            say("mezha", error)
        with wrap(receiver, LengthPrefixed(4)) as theirs:
            say("mezha", len(theirs.recv()), "bytes, one message")
            other.join()
            ours.send(b"Hello!")
            say("mezha", theirs.recv())


by_hand()
with_mezha()
