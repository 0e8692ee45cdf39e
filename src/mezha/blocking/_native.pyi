import socket

from mezha.blocking.wire import Wire as PlainWire
from mezha.framing import Data

class Wire(PlainWire):
    def __init__(self, sock: socket.socket) -> None: ...
    def receive(self, space: memoryview | None, deadline: float | None) -> Data | None: ...
