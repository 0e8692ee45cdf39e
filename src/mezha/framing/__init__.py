"""Bytes to messages and back, without I/O: the framings, and the one decoder that serves them all."""

from mezha.framing.base import Framing
from mezha.framing.ber import Ber, Ldap
from mezha.framing.bgp import Bgp
from mezha.framing.checked import Checked
from mezha.framing.chunked import Chunked
from mezha.framing.cobs import Cobs
from mezha.framing.content_length import ContentLength
from mezha.framing.decoder import Decoder
from mezha.framing.delimited import Delimited, Lines
from mezha.framing.diameter import Diameter
from mezha.framing.dot_stuffed import DotStuffed
from mezha.framing.fix import Fix
from mezha.framing.fixed import FixedSize
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover, Resume, Run, Skip, Verdict
from mezha.framing.hdlc import Hdlc
from mezha.framing.length import LengthPrefixed
from mezha.framing.memcached import Memcached
from mezha.framing.mllp import Mllp
from mezha.framing.modbus import Modbus
from mezha.framing.mqtt import Mqtt
from mezha.framing.mysql import MySql
from mezha.framing.names import parse_framing
from mezha.framing.nats import Nats
from mezha.framing.nested import Nested
from mezha.framing.netstring import Netstring
from mezha.framing.oncrpc import OncRpc
from mezha.framing.postgres import Postgres
from mezha.framing.prefixed import Dns, Erlang, Kafka, Tpkt
from mezha.framing.processes import Multiprocessing
from mezha.framing.recover import at_mark, past_announced, past_frame, past_mark
from mezha.framing.resp import Resp
from mezha.framing.slip import Slip
from mezha.framing.smpp import Smpp
from mezha.framing.stomp import Stomp
from mezha.framing.syslog import Syslog
from mezha.framing.tolerant import Forgiving, Resyncing, Skipping, Tolerant
from mezha.framing.varint import VarintPrefixed
from mezha.framing.websocket import WebSocket

__all__ = [
    "Ber",
    "Bgp",
    "Checked",
    "Chunked",
    "Cobs",
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
    "Forgiving",
    "Frame",
    "Framing",
    "Garbage",
    "Hdlc",
    "Kafka",
    "Ldap",
    "LengthPrefixed",
    "Lines",
    "Memcached",
    "Mllp",
    "Modbus",
    "Mqtt",
    "Multiprocessing",
    "MySql",
    "Nats",
    "Need",
    "Nested",
    "Netstring",
    "OncRpc",
    "Postgres",
    "Recover",
    "Resp",
    "Resume",
    "Resyncing",
    "Run",
    "Skip",
    "Skipping",
    "Slip",
    "Smpp",
    "Stomp",
    "Syslog",
    "Tolerant",
    "Tpkt",
    "VarintPrefixed",
    "Verdict",
    "WebSocket",
    "at_mark",
    "parse_framing",
    "past_announced",
    "past_frame",
    "past_mark",
]
