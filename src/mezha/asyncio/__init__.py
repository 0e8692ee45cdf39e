"""Message sockets for asyncio: ``connect``, ``listen``, ``serve``, ``wrap``."""

from mezha.asyncio.opening import connect, listen, serve, wrap
from mezha.asyncio.peer import Peer
from mezha.asyncio.reconnecting import ReconnectingPeer
from mezha.asyncio.server import Listener, Server
from mezha.opening import Opening

__all__ = ["Listener", "Opening", "Peer", "ReconnectingPeer", "Server", "connect", "listen", "serve", "wrap"]
