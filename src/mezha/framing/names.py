r"""The string form of each framing, for the command line and for configuration.

======================  ==================================================================================
``length:4:big``        ``LengthPrefixed``: width, byte order, then ``offset=`` ``adjust=`` ``strip=`` ``fixed=``
``varint``              ``VarintPrefixed``
``netstring``           ``Netstring``
``delimited:\r\n``      ``Delimited``: the marker, with Python's escapes
``lines``               ``Lines``; ``lines:crlf`` writes CR LF
``fixed:512``           ``FixedSize``
``mqtt``                ``Mqtt``
``ber``                 ``Ber``; then, as needed, ``definite`` ``identifier=30``
``ldap``                ``Ldap``
``oncrpc``              ``OncRpc``; ``oncrpc:8192`` writes larger messages in fragments
``slip``                ``Slip``; ``slip:both`` writes an end in front of each message as well
``cobs``                ``Cobs``
``hdlc``                ``Hdlc``: ``fcs=16``, 32 or 0, ``accm=ffffffff``
``websocket``           ``WebSocket``; ``websocket:masked`` writes as a client does
``chunked``             ``Chunked``; ``chunked:8192`` writes larger messages in chunks
``dns``                 ``Dns``
``erlang:4``            ``Erlang``: the width of the length, 1, 2 or 4
``multiprocessing``     ``Multiprocessing``
``modbus``              ``Modbus``
``tpkt``                ``Tpkt``
``smpp``                ``Smpp``
``diameter``            ``Diameter``
``postgres``            ``Postgres``
``mysql``               ``MySql``
``kafka``               ``Kafka``
``bgp``                 ``Bgp``
``syslog``              ``Syslog``; ``syslog:lines`` writes a line feed behind instead of a count in front
``content-length``      ``ContentLength``
``mllp``                ``Mllp``
``fix``                 ``Fix``
``stomp``               ``Stomp``
``resp``                ``Resp``
``memcached``           ``Memcached``
``nats``                ``Nats``
``dot-stuffed``         ``DotStuffed``
``skip:lines``          ``Skipping`` another one
``resync:delimited:a``  ``Resyncing`` another one
``checked:crc32:lines`` ``Checked`` another one, with a checksum of that name
======================  ==================================================================================

``str(framing)`` gives the form back: ``parse_framing(str(framing)) == framing``.
"""

from collections.abc import Callable

from mezha.framing.base import Framing
from mezha.framing.ber import Ber, Ldap
from mezha.framing.bgp import Bgp
from mezha.framing.checked import Checked
from mezha.framing.chunked import Chunked
from mezha.framing.cobs import Cobs
from mezha.framing.content_length import ContentLength
from mezha.framing.delimited import Delimited, Lines
from mezha.framing.diameter import Diameter
from mezha.framing.dot_stuffed import DotStuffed
from mezha.framing.fix import Fix
from mezha.framing.fixed import FixedSize
from mezha.framing.hdlc import Hdlc
from mezha.framing.length import LengthPrefixed
from mezha.framing.memcached import Memcached
from mezha.framing.mllp import Mllp
from mezha.framing.modbus import Modbus
from mezha.framing.mqtt import Mqtt
from mezha.framing.mysql import MySql
from mezha.framing.nats import Nats
from mezha.framing.netstring import Netstring
from mezha.framing.oncrpc import OncRpc
from mezha.framing.postgres import Postgres
from mezha.framing.prefixed import Dns, Erlang, Kafka, Tpkt
from mezha.framing.processes import Multiprocessing
from mezha.framing.resp import Resp
from mezha.framing.slip import Slip
from mezha.framing.smpp import Smpp
from mezha.framing.stomp import Stomp
from mezha.framing.syslog import Syslog
from mezha.framing.tolerant import Resyncing, Skipping
from mezha.framing.varint import VarintPrefixed
from mezha.framing.websocket import WebSocket

__all__ = ["NAMES", "PREFIXES", "parse_framing"]

#: The framings that have a string form, by its first word.
NAMES: dict[str, type[Framing]] = {
    "length": LengthPrefixed,
    "varint": VarintPrefixed,
    "netstring": Netstring,
    "delimited": Delimited,
    "lines": Lines,
    "fixed": FixedSize,
    "mqtt": Mqtt,
    "ber": Ber,
    "ldap": Ldap,
    "oncrpc": OncRpc,
    "slip": Slip,
    "cobs": Cobs,
    "hdlc": Hdlc,
    "websocket": WebSocket,
    "chunked": Chunked,
    "dns": Dns,
    "erlang": Erlang,
    "multiprocessing": Multiprocessing,
    "modbus": Modbus,
    "tpkt": Tpkt,
    "smpp": Smpp,
    "diameter": Diameter,
    "postgres": Postgres,
    "mysql": MySql,
    "kafka": Kafka,
    "bgp": Bgp,
    "syslog": Syslog,
    "content-length": ContentLength,
    "mllp": Mllp,
    "fix": Fix,
    "stomp": Stomp,
    "resp": Resp,
    "memcached": Memcached,
    "nats": Nats,
    "dot-stuffed": DotStuffed,
}

#: What goes in front of the form of another framing, and makes one of it.
PREFIXES: dict[str, Callable[..., Framing]] = {
    "skip": Skipping,
    "resync": Resyncing,
    "checked": Checked,
}
#: How many words of its own such a prefix has.
_OPTIONS = {"checked": 1}


def parse_framing(text: str) -> Framing:
    """Return the framing that ``text`` names, as ``"length:4:big"`` or ``"lines"``.

    Raises:
        ValueError: it names none; the text says what is known.

    """
    words = text.split(":")
    prefixes: list[list[str]] = []
    while words[0] in PREFIXES and len(words) > (own := 1 + _OPTIONS.get(words[0], 0)):
        prefixes.append(words[:own])
        del words[:own]
    name, *options = words
    if name not in NAMES:
        raise ValueError(
            f"no framing is called {name!r}; there are {', '.join(NAMES)}, and in front of these {', '.join(PREFIXES)}"
        )
    try:
        framing = NAMES[name].parse(options)
        for prefix, *its_options in reversed(prefixes):
            framing = PREFIXES[prefix](framing, *its_options)
    except ValueError as error:
        raise ValueError(f"{text!r} names no framing: {error}") from error
    return framing
