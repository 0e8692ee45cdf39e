"""Failure: the stream ends inside a message, and nobody notices."""

from socket import socket

from by_hand import recv_message
from stage import connected_pair, say

from mezha import LengthPrefixed, TruncatedMessage
from mezha.blocking import wrap

STREAM = b"\0\0\0\6Hello!\0\0\0\6Wor"


class Patient(socket):
    """A socket that says a thousand times that the stream has ended, and then interrupts whoever does not listen."""

    ends = 0

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive, and count the ends."""
        data = super().recv(bufsize, flags)
        self.ends += data == b""
        if self.ends == 1000:
            raise InterruptedError
        return data


def by_hand() -> None:
    sender, receiver = connected_pair()
    with sender, Patient(fileno=receiver.detach()) as patient:
        sender.sendall(STREAM)
        sender.close()
        say("by hand", recv_message(patient))
        try:
            say("by hand", recv_message(patient))
        except InterruptedError:
            say("by hand", "recv has returned b''", patient.ends, "times, and the loop goes on")


def with_mezha() -> None:
    sender, receiver = connected_pair()
    with sender, wrap(receiver, LengthPrefixed(4)) as peer:
        sender.sendall(STREAM)
        sender.close()
        try:
            for message in peer:
                say("mezha", message)
        except TruncatedMessage as error:
            say("mezha", error)


by_hand()
with_mezha()
