"""Bytes to messages and back, without I/O: the framings, and the one decoder that serves them all."""

from mezha.framing.base import Framing
from mezha.framing.decoder import Decoder
from mezha.framing.delimited import Delimited, Lines
from mezha.framing.fixed import FixedSize
from mezha.framing.frame import Data, Frame, Need, Resume, Run, Skip, Verdict
from mezha.framing.length import LengthPrefixed
from mezha.framing.names import parse_framing
from mezha.framing.netstring import Netstring
from mezha.framing.varint import VarintPrefixed

__all__ = [
    "Data",
    "Decoder",
    "Delimited",
    "FixedSize",
    "Frame",
    "Framing",
    "LengthPrefixed",
    "Lines",
    "Need",
    "Netstring",
    "Resume",
    "Run",
    "Skip",
    "VarintPrefixed",
    "Verdict",
    "parse_framing",
]
