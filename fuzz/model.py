"""The plainest way to read a stream, and the slowest: keep all of it, and ask ``split`` anew each time."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from mezha.errors import MezhaError
from mezha.framing import Frame, Framing, Need, Skip

__all__ = ["Fault", "Model", "agreed", "attempt", "fault_of"]

S = TypeVar("S")
T = TypeVar("T")


class Fault(NamedTuple):
    """An error, as far as those of two copies can be the same."""

    name: str
    text: str
    attributes: dict[str, Any]


def attempt(call: Callable[[], T]) -> T | Fault:
    """Return what a call returns, or which error of mezha's it raises. Every other error is a finding."""
    try:
        return call()
    except Exception as error:
        if not any(kind.__name__ == MezhaError.__name__ for kind in type(error).__mro__):
            raise
        return fault_of(error)


def fault_of(error: Exception) -> Fault:
    """Describe an error."""
    return Fault(type(error).__name__, str(error), dict(vars(error)))


def agreed(some: Iterable[S], call: Callable[[S], T]) -> T:
    """Do the same with all of them, and return what comes of it: the same."""
    results = [call(one) for one in some]
    assert all(result == results[0] for result in results), f"they differ: {results}"
    return results[0]


class Model:
    """What a decoder has to say."""

    def __init__(self, framing: Framing, limit: int) -> None:
        self._framing = framing
        self._limit = limit
        #: Bytes fed and not handed out.
        self.pending = bytearray()
        #: The stream has ended.
        self.ended = False
        #: A fault has been handed out: nothing counts any more.
        self.failed = False

    def feed(self, data: bytes) -> None:
        """Add bytes; none is the end."""
        self.ended = self.ended or not data
        if not self.failed:
            self.pending += data

    def verdict(self) -> Frame | Fault | None:
        """Say what stands at the front: a message, a fault, or nothing to speak of yet."""
        del self.pending[: len(self.pending) - len(self.settled(self.pending))]
        if not self.pending:
            return None
        verdict = attempt(lambda: self._framing.split(self.pending, self._limit))
        if isinstance(verdict, (Frame, Fault)):
            return verdict
        assert isinstance(verdict, Need)
        size = len(self.pending)
        assert verdict.size > size, f"{size} bytes are there, and {verdict} asks for no more"
        if not self.ended:
            return None
        text = (
            f"the stream ended inside a message: {size} bytes of it had arrived, and it needed {verdict.size} or more"
        )
        return Fault("TruncatedMessage", text, {"received": size, "needed": verdict.size})

    def settled(self, rest: bytes | bytearray) -> bytes:
        """Leave out what belongs to no message, which may have been dropped already, or not yet."""
        rest = bytearray(rest)
        while rest:
            verdict = attempt(lambda: self._framing.split(rest, self._limit))
            if not isinstance(verdict, Skip):
                break
            del rest[: verdict.end]
        return bytes(rest)

    def take(self, count: int) -> list[bytes] | Fault:
        """Hand out up to so many messages, or the fault behind them."""
        messages: list[bytes] = []
        while len(messages) < count:
            verdict = self.verdict()
            if not isinstance(verdict, Frame):
                if messages or verdict is None:
                    break
                self.failed = True
                return verdict
            messages.append(verdict.cut(self.pending))
            del self.pending[: verdict.end]
        return messages
