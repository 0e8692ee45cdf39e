"""Where the bytes of each round are when recv is called. It asks Linux; other systems have other questions."""

from fcntl import ioctl
from socket import socket

from stage import connected_pair

NOT_SENT = 0x894B  # SIOCOUTQNSD: bytes in the sender's buffer that have not been sent yet
ARRIVED = 0x541B  # FIONREAD: bytes in the receiver's buffer


def count(sock: socket, what: int) -> int:
    return int.from_bytes(ioctl(sock, what, bytes(4)), "little")


sender, receiver = connected_pair()
with sender, receiver:
    for i in range(1, 13):
        sender.send(b"Hello!")
        sender.send(b"World!")
        held, there = count(sender, NOT_SENT), count(receiver, ARRIVED)
        print(f"{i:2}: {held:2} held back, {there:2} arrived, recv returns {receiver.recv(4096)!r}")
