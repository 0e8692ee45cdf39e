"""Diameter: how operators ask who may have what, and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mezha.framing.whole import Whole

__all__ = ["Diameter"]


@dataclass(frozen=True, slots=True)
class Diameter(Whole):
    """Each message is a Diameter message, whole, with its header of twenty bytes.

    RFC 6733, section 3. A Device-Watchdog-Request begins so::

        +------+----------------+------+----------------+-----------------------+----
        |  01  |  00   00   38  |  80  |  00   01   18  |  00   00   00   00    |  hop-by-hop, end-to-end, AVPs
        +------+----------------+------+----------------+-----------------------+----
         version  length: 56     flags   command: 280      application

    The length counts the whole message, header and padded AVPs, and is a multiple of four. The header stays in the
    message: an answer carries the identifiers of its request.
    """

    name: ClassVar[str] = "diameter"
    unit: ClassVar[str] = "Diameter message"
    offset: ClassVar[int] = 1
    width: ClassVar[int] = 3
    least: ClassVar[int] = 20
    most: ClassVar[int] = 2**24 - 4
    step: ClassVar[int] = 4
    known: ClassVar[Mapping[int, int]] = {0: 1}
