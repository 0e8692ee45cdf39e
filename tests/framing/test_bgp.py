"""BGP: messages as RFC 4271, section 4 lays them out."""

import re

import pytest

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Bgp, parse_framing
from mezha.testing import laws

MARKER = b"\xff" * 16
KEEPALIVE = MARKER + bytes.fromhex("0013 04")
#: Version 4, AS 65001, a hold time of 90 s, 127.0.0.1, no options.
OPEN = MARKER + bytes.fromhex("001d 01 04 fde9 005a 7f000001 00")


def test_each_message_is_whole() -> None:
    for message in (OPEN, KEEPALIVE):
        laws.check_inverse(Bgp(), message)
    laws.check_any_cut(Bgp(), OPEN + KEEPALIVE, 29)
    decoder = Bgp().decoder()
    decoder.feed(OPEN + KEEPALIVE)
    assert decoder.take(9) == [OPEN, KEEPALIVE]
    assert parse_framing("bgp") == Bgp()


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (MARKER[:15] + b"\0", r"byte 15 of every BGP message is 0xff, and here it is '\x00' (0x00)"),
        (MARKER + b"\0\x12", "BGP messages have 19 to 65535 bytes, and this header says 18"),
    ],
)
def test_what_is_no_message(wire: bytes, why: str) -> None:
    with pytest.raises(FramingError, match="^" + re.escape(why) + "$"):
        Bgp().split(bytearray(wire), 1000)


def test_extended_messages_are_a_matter_of_the_limit() -> None:
    large = MARKER + (4097).to_bytes(2, "big") + b"\x02"
    assert not isinstance(Bgp().split(bytearray(large), 65535), Exception)
    with pytest.raises(MessageTooLarge):
        Bgp().split(bytearray(large), 4096)
