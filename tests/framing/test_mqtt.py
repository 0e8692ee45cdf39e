"""Mqtt: the fixed header, as the standards give it, and nothing that they do not."""

import pytest
from forgiving import TOO_LARGE, told
from hypothesis import given
from hypothesis import strategies as st
from vast import Vast

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Mqtt, Need, Skipping
from mezha.testing import laws

framing = Mqtt()
LONGEST = 268_435_455
#: A PUBLISH of "Hello!" to the topic "a".
PUBLISH = bytes.fromhex("30 09 00 01 61") + b"Hello!"


def split(data: bytes, limit: int = 1 << 30) -> Frame | Need:
    return framing.split(bytearray(data), limit)


def test_a_packet_stays_as_it_is() -> None:
    assert framing.encode(PUBLISH) == (PUBLISH,)
    assert framing.encode(PUBLISH[:1], PUBLISH[1:3], PUBLISH[3:]) == (PUBLISH[:1], PUBLISH[1:3], PUBLISH[3:])
    assert split(PUBLISH + PUBLISH) == Frame(0, len(PUBLISH), len(PUBLISH))
    assert split(b"\xc0\0") == Frame(0, 2, 2)  # PINGREQ
    assert split(PUBLISH, len(PUBLISH)) == Frame(0, len(PUBLISH), len(PUBLISH))
    large = bytes.fromhex("30 80 80 80 01"), bytearray(1 << 21)
    assert framing.encode(*large)[1] is large[1]


#: MQTT 3.1.1, table 2.4, and 5.0, table 1-1: the ends of what each number of bytes can say.
@pytest.mark.parametrize(
    ("length", "written"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "80 01"),
        (16_383, "ff 7f"),
        (16_384, "80 80 01"),
        (2_097_151, "ff ff 7f"),
        (2_097_152, "80 80 80 01"),
        (LONGEST, "ff ff ff 7f"),
    ],
)
def test_a_remaining_length_and_how_it_is_written(length: int, written: str) -> None:
    header = b"\x30" + bytes.fromhex(written)
    size = len(header) + length
    assert framing.encode(header, Vast(length))[0] == header
    assert split(header) == (Need(size) if length else Frame(0, size, size))
    for there in range(1, len(header)):
        assert split(header[:there]) == Need(there + 1)
    with pytest.raises(MessageTooLarge) as caught:
        split(header, size - 1)
    assert (caught.value.size, caught.value.limit) == (size, size - 1)
    assert str(caught.value) == (
        f"the peer announced a message of {size} bytes; this side takes at most {size - 1} (max_message)"
    )


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("30 80 00", "a remaining length written in more bytes than it needs: 80 00"),
        ("30 ff ff ff 00", "a remaining length written in more bytes than it needs: ff ff ff 00"),
        ("30 80 80 80 80", "a remaining length of more than 4 bytes: 80 80 80 80"),
        ("30 ff ff ff ff 7f", "a remaining length of more than 4 bytes: ff ff ff ff"),
        ("47 45 54 20", "no MQTT packet begins with 'G' (0x47)"),
        ("00 00", "no MQTT packet begins with '\\x00' (0x00)"),
    ],
)
def test_what_is_no_packet(header: str, text: str) -> None:
    wrong = bytes.fromhex(header)
    for behind in (b"", b"more"):
        with pytest.raises(FramingError) as caught:
            split(wrong + behind)
        assert str(caught.value) == text
    laws.check_any_cut(framing, PUBLISH + wrong, 100)
    with pytest.raises(LocalProtocolError) as refused:
        framing.encode(wrong)
    assert str(refused.value) == f"the message is no MQTT packet: {text}: nothing was sent"


def test_which_packets_there_are() -> None:
    begins = {first for first in range(256) if not laws.refuses(framing, bytes((first, 0)))}
    publish = {0x30 | flags for flags in range(16)} - {0x36, 0x37, 0x3E, 0x3F}  # quality of service 3
    assert begins == publish | {0x62, 0x82, 0xA2} | {kind << 4 for kind in (1, 2, 4, 5, 7, 9, 11, 12, 13, 14, 15)}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", "an empty message is no MQTT packet: nothing was sent"),
        (b"\x30", "the message is no MQTT packet: it has not ended after 1 bytes: nothing was sent"),
        (b"\x30\x80", "the message is no MQTT packet: it has not ended after 2 bytes: nothing was sent"),
        (b"\x30\2a", "the message has 3 bytes, and the MQTT packet in it ends after 4: nothing was sent"),
        (b"\xc0\0\xc0\0", "the message has 4 bytes, and the MQTT packet in it ends after 2: nothing was sent"),
    ],
)
def test_what_is_not_one_packet_is_not_sent(message: bytes, text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        framing.encode(message)
    assert str(caught.value) == text


@given(st.binary(max_size=8), st.integers(0, 200))
def test_the_limit_counts_the_header(rest: bytes, limit: int) -> None:
    laws.check_any_cut(framing, b"\x30" + rest, limit)


def test_a_length_costs_no_memory() -> None:
    laws.check_takes_no_memory(framing, b"\x30\xff\xff\xff\x7f abc", 1 << 30)


def test_a_packet_over_the_limit_can_be_skipped() -> None:
    ping = b"\xc0\0"
    assert told(Skipping(framing), ping + PUBLISH + ping + b"\x30\xff\1" + bytes(255) + ping, 10) == [
        ping,
        TOO_LARGE,
        ping,
        TOO_LARGE,
        ping,
    ]


def test_it_has_no_options() -> None:
    assert str(framing) == "mqtt"
    assert Mqtt.parse([]) == framing
    with pytest.raises(ValueError, match=r"^it takes no options$"):
        Mqtt.parse(["5"])
