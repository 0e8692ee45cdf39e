"""Modbus/TCP: what PLCs, meters and drives speak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mezha.framing.whole import Whole

__all__ = ["Modbus"]


@dataclass(frozen=True, slots=True)
class Modbus(Whole):
    r"""Each message is a Modbus/TCP unit, whole, with its header of seven bytes.

    MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3 (MBAP header). A request for three registers::

        +-----------+-----------+-----------+------+------+-----------+-----------+
        |  00   01  |  00   00  |  00   06  |  11  |  03  |  00   6b  |  00   03  |
        +-----------+-----------+-----------+------+------+-----------+-----------+
         transaction  protocol    length      unit  function  address    count
                      always 0               \_____________ length ______________/

    The header stays in the message: the answer to a request carries its transaction and unit. The length counts what
    is behind it, 2 to 254 bytes. Modbus RTU over TCP, without this header, has no framing: who reads it has to know
    how long every function's request and answer are.
    """

    name: ClassVar[str] = "modbus"
    unit: ClassVar[str] = "Modbus/TCP unit"
    offset: ClassVar[int] = 4
    width: ClassVar[int] = 2
    adjust: ClassVar[int] = 6
    least: ClassVar[int] = 8
    most: ClassVar[int] = 260
    known: ClassVar[Mapping[int, int]] = {2: 0, 3: 0}
