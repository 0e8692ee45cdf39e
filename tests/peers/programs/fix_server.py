"""Answer FIX messages, as simplefix reads them, at a port: each comes back with its fields, from the other side."""

import socketserver
import sys

from simplefix import FixMessage, FixParser


class Answers(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        parser = FixParser()
        while data := self.request.recv(4096):
            parser.append_buffer(data)
            while message := parser.get_message():
                self.request.sendall(answer(message).encode())


def answer(message: FixMessage) -> FixMessage:
    turned = FixMessage()
    for tag, value in message.pairs:
        if tag not in (b"9", b"10"):
            turned.append_pair({b"49": 56, b"56": 49}.get(tag, int(tag)), value)
    return turned


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
