"""What a connection owes its two sides: which messages must arrive, which may, and which must not."""

from dataclasses import dataclass, field

__all__ = ["Sent", "Stream"]


@dataclass
class Sent:
    """A message that somebody wants to send."""

    message: bytes
    #: It must arrive, if the stream ends as it should. Until this is so, it may.
    promised: bool = False


@dataclass
class Stream:
    """One direction. Its messages are all different, so that none is taken for another."""

    name: str
    sent: list[Sent] = field(default_factory=list[Sent])
    _next: int = 0
    _count: int = 0

    def new(self, size: int) -> Sent:
        """Make a message, about so large."""
        self._count += 1
        sent = Sent(b"%s %d " % (self.name.encode(), self._count) + b"." * size)
        self.sent.append(sent)
        return sent

    def refuse(self, sent: Sent) -> None:
        """Note that a message was refused: it must not arrive."""
        self.sent.remove(sent)

    def arrive(self, message: bytes) -> None:
        """Check a message that arrived: it is the next, but for some that need not have."""
        for place, sent in enumerate(self.sent[self._next :], self._next):
            if sent.message == message:
                self._next = place + 1
                return
            assert not sent.promised, f"{_shown(sent.message)} is missing: {_shown(message)} came"
        twice = any(sent.message == message for sent in self.sent)
        raise AssertionError(f"{_shown(message)} came {'twice, or late' if twice else 'and was not sent'}")

    def end(self) -> None:
        """Check an orderly end: nothing is missing."""
        missing = [sent.message for sent in self.sent[self._next :] if sent.promised]
        assert not missing, f"the end came, and {len(missing)} are missing: {_shown(missing[0])}"


def _shown(message: bytes) -> str:
    return f"{message[:20]!r} of {len(message)} bytes"
