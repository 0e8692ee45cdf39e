"""How much, and how long: the limits and time-outs of a connection, with defaults that a public server survives."""

from dataclasses import dataclass

__all__ = ["Limits", "Timeouts"]


#: What the protocol can say, in seconds.
_LONGEST = 4_000_000


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ValueError(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes. Both sides of a connection should agree on ``max_message``; the buffers are private matters."""

    #: The largest message, in either direction, counted as the program sees it: without framing.
    max_message: int = 1 << 20
    #: Received and not yet asked for: from here on reading stops, if a whole message is there, until it is fetched. In
    #: the mezha protocol the peer knows, and stops sending; there it is 128 KiB or more.
    inbox: int = 1 << 20
    #: Sent and not yet taken by the system: from here on ``send`` waits (asyncio; a blocking ``send`` queues nothing).
    outbox: int = 64 << 10
    #: Requests of the peer that may be unanswered at a time. The mezha protocol has no less than 16.
    requests: int = 100

    def __post_init__(self) -> None:
        _require(self.max_message >= 0, f"max_message must be 0 or more bytes, not {self.max_message}")
        _require(self.inbox > 0, f"inbox must be 1 byte or more, not {self.inbox}")
        _require(self.outbox > 0, f"outbox must be 1 byte or more, not {self.outbox}")
        _require(self.requests >= 16, f"requests must be 16 or more, not {self.requests}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Times in seconds; ``None`` waits for ever.

    A message once begun must be finished: ``message`` seconds after its first byte the peer has to have sent all of
    it, and every ``min_rate`` bytes that did arrive earn it one second more. A large message over a slow line passes;
    a peer that sends a byte now and then to keep a connection busy does not.
    """

    #: Opening a connection, with its TLS handshake. A blocking ``connect`` has it for each address, and once more for
    #: the handshake.
    connect: float | None = 10.0
    #: Saying hello in the mezha protocol: a stranger has so long to turn out to be none.
    handshake: float | None = 10.0
    #: In the mezha protocol: a peer that has been silent for twice as long is given up. It is asked before, twice in
    #: this time. 1 second or more, or ``None``.
    heartbeat: float | None = 20.0
    #: Finishing a message after its first byte, before what ``min_rate`` adds. In the mezha protocol it is a frame that
    #: has so long; a message in pieces may take as long as it likes.
    message: float | None = 10.0
    #: Bytes a second that keep an unfinished message alive beyond ``message``.
    min_rate: float = 1024.0
    #: ``close``: handing over what is queued, before the connection is cut.
    close: float = 10.0

    def __post_init__(self) -> None:
        for name in ("connect", "handshake", "message", "close"):
            value: float | None = getattr(self, name)
            endless = value is None and name != "close"  # close() never hangs
            _require(endless or (value is not None and value >= 0), f"{name} must be 0 or more seconds, not {value}")
        beat = self.heartbeat
        _require(
            beat is None or 1 <= beat <= _LONGEST, f"heartbeat must be 1 to {_LONGEST} seconds or None, not {beat}"
        )
        _require(self.min_rate > 0, f"min_rate must be more than 0 bytes a second, not {self.min_rate}")
