"""Diameter: a watchdog's request and answer, as RFC 6733, section 5.5 defines them."""

import re

import pytest

from mezha.errors import FramingError
from mezha.framing import Diameter, parse_framing
from mezha.testing import laws

#: Origin-Host "me.test", Origin-Realm "test"; in the answer a Result-Code before them.
HOST = bytes.fromhex("00000108 4000000f") + b"me.test\0"
REALM = bytes.fromhex("00000128 4000000c") + b"test"
REQUEST = bytes.fromhex("01000030 80000118 00000000 0000000a 0000000b") + HOST + REALM
ANSWER = bytes.fromhex("0100003c 00000118 00000000 0000000a 0000000b 0000010c 4000000c 000007d1") + HOST + REALM


def test_each_message_is_whole() -> None:
    for message in (REQUEST, ANSWER):
        laws.check_inverse(Diameter(), message)
    laws.check_any_cut(Diameter(), REQUEST + ANSWER, 60)
    decoder = Diameter().decoder()
    decoder.feed(REQUEST + ANSWER)
    assert decoder.take(9) == [REQUEST, ANSWER]
    assert parse_framing("diameter") == Diameter()


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        ("02", r"byte 0 of every Diameter message is 0x01, and here it is '\x02' (0x02)"),
        ("01000010", "Diameter messages have 20 to 16777212 bytes, a multiple of 4, and this header says 16"),
        ("01000015", "Diameter messages have 20 to 16777212 bytes, a multiple of 4, and this header says 21"),
    ],
)
def test_what_is_no_message(wire: str, why: str) -> None:
    with pytest.raises(FramingError, match="^" + re.escape(why) + "$"):
        Diameter().split(bytearray.fromhex(wire), 1 << 30)
