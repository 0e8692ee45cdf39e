"""Message sockets for trio: ``connect``, ``listen``, ``serve``, ``wrap``."""

from mezha.opening import Opening
from mezha.trio.opening import Serving, connect, listen, serve, wrap
from mezha.trio.peer import Peer
from mezha.trio.server import Listener, Server

__all__ = ["Listener", "Opening", "Peer", "Server", "Serving", "connect", "listen", "serve", "wrap"]
