"""The stage for the runs in this folder: two connected sockets, and a voice."""

from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, create_connection, create_server, socket
from textwrap import fill


def connected_pair(*, small_buffers: bool = False) -> tuple[socket, socket]:
    """Return a sender and a receiver. With small buffers a sender soon has to wait for its receiver."""
    with create_server(("localhost", 0)) as server:
        if small_buffers:
            server.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)  # an accepted socket inherits it
        sender = create_connection(server.getsockname())
        receiver, _ = server.accept()
    if small_buffers:
        sender.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
    return sender, receiver


def say(who: str, *what: object) -> None:
    """Print what happened to whom, in lines that fit a page."""
    indent = f"{who}:".ljust(9)
    text = " ".join(map(str, what))
    print(fill(text, 66, initial_indent=indent, subsequent_indent=" " * 9, break_on_hyphens=False))
