"""Bytes to messages and back, without I/O: the framings, and the one decoder that serves them all."""

from mezha.framing.base import Framing
from mezha.framing.ber import Ber
from mezha.framing.chunked import Chunked
from mezha.framing.cobs import Cobs
from mezha.framing.decoder import Decoder
from mezha.framing.delimited import Delimited, Lines
from mezha.framing.fixed import FixedSize
from mezha.framing.frame import Data, Frame, Need, Resume, Run, Skip, Verdict
from mezha.framing.hdlc import Hdlc
from mezha.framing.length import LengthPrefixed
from mezha.framing.mqtt import Mqtt
from mezha.framing.names import parse_framing
from mezha.framing.netstring import Netstring
from mezha.framing.rpc import RpcRecord
from mezha.framing.slip import Slip
from mezha.framing.varint import VarintPrefixed
from mezha.framing.websocket import WebSocket

__all__ = [
    "Ber",
    "Chunked",
    "Cobs",
    "Data",
    "Decoder",
    "Delimited",
    "FixedSize",
    "Frame",
    "Framing",
    "Hdlc",
    "LengthPrefixed",
    "Lines",
    "Mqtt",
    "Need",
    "Netstring",
    "Resume",
    "RpcRecord",
    "Run",
    "Skip",
    "Slip",
    "VarintPrefixed",
    "Verdict",
    "WebSocket",
    "parse_framing",
]
