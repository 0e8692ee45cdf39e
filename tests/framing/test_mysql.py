"""MySQL: packets, and payloads that take several of them."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, MySql, Need, parse_framing
from mezha.testing import laws
from mezha.testing.strategies import cuttings, in_parts

SELECT = bytes.fromhex("090000 00 03") + b"SELECT 1"
#: Bytes that fill a packet, in the tests that do not fill 16 MiB.
FULL = 3


@pytest.fixture(scope="module")
def small_packets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mezha.framing.mysql._FULL", FULL)
        yield


def test_a_packet_is_its_number_and_its_payload() -> None:
    assert MySql().split(bytearray(SELECT * 2), 10) == Frame(3, 13, 13)
    assert b"".join(MySql().encode(b"\0", b"\3SELECT 1")) == SELECT
    assert MySql().encode(b"\7") == (b"\0\0\0", b"\7")
    laws.check_inverse(MySql(), SELECT[3:])
    laws.check_any_cut(MySql(), SELECT * 2, 10)
    assert parse_framing("mysql") == MySql()


def test_an_empty_message_has_no_number() -> None:
    with pytest.raises(LocalProtocolError, match="begins with a number, and this one is empty: nothing was sent"):
        MySql().encode(b"")


@pytest.mark.parametrize("payload", [2**24 - 2, 2**24 - 1, 2**24, 2 * (2**24 - 1)])
def test_payloads_about_what_fills_a_packet(payload: int) -> None:
    message = b"\xff" + bytes(payload)
    wire = b"".join(MySql().encode(message))
    packets, rest = divmod(payload, 2**24 - 1)
    assert len(wire) == payload + 4 * (packets + 1)
    last = (rest.to_bytes(3, "little") + bytes([0xFF + packets & 0xFF])).ljust(4 + rest, b"\0")
    assert wire.endswith(last)
    decoder = MySql().decoder(limit=len(message))
    decoder.feed(wire)
    assert decoder.take() == [message]


@pytest.mark.usefixtures("small_packets")
class TestSmallPackets:
    """With packets that three bytes fill, all laws can be tried on payloads that take several."""

    @given(st.data(), st.binary(min_size=1, max_size=20))
    def test_inverse(self, data: st.DataObject, message: bytes) -> None:
        laws.check_inverse(MySql(), message)
        parts = data.draw(in_parts(message))
        assert b"".join(MySql().encode(*parts)) == b"".join(MySql().encode(message))

    @given(
        st.lists(st.sampled_from(b"\3\0\0\1\2\3\3") | st.integers(0, 255), max_size=30).map(bytes), st.integers(0, 9)
    )
    def test_any_cut_gives_the_same(self, stream: bytes, limit: int) -> None:
        laws.check_any_cut(MySql(), stream, limit)
        laws.check_split(MySql(), stream, limit)

    @given(st.lists(st.binary(min_size=1, max_size=12), max_size=4), st.data())
    def test_streams_of_several_packets(self, messages: list[bytes], data: st.DataObject) -> None:
        wire = b"".join(b"".join(MySql().encode(message)) for message in messages)
        decoder = MySql().decoder(limit=12)
        found: list[bytes] = []
        for piece in data.draw(cuttings(wire)):
            decoder.feed(piece)
            found += decoder
        assert found == messages

    def test_on_the_wire(self) -> None:
        packets = b"\3\0\0\xffabc\3\0\0\0def\0\0\0\1"
        assert b"".join(MySql().encode(b"\xffabcdef")) == packets
        assert MySql().split(bytearray(packets + SELECT), 7) == Frame(0, 18, 18, b"\xffabcdef")
        laws.check_linear(MySql(), bytes(2000))

    def test_what_it_waits_for(self) -> None:
        assert MySql().split(bytearray(b"\3\0\0"), 9) == Need(7, 0)
        assert MySql().split(bytearray(b"\3\0\0\0abc"), 9) == Need(10, 7)
        assert MySql().split(bytearray(b"\3\0\0\0abc\2\0\0"), 9, 7) == Need(11, 7)
        assert MySql().split(bytearray(b"\3\0\0\0abc\2\0\0\1"), 9, 7) == Need(13, 7)

    def test_a_packet_out_of_turn_is_refused(self) -> None:
        with pytest.raises(FramingError, match=r"^a payload goes on in a packet of number 2, and not of 1$"):
            MySql().split(bytearray(b"\3\0\0\0abc\2\0\0\2"), 9)

    def test_over_the_limit(self) -> None:
        with pytest.raises(MessageTooLarge, match="a message of 4 bytes or more"):
            MySql().split(bytearray(b"\3\0\0"), 3)
        with pytest.raises(MessageTooLarge, match="a message of 6 bytes;") as caught:
            MySql().split(bytearray(b"\3\0\0\0abc\2\0\0"), 5)
        assert (caught.value.size, caught.value.limit) == (6, 5)


def test_a_stranger_is_recognised() -> None:
    with pytest.raises(MessageTooLarge, match=re.escape("Its first bytes are b'SSH': this looks like an SSH banner")):
        MySql().split(bytearray(b"SSH-2.0-OpenSSH"), 1000)
