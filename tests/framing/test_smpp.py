"""SMPP, with PDUs as section 4 of its specification lays them out."""

import pytest

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Smpp, parse_framing
from mezha.testing import laws

ENQUIRE_LINK = bytes.fromhex("00000010 00000015 00000000 00000007")
#: Section 3.2, the example of a PDU: bind_transmitter, for SMPP3TEST with the password secret08.
BIND = bytes.fromhex(
    "0000002f 00000002 00000000 00000001 534d50503354455354 00 7365637265743038 00 5355424d495431 00 00 01 01 00"
)


def test_each_message_is_a_whole_pdu() -> None:
    for pdu in (ENQUIRE_LINK, BIND):
        laws.check_inverse(Smpp(), pdu)
    laws.check_any_cut(Smpp(), BIND + ENQUIRE_LINK, 47)
    decoder = Smpp().decoder()
    decoder.feed(BIND + ENQUIRE_LINK)
    assert decoder.take(9) == [BIND, ENQUIRE_LINK]
    assert parse_framing("smpp") == Smpp()


def test_what_is_no_pdu() -> None:
    with pytest.raises(FramingError, match=r"^SMPP PDUs have 16 to 4294967295 bytes, and this header says 15$"):
        Smpp().split(bytearray.fromhex("0000000f"), 1000)
    with pytest.raises(MessageTooLarge, match="Its first bytes are b'SSH-': this looks like an SSH banner"):
        Smpp().split(bytearray(b"SSH-2.0-OpenSSH"), 1000)
