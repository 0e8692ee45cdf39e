import socket
from collections.abc import Callable

from mezha.blocking.wire import PlainEnds, Wire
from mezha.framing import Data

class CompiledWire(Wire):
    def __init__(self, sock: socket.socket) -> None: ...
    def receive(self, space: memoryview | None, deadline: float | None) -> Data | None: ...

class Ends(PlainEnds):
    def __init__(self, wire: Wire, pop: Callable[[], bytes | None]) -> None: ...
