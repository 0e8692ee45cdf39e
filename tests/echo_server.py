"""A server that notes every read, and echoes it: what a receiver saw of a stream."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

__all__ = ["Echo", "echo", "exchange"]


class Echo:
    """What the connections of a server have read, in order; a fault is noted as its name."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reads: list[list[bytes | str]] = []
        self.threads: list[threading.Thread] = []

    def serve(self, sock: socket.socket) -> None:
        """Echo to the end."""
        reads: list[bytes | str] = []
        self.reads.append(reads)
        with sock:
            try:
                while data := sock.recv(65536):
                    reads.append(data)
                    sock.sendall(data)
            except OSError as error:
                reads.append(type(error).__name__)

    def finish(self) -> None:
        """Wait until every connection has been read to its end."""
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@contextmanager
def echo() -> Generator[Echo]:
    """Serve, and see every connection end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Echo(listener.getsockname()[1])

        def accept() -> None:
            while True:
                sock, _ = listener.accept()
                if server.port == 0:
                    sock.close()
                    return
                thread = threading.Thread(target=server.serve, args=(sock,))
                server.threads.append(thread)
                thread.start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            port, server.port = server.port, 0
            socket.create_connection(("127.0.0.1", port)).close()
            accepting.join(20)
            server.finish()


def exchange(address: tuple[str, int], data: bytes) -> bytes | str:
    """Send, end the stream, and read the echo to its end; a fault is returned as its name."""
    back = b""
    with socket.create_connection(address, timeout=20) as client:
        try:
            client.sendall(data)
            with suppress(OSError):  # what was reset is no longer connected; recv says how it was
                client.shutdown(socket.SHUT_WR)
            while more := client.recv(65536):
                back += more
        except OSError as error:
            return type(error).__name__
    return back
