import socket
import threading

from mezha.blocking.driver import Driver
from mezha.blocking.wire import PlainEnds, Wire
from mezha.engine import Engine
from mezha.framing import Data

class CompiledWire(Wire):
    def __init__(self, sock: socket.socket) -> None: ...
    def receive(self, space: memoryview | None, deadline: float | None) -> Data | None: ...

class Ends(PlainEnds):
    def __init__(self, wire: Wire, engine: Engine, receiving: threading.Lock, driver: Driver | None = None) -> None: ...
