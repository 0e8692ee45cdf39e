"""Unsigned integers of 1, 2, 3, 4 or 8 bytes: what ``struct`` does, and the three bytes that it does not know."""

from collections.abc import Callable
from struct import Struct

__all__ = ["Pack", "Unpack", "packer", "unpacker"]

#: ``struct.Struct.pack``, or what does the same for three bytes.
Pack = Callable[[int], bytes]
#: ``struct.Struct.unpack_from``, or what does the same for three bytes.
Unpack = Callable[[bytes | bytearray, int], tuple[int, ...]]

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def packer(width: int, byteorder: str) -> Pack:
    """Return what writes such an integer."""
    if width == 3:
        return _pack_big if byteorder == "big" else _pack_little
    return _struct(width, byteorder).pack


def unpacker(width: int, byteorder: str) -> Unpack:
    """Return what reads such an integer at a place in a buffer."""
    if width == 3:
        return _unpack_big if byteorder == "big" else _unpack_little
    return _struct(width, byteorder).unpack_from


def _struct(width: int, byteorder: str) -> Struct:
    return Struct((">" if byteorder == "big" else "<") + _FORMATS[width])


def _pack_big(value: int) -> bytes:
    return value.to_bytes(3, "big")


def _pack_little(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _unpack_big(data: bytes | bytearray, start: int) -> tuple[int]:
    return (int.from_bytes(data[start : start + 3], "big"),)


def _unpack_little(data: bytes | bytearray, start: int) -> tuple[int]:
    return (int.from_bytes(data[start : start + 3], "little"),)
