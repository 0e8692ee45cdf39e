"""Protocols in which a length stands in front of each message, and nothing else that matters: it is the rest."""

from collections.abc import Sequence
from typing import ClassVar, Self

from mezha.framing.length import LengthPrefixed
from mezha.framing.optionless import Optionless

__all__ = ["Dns", "Erlang", "Kafka", "Tpkt"]


class _Prefixed(Optionless, LengthPrefixed):
    """A length in front that has nothing to choose."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Dns(_Prefixed):
    """Each message is a DNS message, preceded by its length in two bytes.

    DNS over TCP: RFC 1035, section 4.2.2, and RFC 7766, section 8. A question of 29 bytes::

        +-----------+----------------------------------------+
        |  00   1d  |  29 bytes, beginning with the ID       |
        +-----------+----------------------------------------+
           length

    The length is not part of the message, which is the same as in a UDP datagram. An answer may overtake another: its
    ID says to which question it belongs (RFC 7766, section 7).
    """

    __slots__ = ()
    name: ClassVar[str] = "dns"

    def __init__(self) -> None:
        super().__init__(2)


class Erlang(LengthPrefixed):
    """Each message is preceded by its length in 1, 2 or 4 bytes, as a socket of Erlang's with ``{packet, 4}`` has it.

    Erlang/OTP, ``inet:setopts/2``, option ``packet``; a port program of Erlang's speaks the same, on its standard input
    and output. ``Erlang(4)`` puts ``Hello!`` on the wire as::

        +-----------------------+-------------------------------+
        |  00   00   00   06    |  48   65   6c   6c   6f   21  |
        +-----------------------+-------------------------------+
           length                  H    e    l    l    o    !

    The length is not part of the message. With four bytes Erlang takes at most 2 147 483 643 of message. Of its other
    kinds of packets, ``tpkt`` is :class:`Tpkt` and ``line`` is :class:`Lines`.

    Raises:
        ValueError: Erlang knows no such length.

    """

    __slots__ = ()

    def __init__(self, width: int = 4) -> None:
        if width not in (1, 2, 4):
            raise ValueError(f"a length of Erlang's is 1, 2 or 4 bytes wide, not {width}")
        super().__init__(width)

    @classmethod
    def parse(cls, options: Sequence[str]) -> Self:
        """Read the width of the length, 4 if there is none."""
        if len(options) > 1:
            raise ValueError("its one option is the width of the length, 1, 2 or 4")
        return cls(*map(int, options))

    def __str__(self) -> str:
        return f"erlang:{self.width}"

    def __repr__(self) -> str:
        return f"Erlang({self.width})"


class Kafka(_Prefixed):
    """Each message is a request or a response of Apache Kafka's, preceded by its size in four bytes.

    Apache Kafka, protocol guide, "Common Request and Response Structure". A request for the versions that the broker
    knows, version 0, of a client without a name::

        +-----------------------+-----------+-----------+-----------------------+-----------+
        |  00   00   00   0a    |  00   12  |  00   00  |  00   00   00   07    |  ff   ff  |
        +-----------------------+-----------+-----------+-----------------------+-----------+
           size                    key: 18    version     correlation id: 7       no client id

    The size is not part of the message. A response begins with the correlation id of its request, which alone tells
    what it is an answer to.
    """

    __slots__ = ()
    name: ClassVar[str] = "kafka"

    def __init__(self) -> None:
        super().__init__(4)


class Tpkt(_Prefixed):
    """Each message is a TPDU of ISO transport, in a packet whose length counts its header, too.

    ISO transport on top of TCP: RFC 1006, section 6 (TPKT). Under it are the PLCs of Siemens (S7), IEC 61850 (MMS),
    H.323, X.400, and the opening of RDP. A TPDU of 18 bytes, a request to connect, say::

        +------+------+-----------+------------------------------+
        |  03  |  00  |  00   16  |  18 bytes                    |
        +------+------+-----------+------------------------------+
         version  reserved  length: 22

    The header says nothing more, and is not part of the message; what is reserved has to be 0. What the TPDU says
    (ISO 8073: connect, data, the last of several pieces) is left to the program.
    """

    __slots__ = ()
    name: ClassVar[str] = "tpkt"

    def __init__(self) -> None:
        super().__init__(2, offset=2, adjust=-4, fixed=b"\x03\x00")
