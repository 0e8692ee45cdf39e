"""Twisted's ``Int32StringReceiver`` on the epoll reactor, the default of Linux, with callbacks.

``MAX_LENGTH`` is raised for large messages, TCP_NODELAY is set, and the sender is a producer that pauses when told to.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet import threads
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

from benchmarks.callbacks import CallbackPeer, Receiver
from benchmarks.decoding import DecodingPeer
from benchmarks.job import Job
from benchmarks.peer import BACKLOG, HOST

__all__ = ["PEERS"]

reactor: Any = _reactor  # a module that turns out to be the reactor


class Gate(Deferred[None]):
    """Is awaited until its result is set."""

    def set_result(self, result: None, /) -> None:
        """Let the one who waits go on."""
        self.callback(result)


class Connection(Int32StringReceiver):
    """One connection, receiving."""

    MAX_LENGTH = 64 << 20  # more than the default

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.link = TwistedLink(self)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name, as those below
        """Begin."""
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.registerProducer(self.link, True)

    def stringReceived(self, string: bytes) -> None:  # noqa: N802
        """Hand over a message."""
        self._receiver(self.link, string)


class TwistedLink:
    """One connection, sending: a producer that the transport pauses."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Any = connection
        self._gate: Gate | None = None
        self.send: Callable[[bytes], object] = self._connection.sendString

    @property
    def congested(self) -> bool:
        """Whether the peer reads too slowly."""
        return self._gate is not None

    def resumed(self) -> Awaitable[object]:
        """Return what is done when there is room again."""
        assert self._gate
        return self._gate

    def close(self) -> None:
        """End the connection."""
        self._connection.transport.unregisterProducer()
        self._connection.transport.loseConnection()

    def pauseProducing(self) -> None:  # noqa: N802
        """Let the sender wait."""
        self._gate = self._gate or Gate()

    def resumeProducing(self) -> None:  # noqa: N802
        """Let the sender go on."""
        gate, self._gate = self._gate, None
        if gate:
            gate.set_result(None)

    #: At the end, too: the sender will find out.
    stopProducing = resumeProducing  # noqa: N815


class Twisted(CallbackPeer):
    """Length in front, on Twisted's reactor."""

    name = "Twisted Int32StringReceiver"
    package = "twisted"

    def listen(self, job: Job, receiver: Callable[[], Receiver]) -> AbstractAsyncContextManager[int]:
        """Serve."""
        return _listen(receiver)

    async def connect(self, job: Job, port: int, receiver: Receiver) -> TwistedLink:
        """Open a connection."""
        connection = Connection(receiver)
        await connectProtocol(HostnameEndpoint(reactor, HOST, port), connection)
        return connection.link

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Turn the reactor, as ``reactor.run`` does, until the work is done; ``reactor.run`` would do so only once."""
        if not reactor.running:
            reactor.startRunning(installSignalHandlers=False)
        ended: list[Failure | None] = []
        Deferred.fromCoroutine(work).addBoth(ended.append)
        while not ended:
            reactor.runUntilCurrent()
            reactor.doIteration(reactor.timeout() if not ended else 0)
        if ended[0]:
            ended[0].raiseException()

    def gate(self) -> Gate:
        """Return a Deferred."""
        return Gate()

    def in_thread(self, function: Callable[[], None]) -> Awaitable[object]:
        """Call a function in a thread of the reactor's pool."""
        return threads.deferToThread(function)


class TwistedDecoder(DecodingPeer):
    """The receiver alone."""

    name = "Twisted Int32StringReceiver, decoding"
    package = "twisted"

    def encode(self, job: Job, message: bytes) -> bytes:
        """Put the length in front."""
        return len(message).to_bytes(4, "big") + message

    def decoder(self, job: Job) -> Callable[[bytes], Sequence[bytes]]:
        """Return a function that feeds a receiver without a connection."""
        messages: list[bytes] = []
        receiver: Any = Int32StringReceiver()
        receiver.makeConnection(StringTransport())
        receiver.MAX_LENGTH = Connection.MAX_LENGTH
        receiver.stringReceived = messages.append

        def decode(data: bytes) -> list[bytes]:
            messages.clear()
            receiver.dataReceived(data)
            return messages

        return decode


@asynccontextmanager
async def _listen(receiver: Callable[[], Receiver]) -> AsyncGenerator[int]:
    factory = Factory.forProtocol(lambda: Connection(receiver()))
    port = await TCP4ServerEndpoint(reactor, 0, backlog=BACKLOG, interface=HOST).listen(factory)
    yield port.getHost().port
    await port.stopListening()


PEERS = (Twisted(), TwistedDecoder())
