"""Message sockets for trio: ``connect``, ``listen``, ``serve``, ``wrap``."""

from mezha.opening import Opening
from mezha.trio.opening import Serving, connect, listen, serve, wrap
from mezha.trio.peer import Peer
from mezha.trio.reconnecting import ReconnectingPeer
from mezha.trio.server import Listener, Server

__all__ = ["Listener", "Opening", "Peer", "ReconnectingPeer", "Server", "Serving", "connect", "listen", "serve", "wrap"]
