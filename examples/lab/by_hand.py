"""A message protocol by hand: four bytes of length, then the message."""

from socket import socket


def send_message(sock: socket, message: bytes) -> None:
    header = len(message).to_bytes(4, "big")
    sock.sendall(header + message)


def recv_exactly(sock: socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


def recv_message(sock: socket) -> bytes:
    header = recv_exactly(sock, 4)
    return recv_exactly(sock, int.from_bytes(header, "big"))
