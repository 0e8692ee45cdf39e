"""The way between mezha and a peer: straight, or cut behind every byte in both directions."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from peers.daemons import HOST

from mezha.blocking import Peer, Server, connect, listen
from mezha.errors import ClosedByPeer, ClosedByUs, ConnectionLost
from mezha.framing import Data, Framing
from mezha.identify import identify
from mezha.limits import Limits
from mezha.observe import Observer
from mezha.testing.chaos import Chaos, CutEvery

__all__ = ["Relay", "Through"]

#: Seconds that handlers have to end when the test is over.
_GRACE = 1.0


class Through:
    """Connections with a peer, all of them straight or all of them cut; they end with the ``with`` block.

    A byte that travels alone takes 2 ms or so: let no test send more than a few hundred of them one after the other.
    """

    def __init__(self, *, cut: bool) -> None:
        self.cut = cut
        self._stack = ExitStack()
        self._faults: list[Exception] = []
        self._heard: list[_Heard] = []

    def to(self, port: int) -> tuple[str, int]:
        """Return the address, host and port, from which the way leads to this port of this machine."""
        if not self.cut:
            return HOST, port
        return self._stack.enter_context(Chaos(HOST, port, up=[CutEvery(1)], down=[CutEvery(1)])).address

    def connect(self, port: int, framing: Framing, limits: Limits | None = None) -> Peer:
        """Connect with mezha to a peer that listens."""
        self._heard.append(heard := _Heard(framing))
        return self._stack.enter_context(connect(*self.to(port), framing=framing, limits=limits, observer=heard))

    def serve(
        self, handler: Callable[[Peer], object], framing: Framing, limits: Limits | None = None
    ) -> tuple[str, int]:
        """Serve with mezha, and return the address to which a peer shall connect.

        What the handler raises is raised at the end, unless it is only that the peer has gone.
        """
        server = Server(listen(HOST, 0, framing=framing, limits=limits), self.watched(handler))
        self._stack.enter_context(server)
        self._stack.callback(server.stop, _GRACE)
        return self.to(server.listener.port)

    def relay(self, port: int, framing: Framing, limits: Limits | None = None) -> "Relay":
        """Put mezha between a real client, which connects to its address, and the real server at ``port``."""
        return Relay(self, port, framing, limits)

    def check_identified(self) -> None:
        """Let ``mezha identify`` look at what was said on each connection: it has to name the right framing first."""
        for heard in self._heard:
            for said in (heard.sent, heard.received):
                best = next(iter(identify(bytes(said))), None)
                named = {form.partition(":")[0] for form in (best.form, *best.also)} if best else set[str]()
                assert not said or named & heard.names, f"{heard.names}: {best}, {bytes(said)!r}"

    def watched(self, handler: Callable[..., object]) -> Callable[..., None]:
        """Return a function that does the same in a thread, where an exception would be lost: see ``serve``."""

        def watched(*arguments: object) -> None:
            try:
                handler(*arguments)
            except (ClosedByPeer, ClosedByUs, ConnectionLost):
                pass
            except Exception as error:  # noqa: BLE001 - raised again, where the test sees it
                self._faults.append(error)

        return watched

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self._faults:
            raise ExceptionGroup("in handlers of mezha's side", self._faults)


class _Heard(Observer):
    """All that was said on a connection, and the names for its framing."""

    def __init__(self, framing: Framing) -> None:
        name = str(framing).partition(":")[0]
        self.names = {"ber", "ldap"} if name == "ber" else {name}  # who speaks LDAP speaks BER
        self.sent = bytearray()
        self.received = bytearray()

    def bytes_sent(self, data: Data) -> None:
        self.sent += data

    def bytes_received(self, data: Data, now: float) -> None:
        self.received += data


class Relay:
    """mezha between a client and a server: every message is read, noted, and written anew, in both directions.

    ::

        client --[way]-- mezha --[way]-- server
                 up -->         --> up
             down <--           <-- down
    """

    def __init__(self, through: Through, port: int, framing: Framing, limits: Limits | None) -> None:
        self._through = through
        self._port = port
        self._framing = framing
        self._limits = limits
        #: The messages of the client, and those of the server, of all connections.
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.address = through.serve(self._carry, framing, limits)

    def _carry(self, client: Peer) -> None:
        with self._through.connect(self._port, self._framing, self._limits) as server:
            back = threading.Thread(target=self._through.watched(_pump), args=(server, client, self.down), daemon=True)
            back.start()
            try:
                _pump(client, server, self.up)
            finally:
                back.join()


def _pump(source: Peer, sink: Peer, seen: list[bytes]) -> None:
    """Carry messages until the source ends, and then end the sink; if anything goes wrong, both are closed."""
    try:
        for message in source:
            seen.append(message)
            sink.send(message)
        sink.send_eof()
    except BaseException:
        source.close()
        sink.close()
        raise
