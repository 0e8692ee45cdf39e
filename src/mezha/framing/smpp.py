"""SMPP: how text messages are handed to the centres of mobile networks."""

from dataclasses import dataclass
from typing import ClassVar

from mezha.framing.whole import Whole

__all__ = ["Smpp"]


@dataclass(frozen=True, slots=True)
class Smpp(Whole):
    """Each message is an SMPP PDU, whole, with its header of sixteen bytes.

    Short Message Peer-to-Peer Protocol Specification v3.4, section 3.2 (v5.0, section 3.2, has the same). The question
    whether the other end is alive, ``enquire_link``::

        +-----------------------+-----------------------+-----------------------+-----------------------+
        |  00   00   00   10    |  00   00   00   15    |  00   00   00   00    |  00   00   00   07    |
        +-----------------------+-----------------------+-----------------------+-----------------------+
           length: 16              command                 status                  sequence number

    The length counts the whole PDU, itself included. The header stays in the message: an answer carries the sequence
    number of its request.
    """

    name: ClassVar[str] = "smpp"
    unit: ClassVar[str] = "SMPP PDU"
    width: ClassVar[int] = 4
    least: ClassVar[int] = 16
    most: ClassVar[int] = 2**32 - 1
