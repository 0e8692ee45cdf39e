"""Every error mezha raises of its own, by cause.

::

    MezhaError
    ├── LocalProtocolError            your mistake: nothing was sent, the connection is unharmed
    ├── RemoteProtocolError           their mistake: nothing more can be received on this connection
    │   ├── FramingError              bytes that this framing cannot mean
    │   │   └── TruncatedMessage      the stream ended inside a message
    │   ├── HandshakeError            the mezha protocol did not come about: another program, version or need
    │   ├── MessageTooLarge           a message over this side's limit
    │   └── MessageTooSlow            a message begun and not finished in time
    ├── ClosedByPeer (EOFError)       the peer ended its stream, between two messages
    ├── ClosedByUs                    this side closed the connection, or ended its own stream
    ├── ConnectionLost (ConnectionError)   the connection broke
    ├── RequestFailed                 the other side could not answer, and says why
    ├── MessageDropped                the peer gave up a message in the middle of it
    └── SendTimeout (TimeoutError)    a blocking send ran out of time

``recv`` that runs out of time raises the builtin :exc:`TimeoutError`, and a connection that cannot be opened raises
the :exc:`OSError` of the system: there is nothing to add to either. Each raise makes a fresh exception. Numbers are
attributes as well as text; all are optional so that the exceptions can be pickled.
"""

__all__ = [
    "ClosedByPeer",
    "ClosedByUs",
    "ConnectionLost",
    "FramingError",
    "HandshakeError",
    "LocalProtocolError",
    "MessageDropped",
    "MessageTooLarge",
    "MessageTooSlow",
    "MezhaError",
    "RemoteProtocolError",
    "RequestFailed",
    "SendTimeout",
    "TruncatedMessage",
]


class MezhaError(Exception):
    """The base of every error that mezha raises of its own."""


class LocalProtocolError(MezhaError):
    """You asked for something this connection cannot do: a message too large, or one the framing cannot carry.

    Nothing of that message was sent, and the connection is unharmed. It says nothing about the peer.
    """

    def __init__(self, text: str = "", *, size: int | None = None, limit: int | None = None, sent: int = 0) -> None:
        super().__init__(text)
        #: Bytes of the refused message, where size is what was wrong with it.
        self.size = size
        #: The limit it met, in bytes, where size is what was wrong with it.
        self.limit = limit
        #: How many messages before the refused one went out in the same ``send_many``.
        self.sent = sent


class RemoteProtocolError(MezhaError):
    """The peer broke the protocol. Nothing more can be received; every further ``recv`` raises the same again.

    Messages that were whole before the fault have been handed out. Sending still works, so that a server may say
    goodbye in its own words. Not raised for a connection that merely broke: that is :exc:`ConnectionLost`.
    """


class FramingError(RemoteProtocolError):
    """The bytes received cannot be a message in this framing: the peer speaks another one, or is broken."""


class TruncatedMessage(FramingError):
    """The peer ended its stream inside a message. Not an :exc:`EOFError`: that would pass for an orderly end."""

    def __init__(self, text: str = "", *, received: int = 0, needed: int | None = None) -> None:
        super().__init__(text)
        #: Bytes of the unfinished message that had arrived, its header included.
        self.received = received
        #: Bytes it needed at least, its header included.
        self.needed = needed


class HandshakeError(RemoteProtocolError):
    """The mezha protocol did not come about: another program called, or one without a version or feature in common.

    Nothing was handed out. Messages that were sent meanwhile were not understood.
    """

    def __init__(self, text: str = "", *, code: int = 2) -> None:
        super().__init__(text)
        #: What the peer is told in CLOSE, if it understands that much (2: PROTOCOL_ERROR).
        self.code = code


class MessageTooLarge(RemoteProtocolError):
    """The peer sent, or announced, a message over the limit of this side. Nothing was allocated for it."""

    def __init__(self, text: str = "", *, size: int | None = None, limit: int | None = None) -> None:
        super().__init__(text)
        #: Bytes the peer announced; ``None`` where it announced nothing: then it is known only to be over the limit.
        self.size = size
        #: The limit of this side, in bytes of message.
        self.limit = limit


class MessageTooSlow(RemoteProtocolError):
    """The peer began a message and did not go on with it fast enough (see ``Timeouts``).

    Not a :exc:`TimeoutError`: waiting again cannot help.
    """

    def __init__(self, text: str = "", *, received: int = 0, seconds: float = 0.0) -> None:
        super().__init__(text)
        #: Bytes of the unfinished message that had arrived, its header included.
        self.received = received
        #: Seconds since its first byte.
        self.seconds = seconds


class ClosedByPeer(MezhaError, EOFError):
    """The peer ended its stream, between two messages, as it should. Every message it sent has been handed out."""

    def __init__(self, text: str = "", *, code: int = 0, reason: str = "") -> None:
        super().__init__(text)
        #: Why, in the mezha protocol: 0 where all is well, or nothing was said.
        self.code = code
        #: Why, in the peer's words.
        self.reason = reason


class ClosedByUs(MezhaError):
    """The connection was closed on this side, or its sending half was, and then used."""


class ConnectionLost(MezhaError, ConnectionError):
    """The connection broke: reset, timed out in the network, or failed in TLS. ``__cause__`` is the system's error.

    Every message that had arrived whole has been handed out. What happened to messages sent shortly before is unknown.
    """

    def __init__(self, text: str = "", *, silence: float | None = None, queued: int = 0) -> None:
        super().__init__(text)
        #: Seconds since the peer was last heard, where its silence is what the connection was given up for.
        self.silence = silence
        #: Bytes that waited to be sent.
        self.queued = queued


class RequestFailed(MezhaError):
    """A request was not answered as it was meant to be. The connection is unharmed.

    Raise it where requests are answered: its text and its code are what the other side gets to see. Of any other
    exception it sees nothing but that there was one.
    """

    def __init__(self, text: str = "", *, code: int = 8) -> None:
        super().__init__(text)
        #: Why, in a number: one of the protocol's, or a program's own from 256 on (8: HANDLER_FAILED).
        self.code = code


class MessageDropped(MezhaError):
    """The peer began a message and gave it up: what was read of it, as a stream, is not all of it.

    The connection is unharmed.
    """

    def __init__(self, text: str = "", *, code: int = 0) -> None:
        super().__init__(text)
        #: Why, in a number: one of the protocol's, or a program's own from 256 on.
        self.code = code


class SendTimeout(MezhaError, TimeoutError):
    """A blocking ``send`` ran out of time. The connection is unharmed.

    A message is sent whole or not at all: where part of it is already on the wire, the rest stays queued and goes out
    before anything else, at the next ``send``, at ``flush`` or at ``close``.
    """

    def __init__(self, text: str = "", *, sent: int = 0, queued: int = 0) -> None:
        super().__init__(text)
        #: Messages of this call that the peer will get: do not send them again. With ``send``, 0 or 1.
        self.sent = sent
        #: Bytes of the last of them that are still queued.
        self.queued = queued
