"""mezha gives TCP back its message boundaries: one ``send`` is one ``recv``, whole, in order, always.

The flavour is an import: ``mezha.blocking``, ``mezha.asyncio`` and ``mezha.trio`` hold the same verbs, ``connect serve
listen wrap``. This module holds what they share, and imports no I/O library. ``mezha.testing`` is the test kit.
"""

from mezha.errors import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    FramingError,
    LocalProtocolError,
    MessageTooLarge,
    MessageTooSlow,
    MezhaError,
    RemoteProtocolError,
    SendTimeout,
    TruncatedMessage,
)
from mezha.framing import (
    Bgp,
    Decoder,
    Delimited,
    Diameter,
    Dns,
    Erlang,
    FixedSize,
    Framing,
    Kafka,
    LengthPrefixed,
    Lines,
    Modbus,
    Multiprocessing,
    MySql,
    Netstring,
    Postgres,
    Smpp,
    Tpkt,
    VarintPrefixed,
    parse_framing,
)
from mezha.framing.kernels import accelerated
from mezha.limits import Limits, Timeouts
from mezha.observe import Observer
from mezha.version import __version__

__all__ = [
    "Bgp",
    "ClosedByPeer",
    "ClosedByUs",
    "ConnectionLost",
    "Decoder",
    "Delimited",
    "Diameter",
    "Dns",
    "Erlang",
    "FixedSize",
    "Framing",
    "FramingError",
    "Kafka",
    "LengthPrefixed",
    "Limits",
    "Lines",
    "LocalProtocolError",
    "MessageTooLarge",
    "MessageTooSlow",
    "MezhaError",
    "Modbus",
    "Multiprocessing",
    "MySql",
    "Netstring",
    "Observer",
    "Postgres",
    "RemoteProtocolError",
    "SendTimeout",
    "Smpp",
    "Timeouts",
    "Tpkt",
    "TruncatedMessage",
    "VarintPrefixed",
    "__version__",
    "accelerated",
    "parse_framing",
]
