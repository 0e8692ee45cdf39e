"""Bytes to messages and back, without I/O: the framings, and the one decoder that serves them all."""

from mezha.framing.base import Framing
from mezha.framing.bgp import Bgp
from mezha.framing.content_length import ContentLength
from mezha.framing.decoder import Decoder
from mezha.framing.delimited import Delimited, Lines
from mezha.framing.diameter import Diameter
from mezha.framing.dot_stuffed import DotStuffed
from mezha.framing.fix import Fix
from mezha.framing.fixed import FixedSize
from mezha.framing.frame import Data, Frame, Need, Resume, Run, Skip, Verdict
from mezha.framing.length import LengthPrefixed
from mezha.framing.memcached import Memcached
from mezha.framing.mllp import Mllp
from mezha.framing.modbus import Modbus
from mezha.framing.mysql import MySql
from mezha.framing.names import parse_framing
from mezha.framing.nats import Nats
from mezha.framing.netstring import Netstring
from mezha.framing.postgres import Postgres
from mezha.framing.prefixed import Dns, Erlang, Kafka, Tpkt
from mezha.framing.processes import Multiprocessing
from mezha.framing.resp import Resp
from mezha.framing.smpp import Smpp
from mezha.framing.stomp import Stomp
from mezha.framing.syslog import Syslog
from mezha.framing.varint import VarintPrefixed

__all__ = [
    "Bgp",
    "ContentLength",
    "Data",
    "Decoder",
    "Delimited",
    "Diameter",
    "Dns",
    "DotStuffed",
    "Erlang",
    "Fix",
    "FixedSize",
    "Frame",
    "Framing",
    "Kafka",
    "LengthPrefixed",
    "Lines",
    "Memcached",
    "Mllp",
    "Modbus",
    "Multiprocessing",
    "MySql",
    "Nats",
    "Need",
    "Netstring",
    "Postgres",
    "Resp",
    "Resume",
    "Run",
    "Skip",
    "Smpp",
    "Stomp",
    "Syslog",
    "Tpkt",
    "VarintPrefixed",
    "Verdict",
    "parse_framing",
]
