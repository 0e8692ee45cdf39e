"""A server as everybody writes it first: it takes what one ``recv`` returns for one message."""

import socket
from contextlib import suppress


def serve(listener: socket.socket) -> None:
    """Answer each message with the same in capitals, to one client after the other, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(ConnectionError):
            while message := connection.recv(1024):
                connection.sendall(message.upper())
