"""Serve the stuffing of libraries, LIBRARY=PORT: each message goes back reversed."""

import sys
import threading
from collections.abc import Callable
from socketserver import BaseRequestHandler, TCPServer

from cobs import cobs
from sliplib import SlipRequestHandler, SlipServer


class Slip(SlipRequestHandler):
    def handle(self) -> None:
        for message in self.request:
            self.request.send_msg(message[::-1])


class Cobs(BaseRequestHandler):
    def handle(self) -> None:
        stuffed = b""
        while byte := self.request.recv(1):
            if byte != b"\0":
                stuffed += byte
            else:
                self.request.sendall(cobs.encode(cobs.decode(stuffed)[::-1]) + b"\0")
                stuffed = b""


SERVERS: dict[str, Callable[[tuple[str, int]], TCPServer]] = {
    "sliplib": lambda address: SlipServer(address, Slip),
    "cobs": lambda address: TCPServer(address, Cobs),
}
for argument in sys.argv[1:]:
    name, port = argument.split("=")
    threading.Thread(target=SERVERS[name](("127.0.0.1", int(port))).serve_forever).start()
print("ready", flush=True)
