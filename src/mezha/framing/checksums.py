"""Checksums by name: what stands behind a message, so that one changed on its way is noticed."""

import binascii
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["CHECKSUMS", "Checksum"]

_Table = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checksum:
    """A function that makes a number of a message, and how that number is written."""

    name: str
    #: Bytes it has.
    width: int
    number: Callable[[bytes], int]
    byteorder: Literal["big", "little"] = "big"

    def __call__(self, message: bytes) -> bytes:
        """Return the checksum of a message, as it is written."""
        return self.number(message).to_bytes(self.width, self.byteorder)


def _reflected(polynomial: int) -> _Table:
    """Return the table of a CRC that takes the lowest bit first; ``polynomial`` is reflected, too."""
    table: list[int] = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _crc(table: _Table, first: int, last: int) -> Callable[[bytes], int]:
    """Return such a CRC: it begins with ``first``, and ``last`` is added in the end."""

    def crc(message: bytes) -> int:
        value = first
        for byte in message:
            value = value >> 8 ^ table[(value ^ byte) & 0xFF]
        return value ^ last

    return crc


def _xor(message: bytes) -> int:
    value = 0
    for byte in message:
        value ^= byte
    return value


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ccitt(first: int, last: int) -> Callable[[bytes], int]:
    """Return such a CRC of CCITT: what Python has compiled, with the bits of all bytes reversed."""

    def crc(message: bytes) -> int:
        value = binascii.crc_hqx(message.translate(_REVERSED), first) ^ last
        return int.from_bytes(value.to_bytes(2, "big").translate(_REVERSED), "little")

    return crc


_IBM, _CASTAGNOLI = _reflected(0xA001), _reflected(0x82F63B78)

#: Names, bytes, functions. Those of CRCs are of the catalogue of parametrised CRC algorithms (reveng.sourceforge.io).
_KNOWN: tuple[tuple[str, int, Callable[[bytes], int]], ...] = (
    ("crc32", 4, zlib.crc32),  # CRC-32/ISO-HDLC: Ethernet, zip, PNG
    ("crc32c", 4, _crc(_CASTAGNOLI, 0xFFFFFFFF, 0xFFFFFFFF)),  # CRC-32/ISCSI: Kafka, SCTP
    ("crc16-arc", 2, _crc(_IBM, 0, 0)),
    ("crc16-modbus", 2, _crc(_IBM, 0xFFFF, 0)),
    ("crc16-x25", 2, _ccitt(0xFFFF, 0xFFFF)),  # CRC-16/IBM-SDLC: HDLC, PPP
    ("crc16-kermit", 2, _ccitt(0, 0)),
    ("crc16-xmodem", 2, lambda message: binascii.crc_hqx(message, 0)),
    ("crc16-ccitt", 2, lambda message: binascii.crc_hqx(message, 0xFFFF)),  # CRC-16/IBM-3740, "CCITT-FALSE"
    ("adler32", 4, zlib.adler32),  # RFC 1950
    ("sum8", 1, lambda message: sum(message) & 0xFF),
    ("xor8", 1, _xor),
)

#: All that have a name. They are written with the highest byte first; with the lowest, if ``-le`` is at the end.
CHECKSUMS: dict[str, Checksum] = {
    checksum.name: checksum
    for name, width, number in _KNOWN
    for checksum in (
        Checksum(name, width, number),
        *([Checksum(f"{name}-le", width, number, "little")] if width > 1 else []),
    )
}
