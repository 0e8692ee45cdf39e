"""What programs usually write for themselves: four bytes of length, ``sendall``, and a buffer that ``recv`` fills.

64 KiB a ``recv``; TCP_NODELAY is set.
"""

import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from benchmarks.blocking import BlockingPeer, Link, tcp_server
from benchmarks.decoding import DecodingPeer
from benchmarks.job import Job
from benchmarks.peer import HOST

__all__ = ["PEERS"]

_LENGTH = struct.Struct(">I")


class HandRolled(BlockingPeer):
    """Length in front, over a plain socket."""

    name = "hand-rolled prefix"

    def listen(self, job: Job, handler: Callable[[Link], None]) -> AbstractContextManager[int]:
        """Accept in a thread."""
        return tcp_server(handler, _link)

    def connect(self, job: Job, port: int) -> Link:
        """Open a connection."""
        return _link(socket.create_connection((HOST, port)))


class HandRolledDecoder(DecodingPeer):
    """The same buffer, without the socket."""

    name = "hand-rolled prefix, decoding"

    def encode(self, job: Job, message: bytes) -> bytes:
        """Put the length in front."""
        return _LENGTH.pack(len(message)) + message

    def decoder(self, job: Job) -> Callable[[bytes], Sequence[bytes]]:
        """Return a function that cuts a buffer."""
        buffer = bytearray()

        def decode(data: bytes) -> list[bytes]:
            buffer.extend(data)
            messages: list[bytes] = []
            start = 0
            while len(buffer) - start >= 4:
                end = start + 4 + _LENGTH.unpack_from(buffer, start)[0]
                if len(buffer) < end:
                    break
                messages.append(bytes(buffer[start + 4 : end]))
                start = end
            del buffer[:start]
            return messages

        return decode


def _link(sock: socket.socket) -> Link:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray()

    def send(message: bytes) -> None:
        sock.sendall(_LENGTH.pack(len(message)) + message)

    def fill(size: int) -> None:
        while len(buffer) < size:
            data = sock.recv(65536)
            if not data:
                raise EOFError("the connection ended early")
            buffer.extend(data)

    def recv() -> bytes:
        fill(4)
        end = 4 + _LENGTH.unpack_from(buffer)[0]
        fill(end)
        message = bytes(buffer[4:end])
        del buffer[:end]
        return message

    return Link(send, recv, sock.close)


PEERS = (HandRolled(), HandRolledDecoder())
