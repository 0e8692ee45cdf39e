"""The engine of a bare framing, compiled and in plain Python, and watched by an observer: all three in step.

Invariant: whatever a driver and its user do, in any order, all three say the same. Messages come out as ``split`` alone
finds them, then one error for ever; what was accepted goes out whole, once and in order, and a decoder of the other
side takes it; and what has not been handed out is still there.

Allowed: from ``send`` LocalProtocolError, ClosedByUs and ConnectionLost; from ``take`` FramingError, TruncatedMessage,
MessageTooLarge, MessageTooSlow, ClosedByPeer, ClosedByUs and ConnectionLost; from everything else nothing.
"""

from fuzz.choices import LIMITS, Choices, framing
from fuzz.copies import COPIES
from fuzz.model import Fault, Model, agreed, attempt
from mezha.engine import Engine
from mezha.limits import Limits, Timeouts
from mezha.observe import Observed, Observer
from mezha.testing.laws import refuses

__all__ = ["check"]

FROM_SEND = ("LocalProtocolError", "ClosedByUs", "ConnectionLost")
FROM_SPLIT = ("FramingError", "TruncatedMessage", "MessageTooLarge")
FROM_TAKE = (*FROM_SPLIT, "MessageTooSlow", "ClosedByPeer", "ClosedByUs", "ConnectionLost")


def check(data: bytes) -> None:
    """Drive the engines as the bytes say."""
    choices = Choices(data)
    form, limit = framing(choices), choices.one_of(LIMITS)
    try:
        connection = Connection(form, limit)
    except ValueError:  # there is no such framing, or none with such a limit
        return
    while choices:
        match choices.below(14):
            case 0 | 1:
                connection.receive(choices.piece(1 + choices.below(64)))
            case 2 | 3:
                connection.take(1 + choices.below(4))
            case 4:
                connection.take(1, pop=True)
            case 5:
                connection.send(choices.piece(choices.below(40)), push=bool(choices.below(2)))
            case 6:
                connection.send(b"z" * choices.one_of((8191, 8192, 65536)), push=bool(choices.below(2)))
            case 7:
                connection.put_on_the_wire()
            case 8:
                connection.wait(choices.one_of((0.5, 3.0, 20.0)))
            case 9:
                connection.receive(b"")
            case 10:
                connection.full()
            case 11:
                connection.echo(1 << choices.below(18))
            case 12:
                connection.end()
            case _:
                choices.one_of((connection.lose, connection.close))()
    connection.finish()


class Connection:
    """One connection, on all engines at once, and what is known of it."""

    def __init__(self, form: str, limit: int) -> None:
        limits = Limits(max_message=limit, inbox=60, outbox=100)
        timeouts = Timeouts(message=10.0, min_rate=4.0)
        some = [
            copy.framed(copy.parse_framing(form), limits=limits, timeouts=timeouts) for copy in (COPIES[0], *COPIES)
        ]
        self._engines: list[Engine] = [Observed(some[0], Observer()), *some[1:]]
        self._framing = COPIES[0].parse_framing(form)
        self._limit = limit
        self._model = Model(self._framing, limit)
        self._now = 0.0
        self._waiting = b""  # for put_on_the_wire()
        self._accepted: list[bytes] = []
        self._wire = b""
        self._fault: Fault | None = None  # what take() raises
        self._ended = self._peer_ended = self._lost = self._closed = False

    def receive(self, piece: bytes) -> None:
        """Let bytes arrive, or the end; nothing arrives behind it."""
        if self._peer_ended:
            return
        for engine in self._engines:
            space = engine.space()
            lent = 0 if space is None else min(len(space), len(piece))
            if space is not None and lent:
                space[:lent] = piece[:lent]
                engine.receive(space[:lent], self._now)
            if piece[lent:] or not piece:
                engine.receive(piece[lent:], self._now)
        self._model.feed(piece)
        self._peer_ended = not piece
        self._look()

    def take(self, count: int, *, pop: bool = False) -> list[bytes]:
        """Take messages; at the quick door first, if asked to."""

        def ask(engine: Engine) -> list[bytes] | Fault:
            message = engine.pop() if pop else None
            return attempt(lambda: engine.take(count)) if message is None else [message]

        taken = agreed(self._engines, ask)
        if isinstance(taken, list):
            assert not self._fault
            assert taken == self._model.take(count)
            return taken
        assert taken.name in FROM_TAKE
        assert taken == self._fault or not self._fault or self._closed
        assert self._closed == (taken.name == "ClosedByUs")
        if taken.name in FROM_SPLIT:
            assert taken == self._model.take(count)
        elif taken.name == "ClosedByPeer":
            assert self._peer_ended
            assert not self._model.settled(self._model.pending)
        elif taken.name == "ConnectionLost":
            assert self._lost
            assert self._model.take(1) == [] or self._peer_ended
        self._fault = taken
        return []

    def send(self, message: bytes, *, push: bool) -> None:
        """Send a message; at the quick door first, if asked to."""

        def hand_in(engine: Engine) -> Fault | None:
            return None if push and engine.push(message) else attempt(lambda: engine.send(message))

        fault = agreed(self._engines, hand_in)
        possible = len(message) <= self._limit and not refuses(self._framing, message)
        if fault is not None:
            assert fault.name in FROM_SEND
            assert (self._ended or self._lost or self._closed) == (fault.name != "LocalProtocolError")
            assert fault.name != "LocalProtocolError" or not possible
            return
        assert possible
        wire = b"".join(self._framing.encode(message))
        self._waiting += wire
        self._wire += wire
        self._accepted.append(message)

    def full(self) -> None:
        """Ask whether to go on reading: not, only where there is something to take."""
        full = agreed(self._engines, lambda engine: engine.full())
        assert not full or self._model.failed or self._model.verdict()

    def put_on_the_wire(self) -> bytes:
        """Hand over what was sent."""
        assert agreed(self._engines, lambda engine: engine.outgoing_size) == len(self._waiting)
        wire, self._waiting = self._waiting, b""
        assert agreed(self._engines, lambda engine: b"".join(engine.outgoing())) == wire
        return wire

    def echo(self, size: int) -> None:
        """Let the peer send back what was sent, in pieces."""
        wire = self.put_on_the_wire()
        size = max(size, len(wire) // 100)  # each look copies all that is here
        for start in range(0, len(wire), size):
            self.receive(wire[start : start + size])

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        deadline = agreed(self._engines, lambda engine: engine.deadline())
        if deadline is not None and deadline <= self._now:
            agreed(self._engines, lambda engine: engine.expire(self._now))
            if agreed(self._engines, lambda engine: engine.deadline()) is None:
                self._model.failed = True

    def end(self) -> None:
        """End this side's stream."""
        agreed(self._engines, lambda engine: engine.end())
        self._ended = True

    def lose(self) -> None:
        """Break the connection."""
        cause = ConnectionResetError("reset")
        agreed(self._engines, lambda engine: engine.lost(cause))
        self._lost = True

    def close(self) -> None:
        """Close it."""
        agreed(self._engines, lambda engine: engine.close())
        self._closed = self._model.failed = True
        self._look()

    def finish(self) -> None:
        """Let the peer end its stream; see everything through."""
        self.receive(b"")
        while not self._fault:
            self.take(100)
        self.put_on_the_wire()
        decoder = self._framing.decoder(limit=self._limit)
        decoder.feed(self._wire)
        assert list(decoder) == self._accepted
        self.close()
        self.take(1)
        self.send(b"", push=True)

    def _look(self) -> None:
        """See that they are in the same state, and hold the same."""
        assert agreed(self._engines, lambda engine: engine.state.value) == "closed" or not self._closed
        unused = agreed(self._engines, lambda engine: engine.unused())
        assert self._model.settled(unused) == self._model.settled(self._model.pending)
        agreed(self._engines, lambda engine: engine.idle())
        agreed(self._engines, lambda engine: engine.deadline())
