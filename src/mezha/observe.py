"""Watch a connection: an observer is told what an engine does. Without one, there is no code in the way."""

from collections import deque

from mezha.engine import Engine, State
from mezha.errors import MezhaError
from mezha.framing import Data

__all__ = ["Observed", "Observer"]


class Observer:
    """Told what happens on a connection, as it happens. Override what you want to know; nothing happens otherwise.

    The calls come from wherever the connection is used, before its user sees the effect: be quick, do not use the
    connection, and copy what you keep. What an observer raises reaches whoever used the connection.
    """

    def bytes_received(self, data: Data, now: float) -> None:
        """Hear of bytes that arrived, as one read returned them; ``b""`` is the end of the peer's stream."""

    def bytes_sent(self, data: Data) -> None:
        """Hear of bytes handed to the system, or about to be."""

    def messages_received(self, messages: list[bytes]) -> None:
        """Hear of a run of messages handed out."""

    def message_sent(self, message: Data) -> None:
        """Hear of a message accepted for sending."""

    def error(self, error: Exception) -> None:
        """Hear of an error raised for what was asked: a refusal, the end, a fault of the peer."""

    def state_changed(self, old: State, new: State) -> None:
        """Hear of a change of state."""

    # -- what only the mezha protocol has -----------------------------------------------------------------------------

    def request_sent(self, number: int, body: Data) -> None:
        """Hear of a request of this side. Its number comes again with the answer; each side has its own."""

    def answer_received(self, number: int, outcome: bytes | MezhaError) -> None:
        """Hear of the answer to a request of this side, or why there is none."""

    def request_received(self, number: int, body: bytes) -> None:
        """Hear of a request of the peer."""

    def request_cancelled(self, number: int) -> None:
        """Hear of a request of the peer that it has given up."""

    def answer_sent(self, number: int, body: Data) -> None:
        """Hear of the answer to a request of the peer."""

    def failure_sent(self, number: int, code: int, text: str) -> None:
        """Hear of a request of the peer that is not answered, and what the peer is told."""

    def pong_received(self, number: int, outcome: float | MezhaError) -> None:
        """Hear of the answer to a ping, after so many seconds, or why there is none."""

    def piece_sent(self, size: int) -> None:
        """Hear how many bytes have gone of the large message that is being sent; 0 when it has gone."""

    def piece_received(self, size: int) -> None:
        """Hear how many bytes have come of the large message that is arriving; 0 when it is whole."""


class Observed(Engine):
    """An engine that behaves as the one inside, and tells an observer."""

    __slots__ = ("_engine", "_observer", "_state", "unattended")

    def __init__(self, engine: Engine, observer: Observer) -> None:
        self._engine = engine
        self._observer = observer
        self._state = engine.state
        self.unattended = engine.unattended

    def push(self, message: object) -> bool:
        """Leave it to ``send``, which is watched."""
        return False

    def pop(self) -> bytes | None:
        """Leave it to ``take``, which is watched."""
        return None

    @property
    def state(self) -> State:
        """The state of the engine inside."""
        return self._engine.state

    @property
    def events(self) -> deque[object]:
        """The events of the engine inside."""
        return self._engine.events

    def begin(self, now: float) -> None:
        """Note that the connection is there, and tell."""
        self._engine.begin(now)
        self._note()

    def clear(self, size: int) -> bool:
        """Say whether a message of so many bytes can go out."""
        return self._engine.clear(size)

    def send(self, message: Data) -> None:
        """Queue one message, and tell."""
        try:
            self._engine.send(message)
        except Exception as error:
            self._failed(error)
            raise
        self._observer.message_sent(message)

    @property
    def outgoing_size(self) -> int:
        """Bytes that ``outgoing`` would return."""
        return self._engine.outgoing_size

    def outgoing(self) -> list[Data]:
        """Hand over what is to be sent, and tell."""
        buffers = self._engine.outgoing()
        for buffer in buffers:
            self._observer.bytes_sent(buffer)
        return buffers

    def receive(self, data: Data, now: float) -> None:
        """Take bytes that arrived, and tell."""
        self._observer.bytes_received(data, now)
        self._engine.receive(data, now)
        self._note()

    def space(self) -> memoryview | None:
        """Return memory to receive the next bytes into."""
        return self._engine.space()

    def take(self, count: int = 1) -> list[bytes]:
        """Hand out messages, and tell."""
        try:
            messages = self._engine.take(count)
        except Exception as error:
            self._failed(error)
            raise
        if messages:
            self._observer.messages_received(messages)
        return messages

    def idle(self) -> bool:
        """Say whether nothing is here."""
        return self._engine.idle()

    def full(self) -> bool:
        """Say whether to stop reading."""
        return self._engine.full()

    def deadline(self) -> float | None:
        """Return when ``expire`` is due."""
        return self._engine.deadline()

    def expire(self, now: float) -> None:
        """Act on a deadline, and tell."""
        self._engine.expire(now)
        self._note()

    def end(self) -> bool:
        """End this side's stream, and tell."""
        ends = self._engine.end()
        self._note()
        return ends

    def close(self, code: int = 0, reason: str = "") -> None:
        """End both directions, and tell."""
        self._engine.close(code, reason)
        self._note()

    def finished(self) -> bool:
        """Say whether nothing more is to be received."""
        return self._engine.finished()

    def lost(self, cause: BaseException) -> None:
        """Note that the connection broke, and tell."""
        self._engine.lost(cause)
        self._note()

    def unused(self) -> bytes:
        """Return the bytes that were not handed out."""
        return self._engine.unused()

    def _failed(self, error: Exception) -> None:
        self._observer.error(error)
        self._note()

    def _note(self) -> None:
        old, self._state = self._state, self._engine.state
        if old is not self._state:
            self._observer.state_changed(old, self._state)
