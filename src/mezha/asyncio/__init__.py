"""Message sockets for asyncio: ``connect``, ``listen``, ``serve``, ``wrap``."""

from mezha.asyncio.opening import Opening, connect, listen, serve, wrap
from mezha.asyncio.peer import Peer
from mezha.asyncio.server import Listener, Server

__all__ = ["Listener", "Opening", "Peer", "Server", "connect", "listen", "serve", "wrap"]
