"""LengthPrefixed: every frame that Netty's LengthFieldBasedFrameDecoder describes, as a value that can also encode."""

import pickle
import re
from typing import Any

import pytest
from forgiving import TOO_LARGE, cut_off, told
from framing.plainly import plainly
from hypothesis import example, given
from hypothesis import strategies as st
from vast import Vast

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Framing, LengthPrefixed, Need, Resyncing, Skipping, parse_framing
from mezha.testing import laws
from mezha.testing.strategies import length_prefixed

HELLO = b"HELLO, WORLD"


@pytest.mark.parametrize(
    ("framing", "wire", "message"),
    [
        # The seven examples in the documentation of Netty's LengthFieldBasedFrameDecoder.
        (LengthPrefixed(2, strip=0), "000C" + HELLO.hex(), b"\x00\x0c" + HELLO),
        (LengthPrefixed(2), "000C" + HELLO.hex(), HELLO),
        (LengthPrefixed(2, adjust=-2, strip=0), "000E" + HELLO.hex(), b"\x00\x0e" + HELLO),
        (LengthPrefixed(3, offset=2, strip=0), "CAFE 00000C" + HELLO.hex(), b"\xca\xfe\x00\x00\x0c" + HELLO),
        (LengthPrefixed(3, adjust=2, strip=0), "00000C CAFE" + HELLO.hex(), b"\x00\x00\x0c\xca\xfe" + HELLO),
        (LengthPrefixed(2, offset=1, adjust=1, fixed=b"\xca"), "CA 000C FE" + HELLO.hex(), b"\xfe" + HELLO),
        (LengthPrefixed(2, offset=1, adjust=-3, fixed=b"\xca"), "CA 0010 FE" + HELLO.hex(), b"\xfe" + HELLO),
        # Every width in either order.
        (LengthPrefixed(1), "0C" + HELLO.hex(), HELLO),
        (LengthPrefixed(3), "00000C" + HELLO.hex(), HELLO),
        (LengthPrefixed(), "0000000C" + HELLO.hex(), HELLO),
        (LengthPrefixed(8), "000000000000000C" + HELLO.hex(), HELLO),
        (LengthPrefixed(1, "little"), "0C" + HELLO.hex(), HELLO),
        (LengthPrefixed(2, "little"), "0C00" + HELLO.hex(), HELLO),
        (LengthPrefixed(3, "little"), "0C0000" + HELLO.hex(), HELLO),
        (LengthPrefixed(4, "little"), "0C000000" + HELLO.hex(), HELLO),
        (LengthPrefixed(8, "little"), "0C00000000000000" + HELLO.hex(), HELLO),
        # Fixed bytes on both sides of the length; part of the header kept; a length of nothing but itself.
        (LengthPrefixed(2, offset=1, strip=5, adjust=2, fixed=b"abc"), "61 000C 6263" + HELLO.hex(), HELLO),
        (LengthPrefixed(2, offset=2, strip=1, fixed=b"a"), "61 62 000C" + HELLO.hex(), b"b\x00\x0c" + HELLO),
        (LengthPrefixed(4, adjust=-4), "00000004", b""),
        (LengthPrefixed(1, adjust=-255), "FF", b""),
        (LengthPrefixed(1, "big", strip=0), "00", b"\0"),
    ],
    ids=plainly,
)
def test_frames_and_what_they_carry(framing: LengthPrefixed, wire: str, message: bytes) -> None:
    frame = bytes.fromhex(wire)
    assert b"".join(framing.encode(message)) == frame
    assert framing.split(bytearray(frame), 100) == Frame(framing.strip, len(frame), len(frame))
    assert framing.run()(frame * 2, 0, 100, 9) == ([message] * 2, 2 * len(frame))
    laws.check_inverse(framing, message)
    laws.check_any_cut(framing, frame, 100)
    assert parse_framing(str(framing)) == framing


def test_parts_come_back_as_they_are() -> None:
    one, two = bytes(100_000), bytearray(100_000)
    header, *parts = LengthPrefixed().encode(one, two)
    assert header == (200_000).to_bytes(4, "big")
    assert parts[0] is one
    assert parts[1] is two
    message = bytes(header) + one + two
    kept = LengthPrefixed(strip=0).encode(message)
    assert len(kept) == 1
    assert kept[0] is message


@given(framing=length_prefixed(), message=st.binary(max_size=300))
@example(framing=LengthPrefixed(1), message=bytes(256))
@example(framing=LengthPrefixed(1, adjust=5), message=bytes(4))
@example(framing=LengthPrefixed(1, strip=0), message=b"\xff" + bytes(255))
@example(framing=LengthPrefixed(1, strip=0, adjust=5), message=bytes(5))
@example(framing=LengthPrefixed(2, strip=0), message=b"\0")
@example(framing=LengthPrefixed(2, strip=0), message=b"\0\2a")
def test_it_refuses_exactly_what_would_arrive_otherwise(framing: LengthPrefixed, message: bytes) -> None:
    head = framing.offset + framing.width
    value = len(message) + framing.strip - head - framing.adjust
    fits = 0 <= value < 256**framing.width
    if framing.strip < head:
        own = message[framing.offset - framing.strip : head - framing.strip]
        fits = fits and own == value.to_bytes(framing.width, framing.byteorder) and len(message) >= head - framing.strip
    assert laws.refuses(framing, message) == (not fits)


@pytest.mark.parametrize(
    ("framing", "message", "text", "size", "limit"),
    [
        (
            LengthPrefixed(1),
            bytes(256),
            "a message of 256 bytes does not fit a length field of 1 bytes, which ends at 255: nothing was sent",
            256,
            255,
        ),
        (
            LengthPrefixed(1, adjust=-1),
            bytes(255),
            "a message of 255 bytes does not fit a length field of 1 bytes, which ends at 254: nothing was sent",
            255,
            254,
        ),
        (
            LengthPrefixed(4),
            Vast(2**32),
            (
                "a message of 4294967296 bytes does not fit a length field of 4 bytes, which ends at 4294967295: "
                "nothing was sent"
            ),
            2**32,
            2**32 - 1,
        ),
        (
            LengthPrefixed(1, strip=0),
            bytes(257),
            "a message of 257 bytes does not fit a length field of 1 bytes, which ends at 256: nothing was sent",
            257,
            256,
        ),
        (
            LengthPrefixed(2, adjust=5),
            b"four",
            "a message of 4 bytes is shorter than the 5 that length:2:big:adjust=5 adds: nothing was sent",
            4,
            None,
        ),
        (
            LengthPrefixed(2, offset=2, strip=1, fixed=b"a"),
            b"\0\0",
            "the message has 2 bytes, and 3 bytes of header belong to it: nothing was sent",
            None,
            None,
        ),
        (
            LengthPrefixed(2, strip=0),
            b"\0\5four",
            "the header in the message says a length of 5, and 4 would be right: nothing was sent",
            None,
            None,
        ),
    ],
)
def test_why_a_message_is_refused(
    framing: LengthPrefixed, message: bytes, text: str, size: int | None, limit: int | None
) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        framing.encode(message)
    assert str(caught.value) == text
    assert (caught.value.size, caught.value.limit) == (size, limit)


def test_a_header_that_is_kept_may_come_in_parts() -> None:
    framing = LengthPrefixed(3, offset=2, strip=1, fixed=b"\xca")
    parts = (b"\xfe", b"\0", memoryview(b"\0\3ab"), b"c")
    assert b"".join(framing.encode(*parts)) == b"\xca\xfe\0\0\3abc"


@pytest.mark.parametrize(
    ("framing", "data", "need"),
    [
        (LengthPrefixed(), b"\0", 4),
        (LengthPrefixed(), b"\0\0\0\5", 9),
        (LengthPrefixed(), b"\0\0\0\5abcd", 9),
        (LengthPrefixed(2, offset=3, fixed=b"abc"), b"a", 2),  # the next byte may be wrong
        (LengthPrefixed(2, offset=3, fixed=b"abc"), b"abc", 5),
        (LengthPrefixed(2, offset=3, strip=1, fixed=b"a"), b"a", 5),
        (LengthPrefixed(2, strip=4, fixed=b"ab", adjust=2), b"\0\5a", 4),
        (LengthPrefixed(2, strip=4, fixed=b"ab", adjust=2), b"\0\5ab", 9),
        (LengthPrefixed(8), b"\0\0\0\0\0\0\0\5", 13),
    ],
    ids=plainly,
)
def test_what_it_needs(framing: LengthPrefixed, data: bytes, need: int) -> None:
    assert framing.split(bytearray(data), 100) == Need(need)


@pytest.mark.parametrize(
    ("framing", "stream", "text"),
    [
        (LengthPrefixed(2, offset=2, fixed=b"ab"), b"ax\0\1c", "byte 1 of a frame must be 0x62 here, and is 0x78"),
        (LengthPrefixed(2, offset=2, fixed=b"ab"), b"zz\0\1c", "byte 0 of a frame must be 0x61 here, and is 0x7a"),
        (LengthPrefixed(2, strip=4, fixed=b"ab"), b"\0\7axcdefg", "byte 3 of a frame must be 0x62 here, and is 0x78"),
        (
            LengthPrefixed(4, adjust=-4),
            b"\0\0\0\3",
            (
                "a length of 3 is impossible here: it would leave -1 bytes behind the length field, "
                "and there are at least 0. Its header is 00 00 00 03: does the peer use another framing?"
            ),
        ),
        (
            LengthPrefixed(4, adjust=-4),
            b"\0\0\0\0",
            (
                "a length of 0 is impossible here: it would leave -4 bytes behind the length field, "
                "and there are at least 0. Its header is 00 00 00 00: does the peer use another framing?"
            ),
        ),
        (
            LengthPrefixed(2, strip=4, fixed=b"ab"),
            b"\0\1ab",
            (
                "a length of 1 is impossible here: it would leave 1 bytes behind the length field, "
                "and there are at least 2. Its header is 00 01: does the peer use another framing?"
            ),
        ),
        (
            LengthPrefixed(2, "little", adjust=-2),
            b"\1\0abc",
            (
                "a length of 1 is impossible here: it would leave -1 bytes behind the length field, "
                "and there are at least 0. Its header is 01 00: does the peer use another framing?"
            ),
        ),
        (
            LengthPrefixed(2, adjust=-300),
            b"\1\0abc",
            (
                "a length of 256 is impossible here: it would leave -44 bytes behind the length field, "
                "and there are at least 0. Its header is 01 00: does the peer use another framing?"
            ),
        ),
    ],
    ids=plainly,
)
def test_bytes_that_are_no_frame(framing: LengthPrefixed, stream: bytes, text: str) -> None:
    with pytest.raises(FramingError) as caught:
        framing.split(bytearray(stream), 1000)
    assert type(caught.value) is FramingError
    assert str(caught.value) == text
    laws.check_split(framing, stream, 1000)
    laws.check_any_cut(framing, stream, 1000)


PLAIN = LengthPrefixed(4)


@pytest.mark.parametrize(
    ("framing", "stream", "size", "why"),
    [
        (PLAIN, b"\0\x10\0\1", 2**20 + 1, ". Its header is 00 10 00 01: does the peer use another framing?"),
        (
            PLAIN,
            b"GET / HTTP/1.1\r\n",
            1195725856,
            ". Its first bytes are b'GET ': this looks like an HTTP request",
        ),
        (PLAIN, b"HTTP/1.1 200 OK\r\n", 1213486160, ". Its first bytes are b'HTTP': this looks like an HTTP response"),
        (PLAIN, b"SSH-2.0-OpenSSH", 1397966893, ". Its first bytes are b'SSH-': this looks like an SSH banner"),
        (
            PLAIN,
            bytes.fromhex("1603010200010001fc0303"),
            369295618,
            (
                ". Its first bytes are b'\\x16\\x03\\x01\\x02': this looks like a TLS ClientHello: "
                "the peer wants TLS, and this side speaks plain TCP"
            ),
        ),
        (
            LengthPrefixed(4, "little"),
            b"GET / HTTP/1.1\r\n",
            542393671,
            ". Its first bytes are b'GET ': this looks like an HTTP request",
        ),
        (
            LengthPrefixed(8),
            b"GET / HTTP/1.1\r\n",
            0x474554202F204854,
            ". Its first bytes are b'GET / HT': this looks like an HTTP request",
        ),
        (
            LengthPrefixed(3),
            b"GET / HTTP/1.1\r\n",
            0x474554,
            ". Its first bytes are b'GET': this looks like an HTTP request",
        ),
        (
            LengthPrefixed(4, "big", offset=2, strip=0),
            b"POST / HTTP/1.1\r\n",
            0x5354202F + 6,
            ". Its first bytes are b'POST /': this looks like an HTTP request",
        ),
        (
            PLAIN,
            (6).to_bytes(4, "little") + b"Hello!",
            100663296,
            ". Read as little-endian the length is 6: does the peer use the other byte order?",
        ),
        (
            LengthPrefixed(4, "little"),
            (6).to_bytes(4, "big") + b"Hello!",
            100663296,
            ". Read as big-endian the length is 6: does the peer use the other byte order?",
        ),
        (
            LengthPrefixed(3, adjust=-3),
            (9).to_bytes(3, "little") + b"Hello!",
            0x090000 - 3,
            ". Read as little-endian the length is 9: does the peer use the other byte order?",
        ),
        (
            LengthPrefixed(4, adjust=-4),
            b"\4\0\0\0",
            0x04000000 - 4,
            ". Read as little-endian the length is 4: does the peer use the other byte order?",
        ),
        (
            LengthPrefixed(4, adjust=(1 << 19) - 6),
            b"\6\0\0\0",
            0x06000000 + (1 << 19) - 6,
            ". Read as little-endian the length is 6: does the peer use the other byte order?",
        ),
        # Read in the other order it would be too large as well, or too small.
        (
            LengthPrefixed(4, adjust=(1 << 19) - 5),
            b"\6\0\0\0",
            0x06000000 + (1 << 19) - 5,
            ". Its header is 06 00 00 00: does the peer use another framing?",
        ),
        (PLAIN, b"\7\0\0\7", 117440519, ". Its header is 07 00 00 07: does the peer use another framing?"),
        (PLAIN, b"\x80\0\x20\0", 0x80002000, ". Its header is 80 00 20 00: does the peer use another framing?"),
        (
            LengthPrefixed(4, adjust=-4),
            b"\3\0\0\0",
            0x03000000 - 4,
            ". Its header is 03 00 00 00: does the peer use another framing?",
        ),
    ],
    ids=plainly,
)
def test_an_absurd_length_is_explained(framing: LengthPrefixed, stream: bytes, size: int, why: str) -> None:
    limit = 1 << 19
    with pytest.raises(MessageTooLarge) as caught:
        framing.split(bytearray(stream), limit)
    assert (caught.value.size, caught.value.limit) == (size, limit)
    assert str(caught.value) == (
        f"the peer announced a message of {size} bytes; this side takes at most {limit} (max_message){why}"
    )
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit)


@given(framing=length_prefixed(), stream=st.binary(max_size=24), limit=st.integers(0, 300))
def test_any_bytes_are_judged_alike_at_every_cut(framing: LengthPrefixed, stream: bytes, limit: int) -> None:
    laws.check_split(framing, framing.fixed[: framing.offset] + stream, limit)
    laws.check_any_cut(framing, framing.fixed[: framing.offset] + stream, limit)


@given(framing=length_prefixed(), data=st.data())
def test_a_byte_that_should_be_fixed_shows_as_soon_as_it_is_there(framing: LengthPrefixed, data: st.DataObject) -> None:
    head = framing.offset + framing.width
    body = bytes(max(framing.adjust, framing.strip - head, 0))
    value = (len(body) - framing.adjust).to_bytes(framing.width, framing.byteorder)
    before, after = framing.fixed[: framing.offset], framing.fixed[framing.offset :]
    frame = bytearray(before + bytes(framing.offset - len(before)) + value + after + body[len(after) :])
    fixed_places = [*range(len(before)), *range(head, head + len(after))]
    if not fixed_places:
        assert framing.split(frame, 1000) == Frame(framing.strip, len(frame), len(frame))
        return
    place = data.draw(st.sampled_from(fixed_places))
    frame[place] ^= data.draw(st.integers(1, 255))
    knowledge = laws.known(framing, bytes(frame), 1000)
    assert knowledge.fault
    assert knowledge.fault.text.startswith(f"byte {place} of a frame must be 0x")
    assert knowledge.fault_at == place + 1
    laws.check_any_cut(framing, bytes(frame), 1000)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"width": 0}, "a length can be 1, 2, 3, 4 or 8 bytes wide, not 0"),
        ({"width": 5}, "a length can be 1, 2, 3, 4 or 8 bytes wide, not 5"),
        ({"byteorder": "native"}, "byteorder is 'big' or 'little', not 'native'"),
        ({"offset": -1}, "offset counts the bytes in front of the length, and cannot be -1"),
        ({"strip": -2}, "strip counts bytes, and cannot be -2"),
        ({"strip": 1}, "strip=1 would cut the length field in two: it stands at 0..4"),
        ({"offset": 2, "strip": 5}, "strip=5 would cut the length field in two: it stands at 2..6"),
        (
            {"offset": 2},
            (
                "2 bytes beside the length are stripped, so encode() must know them: "
                "give fixed= those 2 bytes (not 0), or keep them with a smaller strip="
            ),
        ),
        (
            {"strip": 6, "fixed": b"abc"},
            (
                "2 bytes beside the length are stripped, so encode() must know them: "
                "give fixed= those 2 bytes (not 3), or keep them with a smaller strip="
            ),
        ),
        (
            {"fixed": b"a"},
            (
                "0 bytes beside the length are stripped, so encode() must know them: "
                "give fixed= those 0 bytes (not 1), or keep them with a smaller strip="
            ),
        ),
        ({"width": 1, "adjust": -256}, "with adjust=-256 a length of 1 bytes describes no frame at all"),
        (
            {"width": 1, "adjust": -255, "strip": 2, "fixed": b"a"},
            "with adjust=-255 a length of 1 bytes describes no frame at all",
        ),
    ],
)
def test_what_cannot_be_is_not_constructed(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        LengthPrefixed(**arguments)


@given(
    width=st.integers(0, 9),
    offset=st.integers(-1, 4),
    adjust=st.integers(-300, 300),
    strip=st.integers(-2, 14),
    fixed=st.integers(0, 6).map(bytes),
)
def test_what_is_constructed_carries_a_message(width: int, offset: int, adjust: int, strip: int, fixed: bytes) -> None:
    try:
        framing = LengthPrefixed(width, offset=offset, adjust=adjust, strip=strip, fixed=fixed)
    except ValueError:
        return
    head = offset + width
    behind = max(adjust, framing.strip - head, 0)
    message = bytes(behind - (framing.strip - head))
    if framing.strip < head:
        start = offset - framing.strip
        message = bytes(start) + (behind - adjust).to_bytes(width, "big") + bytes(behind)
    laws.check_inverse(framing, message)


def test_strip_has_a_default_that_is_no_other_value() -> None:
    assert LengthPrefixed(2) == LengthPrefixed(2, strip=2) == LengthPrefixed(2, strip=-1)
    assert LengthPrefixed(2).strip == 2
    assert LengthPrefixed(2) != LengthPrefixed(2, strip=0)


def test_fixed_bytes_are_kept_as_bytes() -> None:
    fixed = bytearray(b"a")
    framing = LengthPrefixed(offset=1, fixed=fixed)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    fixed[:] = b"b"
    assert framing == LengthPrefixed(offset=1, fixed=b"a")
    assert hash(framing) == hash(LengthPrefixed(offset=1, fixed=b"a"))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_a_copy_from_another_process_works(width: int) -> None:
    framing = LengthPrefixed(width, "little", offset=1, fixed=b"*")
    twin = pickle.loads(pickle.dumps(framing))
    assert twin == framing
    assert b"".join(twin.encode(b"abc")) == b"*" + (3).to_bytes(width, "little") + b"abc"
    assert repr(framing) == (
        f"LengthPrefixed(width={width}, byteorder='little', offset=1, adjust=0, strip={width + 1}, fixed=b'*')"
    )


@pytest.mark.parametrize(
    ("framing", "text"),
    [
        (LengthPrefixed(), "length:4:big"),
        (LengthPrefixed(2, "little"), "length:2:little"),
        (
            LengthPrefixed(2, offset=1, adjust=-3, strip=5, fixed=b"\x0aab"),
            "length:2:big:offset=1:adjust=-3:strip=5:fixed=0a6162",
        ),
        (LengthPrefixed(8, strip=0), "length:8:big:strip=0"),
    ],
)
def test_the_string_form_says_what_is_not_usual(framing: LengthPrefixed, text: str) -> None:
    assert str(framing) == text
    assert parse_framing(text) == framing


@pytest.mark.parametrize(
    "options", [["x"], ["4", "x"], ["4", "big", "4"], ["big"], ["4", "big", "offset"], ["width=4"], ["fixed=0"]]
)
def test_other_options_are_refused(options: list[str]) -> None:
    with pytest.raises(ValueError, match=r"is not understood there$|hexadecimal"):
        LengthPrefixed.parse(options)


def test_what_is_not_said_is_as_usual() -> None:
    assert LengthPrefixed.parse([]) == LengthPrefixed.parse(["4"]) == LengthPrefixed()


# -- behind a fault ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("framing", "stream", "found"),
    [
        (LengthPrefixed(1), b"\1a\6abcdef\1b", [b"a", TOO_LARGE, b"b"]),
        (LengthPrefixed(1), b"\6abcdef", [TOO_LARGE]),
        (LengthPrefixed(1), b"\6abcde", [TOO_LARGE, cut_off(6, 7)]),
        (LengthPrefixed(1), b"\6", [TOO_LARGE, cut_off(1, 7)]),
        (LengthPrefixed(8), b"\xff" * 8, [TOO_LARGE, cut_off(8, 2**64 + 7)]),
        (LengthPrefixed(1, offset=1, adjust=-2, strip=0), b"a\7abcdea\3b", [TOO_LARGE, b"a\3b"]),
    ],
)
def test_what_is_over_the_limit_is_skipped(framing: Framing, stream: bytes, found: list[bytes | str]) -> None:
    assert told(Skipping(framing), stream) == found


def test_what_is_fixed_in_front_is_looked_for() -> None:
    framing = LengthPrefixed(1, offset=2, fixed=b"OK")
    assert told(Resyncing(framing), b"OK\1a?OK\6OK\1b") == [b"a", "FramingError", TOO_LARGE, b"b"]
    assert framing.past_garbage()
    assert LengthPrefixed().past_garbage() is None
    assert LengthPrefixed(1, strip=2, fixed=b"!").past_garbage() is None  # it stands behind the length
