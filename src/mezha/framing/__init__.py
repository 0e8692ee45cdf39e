"""Bytes to messages and back, without I/O: the framings, and the one decoder that serves them all."""

from mezha.framing.base import Framing
from mezha.framing.checked import Checked
from mezha.framing.decoder import Decoder
from mezha.framing.delimited import Delimited, Lines
from mezha.framing.fixed import FixedSize
from mezha.framing.frame import Data, Frame, Garbage, Need, Recover, Resume, Run, Skip, Verdict
from mezha.framing.length import LengthPrefixed
from mezha.framing.names import parse_framing
from mezha.framing.nested import Nested
from mezha.framing.netstring import Netstring
from mezha.framing.recover import at_mark, past_frame, past_mark
from mezha.framing.tolerant import Forgiving, Resyncing, Skipping, Tolerant
from mezha.framing.varint import VarintPrefixed

__all__ = [
    "Checked",
    "Data",
    "Decoder",
    "Delimited",
    "FixedSize",
    "Forgiving",
    "Frame",
    "Framing",
    "Garbage",
    "LengthPrefixed",
    "Lines",
    "Need",
    "Nested",
    "Netstring",
    "Recover",
    "Resume",
    "Resyncing",
    "Run",
    "Skip",
    "Skipping",
    "Tolerant",
    "VarintPrefixed",
    "Verdict",
    "at_mark",
    "parse_framing",
    "past_frame",
    "past_mark",
]
