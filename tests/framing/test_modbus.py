"""Modbus/TCP, with the examples of its application protocol specification."""

import re

import pytest

from mezha.errors import FramingError
from mezha.framing import Modbus, parse_framing
from mezha.testing import laws

#: Section 6.3, "Read Holding Registers": the request, the response, and an exception in its place.
REQUEST = bytes.fromhex("0001 0000 0006 11 03 006b 0003")
RESPONSE = bytes.fromhex("0001 0000 0009 11 03 06 022b 0000 0064")
EXCEPTION = bytes.fromhex("0001 0000 0003 11 83 02")


def test_each_message_is_a_whole_unit() -> None:
    for unit in (REQUEST, RESPONSE, EXCEPTION):
        laws.check_inverse(Modbus(), unit)
    laws.check_any_cut(Modbus(), REQUEST + RESPONSE + EXCEPTION, 15)
    decoder = Modbus().decoder()
    decoder.feed(REQUEST + RESPONSE + EXCEPTION)
    assert decoder.take(9) == [REQUEST, RESPONSE, EXCEPTION]
    assert parse_framing("modbus") == Modbus()


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        ("0001 0001", r"byte 3 of every Modbus/TCP unit is 0x00, and here it is '\x01' (0x01)"),
        ("0001 0000 0001", "Modbus/TCP units have 8 to 260 bytes, and this header says 7"),
        ("0001 0000 00ff", "Modbus/TCP units have 8 to 260 bytes, and this header says 261"),
    ],
)
def test_what_is_no_unit(wire: str, why: str) -> None:
    with pytest.raises(FramingError, match="^" + re.escape(why) + "$"):
        Modbus().split(bytearray.fromhex(wire), 1000)


def test_the_largest_unit() -> None:
    unit = bytes.fromhex("0001 0000 00fe") + bytes(254)
    laws.check_inverse(Modbus(), unit)
    assert laws.refuses(Modbus(), bytes.fromhex("0001 0000 00ff") + bytes(255))
