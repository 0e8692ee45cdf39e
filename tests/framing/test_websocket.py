"""WebSocket: the frames of RFC 6455, joined and unmasked, with the kind of the message in front."""

import subprocess
import sys

import pytest
from forgiving import TOO_LARGE, told
from hypothesis import given
from hypothesis import strategies as st
from vast import Vast

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Need, Skipping, WebSocket
from mezha.testing import laws

framing = WebSocket()
client = WebSocket(masked=True)
ANY = 1 << 70


def split(data: str | bytes, limit: int = ANY) -> Frame | Need:
    return framing.split(bytearray(bytes.fromhex(data) if isinstance(data, str) else data), limit)


def messages(data: str | bytes, limit: int = 1000) -> list[bytes]:
    decoder = framing.decoder(limit=limit)
    decoder.feed(bytes.fromhex(data) if isinstance(data, str) else data)
    return list(decoder)


#: RFC 6455, section 5.7.
@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ("81 05 48 65 6c 6c 6f", b"\x81Hello"),
        ("81 85 37 fa 21 3d 7f 9f 4d 51 58", b"\x81Hello"),
        ("01 03 48 65 6c 80 02 6c 6f", b"\x81Hello"),
        ("89 05 48 65 6c 6c 6f", b"\x89Hello"),
        ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", b"\x8aHello"),
        ("82 7e 01 00" + "61" * 256, b"\x82" + b"a" * 256),
        ("82 7f 00 00 00 00 00 01 00 00" + "61" * 65536, b"\x82" + b"a" * 65536),
    ],
)
def test_the_examples_of_the_rfc(wire: str, message: bytes) -> None:
    end = len(bytes.fromhex(wire))
    assert split(wire, len(message)) == Frame(0, end, end, message)
    assert split(wire + "81 00", len(message)) == Frame(0, end, end, message)


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (0, "00"),
        (125, "7d"),
        (126, "7e 00 7e"),
        (65535, "7e ff ff"),
        (65536, "7f 00 00 00 00 00 01 00 00"),
    ],
)
def test_a_length_and_how_it_is_written(size: int, length: str) -> None:
    header = b"\x82" + bytes.fromhex(length)
    payload = bytes(size)
    assert b"".join(framing.encode(b"\x82", payload)) == header + payload
    assert split(header) == (Need(len(header) + size, (0, 1)) if size else Frame(0, 2, 2, b"\x82"))
    masked = b"".join(client.encode(b"\x82", payload))
    assert masked[: len(header)] == header[:1] + bytes((header[1] | 0x80,)) + header[2:]
    assert len(masked) == len(header) + 4 + size
    assert messages(masked, size + 1) == [b"\x82" + payload]


def test_parts_come_back_as_they_are() -> None:
    large = bytearray(1 << 20)
    assert framing.encode(b"", b"\x82a", b"", large)[:2] == (b"\x82\x7f\0\0\0\0\0\x10\0\x01", b"a")
    assert framing.encode(b"\x82a", large)[2] is large


def test_a_length_of_64_bits_cannot_be_written() -> None:
    assert framing.encode(b"\x82", Vast(2**63 - 1))[0] == b"\x82\x7f\x7f" + b"\xff" * 7
    with pytest.raises(LocalProtocolError) as caught:
        framing.encode(b"\x82", Vast(2**63 - 1), b"x")
    assert str(caught.value) == f"a payload of {2**63} bytes does not fit a length of 63 bits: nothing was sent"
    assert (caught.value.size, caught.value.limit) == (2**63 + 1, 2**63)


def test_the_mask_follows_from_the_payload_and_a_secret() -> None:
    hello, again, other = (b"".join(client.encode(message)) for message in (b"\x81Hello", b"\x82Hello", b"\x81Hellp"))
    assert hello[2:] == again[2:]
    assert hello[2:6] != other[2:6]
    code = "from mezha import WebSocket; print(WebSocket(masked=True).encode(b'\\x81Hello')[0].hex())"
    elsewhere = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30)
    assert bytes.fromhex(elsewhere.stdout)[2:] != hello[2:6]  # once in 2**32 runs of this test


@given(st.binary(max_size=20), st.binary(min_size=4, max_size=4))
def test_a_mask_is_taken_off(payload: bytes, key: bytes) -> None:
    masked = bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
    assert messages(bytes((0x81, 0x80 | len(payload))) + key + masked) == [b"\x81" + payload]


# -- fragments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("02 00 00 00 80 00", [b"\x82"]),  # nothing, in three fragments
        ("01 01 61 80 00", [b"\x81a"]),
        ("01 01 61 00 81 00 00 00 00 62 80 81 20 20 20 20 43", [b"\x81abc"]),
        # a ping between two fragments comes between two parts of the message
        ("01 01 61 89 00 80 01 62", [b"\x01a", b"\x89", b"\x80b"]),
        ("02 01 61 00 01 62 8a 00 00 01 63 80 01 64", [b"\x02ab", b"\x8a", b"\x80cd"]),
        ("02 01 61 89 00 00 01 62 89 00 80 01 63", [b"\x02a", b"\x89", b"\x00b", b"\x89", b"\x80c"]),
        ("01 01 61 88 02 03 e8", [b"\x01a", b"\x88\x03\xe8"]),
    ],
)
def test_fragments_are_joined_as_far_as_nothing_stands_between(wire: str, expected: list[bytes]) -> None:
    assert messages(wire) == expected
    laws.check_split(framing, bytes.fromhex(wire), 1000)
    laws.check_any_cut(framing, bytes.fromhex(wire), 1000)


def test_a_fragment_waits_for_what_comes_next() -> None:
    assert split("01 01 61") == Need(4, (3, 2))
    assert split("01 01 61 89") == Frame(0, 3, 3, b"\x01a")
    assert split("01 01 61 00") == Need(5, (3, 2))


def test_a_message_begins_only_where_none_has_not_ended() -> None:
    for kind in (0x01, 0x82):
        with pytest.raises(FramingError) as caught:
            split(b"\x01\x01a" + bytes((kind,)))
        assert str(caught.value) == f"a message of kind 0x{kind:02x} begins where another has not ended"


def test_fragments_of_nothing_do_not_go_on_for_ever() -> None:
    assert messages(b"\x02\0" + b"\0\0" * 500 + b"\x80\0") == [b"\x82"]
    stream = b"\x02\1a" + b"\0\0" * 1000
    with pytest.raises(FramingError) as caught:
        split(stream)
    assert str(caught.value) == "the fragments of a message have 1041 bytes, for 1 of payload"
    assert messages(b"\x02\1a" + b"\0\1a" * 4000 + b"\x80\0", 4002) == [b"\x82" + b"a" * 4001]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ("c1", "a frame that begins with 0xc1 is of an extension, and none was agreed on"),
        ("91", "a frame that begins with 0x91 is of an extension, and none was agreed on"),
        ("47 45 54", "a frame that begins with 0x47 is of an extension, and none was agreed on"),
        ("83", "a frame that begins with 0x83: there is no opcode 3"),
        ("8f", "a frame that begins with 0x8f: there is no opcode 15"),
        ("09", "a frame that begins with 0x09: a control frame has no fragments"),
        ("89 7e", "a control frame carries 125 bytes at most, and this one announces more"),
        ("88 ff", "a control frame carries 125 bytes at most, and this one announces more"),
        ("81 7e 00 7d", "a length of 125 is not written as 00 7d"),
        ("81 fe 00 7d", "a length of 125 is not written as 00 7d"),
        ("81 7f 00 00 00 00 00 00 ff ff", "a length of 65535 is not written as 00 00 00 00 00 00 ff ff"),
        ("81 7f 80 00 00 00 00 00 00 00", f"a length of {2**63} is not written as 80 00 00 00 00 00 00 00"),
    ],
)
def test_what_is_no_frame(wire: str, text: str) -> None:
    for behind in ("", "00 00"):
        with pytest.raises(FramingError) as caught:
            split(wire + behind)
        assert str(caught.value) == text
    laws.check_any_cut(framing, bytes.fromhex("81 00 01 01 61" + wire + "00"), ANY)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", "this one is empty"),
        (b"Hello!", "this one begins with 0x48"),
        (b"\1a", "this one begins with 0x01"),
        (b"\x80a", "this one begins with 0x80"),
        (b"\x83", "this one begins with 0x83"),
    ],
)
def test_a_message_without_a_kind_is_not_sent(message: bytes, text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        framing.encode(b"", message)
    assert str(caught.value) == (
        f"a message begins with its kind: 81 text, 82 bytes, 88 close, 89 ping, 8a pong; and {text}: nothing was sent"
    )


def test_a_control_frame_is_short() -> None:
    laws.check_inverse(framing, b"\x89" + bytes(125))
    with pytest.raises(LocalProtocolError) as caught:
        framing.encode(b"\x89", bytes(126))
    assert str(caught.value) == "a control frame carries 125 bytes at most, and this one would 126: nothing was sent"
    assert (caught.value.size, caught.value.limit) == (127, 126)


@pytest.mark.parametrize(
    ("wire", "limit", "size", "text"),
    [
        ("81 03", 3, 4, "a message of 4 bytes"),
        ("81 00", 0, 1, "a message of 1 bytes"),
        ("81 ff 7f ff ff ff ff ff ff ff", 2**63 - 1, 2**63, f"a message of {2**63} bytes"),
        ("01 03", 3, None, "a message of 4 bytes or more"),
        ("01 02 61 62 80 01", 3, 4, "a message of 4 bytes"),
        ("01 02 61 62 00 01", 3, None, "a message of 4 bytes or more"),
    ],
)
def test_what_is_over_the_limit_is_refused_as_soon_as_it_shows(
    wire: str, limit: int, size: int | None, text: str
) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        split(wire, limit)
    assert (caught.value.size, caught.value.limit) == (size, limit)
    assert str(caught.value) == f"the peer announced {text}; this side takes at most {limit} (max_message)"
    laws.check_any_cut(framing, bytes.fromhex(wire), limit)


# -- and the laws ------------------------------------------------------------------------------------------------------

signs = st.sampled_from((0, 0, 1, 1, 2, 3, 0x80, 0x81, 0x82, 0x83, 0x89, 0x7E, 0x7F, 0xFF))


@given(st.lists(signs, max_size=20).map(bytes), st.integers(0, 9))
def test_any_bytes_are_judged_alike_at_every_cut(rest: bytes, limit: int) -> None:
    for stream in (rest, b"\x01\0" + rest):
        laws.check_split(framing, stream, limit)
        laws.check_any_cut(framing, stream, limit)


def test_many_fragments_are_not_read_again() -> None:
    for each in (b"\0\1a", b"\0\x81abcdx"):
        stream = b"\x02\1a" + each * 2000 + b"\x80\0"
        metered = laws.Metered(framing)
        decoder = metered.decoder()
        for byte in stream:
            assert not decoder.take()
            decoder.feed(bytes((byte,)))
        assert [len(message) for message in decoder.take(9)] == [2002]
        assert metered.looked <= 8 * len(stream)
    laws.check_linear(client, b"\x82" + bytes(1 << 15))


def test_a_length_costs_no_memory() -> None:
    laws.check_takes_no_memory(framing, bytes.fromhex("82 7f 00 00 00 00 03 ff ff ff") + b"abc", 1 << 30)


def test_a_message_over_the_limit_can_be_skipped() -> None:
    one = b"\x81\1a"
    for large in (
        "82 06 61 62 63 64 65 66",
        "02 03 61 62 63 00 00 80 03 64 65 66",
        "82 86 00 00 00 00 61 62 63 64 65 66",
    ):
        stream = one + bytes.fromhex(large) + one
        assert told(Skipping(framing), stream, 5) == [b"\x81a", TOO_LARGE, b"\x81a"]
        laws.check_forgiving(Skipping(framing), stream, 5)


def test_what_is_skipped_ends_at_a_control_frame_at_the_latest() -> None:
    begun = b"\x02\6abcdef"
    assert told(Skipping(framing), begun + b"\x89\0\x80\1g") == [TOO_LARGE, b"\x89", b"\x80g"]
    text = "FramingError: a message of kind 0x81 begins where another has not ended"
    assert told(Skipping(framing), begun + b"\x81\1a") == [TOO_LARGE, text]
    for behind in (b"\x89\0", b"\x81\1a", b"\0\7abcdefg\x80\0"):
        laws.check_forgiving(Skipping(framing), begun + behind, 5)


def test_the_string_form() -> None:
    assert (str(framing), str(client)) == ("websocket", "websocket:masked")
    assert WebSocket.parse([]) == framing
    assert WebSocket.parse(["masked"]) == client
    for options in (["client"], ["masked", "masked"]):
        with pytest.raises(ValueError, match=r"^its one option is 'masked': write as a client does$"):
            WebSocket.parse(options)
