"""mezha gives TCP back its message boundaries: one ``send`` is one ``recv``, whole, in order, always.

The flavour is an import: ``mezha.blocking``, ``mezha.asyncio`` and ``mezha.trio`` hold the same verbs, ``connect serve
listen wrap``. This module holds what they share, and imports no I/O library. ``mezha.testing`` is the test kit.
"""

from mezha.errors import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    FramingError,
    HandshakeError,
    LocalProtocolError,
    MessageDropped,
    MessageTooLarge,
    MessageTooSlow,
    MezhaError,
    RemoteProtocolError,
    RequestFailed,
    SendTimeout,
    TruncatedMessage,
)
from mezha.framing import (
    Decoder,
    Delimited,
    FixedSize,
    Framing,
    LengthPrefixed,
    Lines,
    Netstring,
    VarintPrefixed,
    parse_framing,
)
from mezha.framing.kernels import accelerated
from mezha.limits import Limits, Timeouts
from mezha.observe import Observer
from mezha.reconnect import Loss, Reconnect
from mezha.version import __version__

__all__ = [
    "ClosedByPeer",
    "ClosedByUs",
    "ConnectionLost",
    "Decoder",
    "Delimited",
    "FixedSize",
    "Framing",
    "FramingError",
    "HandshakeError",
    "LengthPrefixed",
    "Limits",
    "Lines",
    "LocalProtocolError",
    "Loss",
    "MessageDropped",
    "MessageTooLarge",
    "MessageTooSlow",
    "MezhaError",
    "Netstring",
    "Observer",
    "Reconnect",
    "RemoteProtocolError",
    "RequestFailed",
    "SendTimeout",
    "Timeouts",
    "TruncatedMessage",
    "VarintPrefixed",
    "__version__",
    "accelerated",
    "parse_framing",
]
