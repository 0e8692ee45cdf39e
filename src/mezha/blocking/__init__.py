"""Message sockets for blocking code: ``connect``, ``listen``, ``serve``, ``wrap``."""

from mezha.blocking.opening import connect, listen, serve, wrap
from mezha.blocking.peer import Peer
from mezha.blocking.reconnecting import ReconnectingPeer
from mezha.blocking.server import Listener, Server

__all__ = ["Listener", "Peer", "ReconnectingPeer", "Server", "connect", "listen", "serve", "wrap"]
