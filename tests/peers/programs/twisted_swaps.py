"""Serve Twisted's string receivers, RECEIVER=PORT: every two messages go back in the opposite order."""

import sys
from typing import Any, cast

from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory
from twisted.protocols import basic

reactor = cast(Any, installed)


class Swaps:
    first: bytes | None = None
    sendString: Any

    def stringReceived(self, string: bytes) -> None:
        if self.first is None:
            self.first = string
        else:
            self.sendString(string)
            self.sendString(self.first)
            self.first = None


class Int8(Swaps, basic.Int8StringReceiver): ...


class Int16(Swaps, basic.Int16StringReceiver): ...


class Int32(Swaps, basic.Int32StringReceiver): ...


class Netstring(Swaps, basic.NetstringReceiver): ...


RECEIVERS = {"int8": Int8, "int16": Int16, "int32": Int32, "netstring": Netstring}
for argument in sys.argv[1:]:
    name, port = argument.split("=")
    reactor.listenTCP(int(port), Factory.forProtocol(RECEIVERS[name]), interface="127.0.0.1")
reactor.callWhenRunning(print, "ready", flush=True)
reactor.run()
