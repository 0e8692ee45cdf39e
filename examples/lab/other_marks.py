"""The two other ways to mark a boundary, by hand: a fixed size and a delimiter."""

from socket import socket

from by_hand import recv_exactly
from stage import connected_pair

SIZE = 8


def send_fixed(sock: socket, message: bytes) -> None:
    sock.sendall(message.ljust(SIZE, b"\0"))


def recv_fixed(sock: socket) -> bytes:
    return recv_exactly(sock, SIZE).rstrip(b"\0")


def send_line(sock: socket, message: bytes) -> None:
    sock.sendall(message + b"\n")


class LineReader:
    """Reads lines; what came after the end of one is kept for the next."""

    def __init__(self, sock: socket) -> None:
        self.sock = sock
        self.rest = b""

    def recv_line(self) -> bytes:
        """Read one line."""
        while b"\n" not in self.rest:
            self.rest += self.sock.recv(4096)
        line, _, self.rest = self.rest.partition(b"\n")
        return line


sender, receiver = connected_pair()
with sender, receiver:
    send_fixed(sender, b"Hello!")
    send_fixed(sender, b"\1\0")  # a number of two bytes, the lowest first
    print("fixed size:", recv_fixed(receiver), recv_fixed(receiver))

    reader = LineReader(receiver)
    send_line(sender, b"Hello!")
    send_line(sender, b"\n\0")  # another such number
    print("delimiter: ", reader.recv_line(), reader.recv_line(), reader.recv_line())
