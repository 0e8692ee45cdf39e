"""Serve a data block of an S7 PLC, at a port."""

import sys
import threading

from snap7.server import Server
from snap7.type import SrvArea

server = Server(log=False)
server.register_area(SrvArea.DB, 1, bytearray(b"Hello!".ljust(64, b"\0")))
server.start_to("127.0.0.1", int(sys.argv[1]))
threading.Event().wait()
