"""BGP: how the networks of the internet tell each other what they reach."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mezha.framing.whole import Whole

__all__ = ["Bgp"]


@dataclass(frozen=True, slots=True)
class Bgp(Whole):
    """Each message is a BGP message, whole, with its header of nineteen bytes.

    RFC 4271, section 4.1. A KEEPALIVE is the header alone::

        +-------------------------------+-----------+------+
        |  ff   ff   ...   ff   ff      |  00   13  |  04  |
        +-------------------------------+-----------+------+
           marker: 16 bytes, all ones    length: 19   type

    The length counts the whole message, which has at most 4096 bytes, or 65 535 where both sides have agreed on
    extended messages (RFC 8654). Those are taken; ``Limits(max_message=4096)`` says otherwise. The header stays in the
    message, since it has the type. A peer that loses step is found out at the marker.
    """

    name: ClassVar[str] = "bgp"
    unit: ClassVar[str] = "BGP message"
    offset: ClassVar[int] = 16
    width: ClassVar[int] = 2
    least: ClassVar[int] = 19
    most: ClassVar[int] = 2**16 - 1
    known: ClassVar[Mapping[int, int]] = dict.fromkeys(range(16), 0xFF)
