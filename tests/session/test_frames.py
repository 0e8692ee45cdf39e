"""The frames of the mezha protocol: written and read back, judged by their first bytes, whatever is in them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame, Need
from mezha.session.frames import (
    HEADER,
    LONGEST_HELLO,
    LONGEST_TEXT,
    PIECE,
    AnyFrame,
    Body,
    Cancel,
    Close,
    Code,
    Counted,
    Drop,
    End,
    Failure,
    Frames,
    Kind,
    Numbered,
    Ping,
    Pong,
    code_name,
    encode_frame,
    parse_frame,
    shorten,
)
from mezha.testing import laws

framing = Frames()
LIMIT = 1 << 20

u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
codes = st.sampled_from(Code) | u16
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
bodies = st.binary(max_size=20)
frames: st.SearchStrategy[AnyFrame] = st.one_of(
    st.builds(Body, st.sampled_from([Kind.HELLO, Kind.MESSAGE, Kind.LAST]), bodies),
    st.builds(Body, st.just(Kind.PART), st.binary(min_size=1, max_size=20)),
    st.builds(Numbered, st.sampled_from([Kind.REQUEST, Kind.REPLY]), u32, bodies),
    st.builds(Numbered, st.sampled_from([Kind.REQUEST_PART, Kind.REPLY_PART]), u32, st.binary(min_size=1, max_size=20)),
    st.builds(Counted, st.sampled_from([Kind.CREDIT, Kind.ACK]), u64),
    st.builds(Ping, st.binary(min_size=8, max_size=8)),
    st.builds(Pong, st.binary(min_size=8, max_size=8), u64),
    st.builds(Drop, codes, texts),
    st.builds(End),
    st.builds(Failure, u32, codes, texts),
    st.builds(Cancel, u32),
    st.builds(Close, codes, u64, texts),
)

#: Each kind as it stands on the wire.
WRITTEN: list[tuple[AnyFrame, str]] = [
    (Body(Kind.HELLO, b"\0\1\0\1\1"), "00000006 00 00010001 01"),
    (Body(Kind.MESSAGE, b"Hello!"), "00000007 01 48656c6c6f21"),
    (Body(Kind.MESSAGE, b""), "00000001 01"),
    (Body(Kind.PART, b"Hel"), "00000004 02 48656c"),
    (Body(Kind.LAST, b"lo!"), "00000004 03 6c6f21"),
    (Drop(300, "no"), "00000005 04 012c 6e6f"),
    (End(), "00000001 05"),
    (Numbered(Kind.REQUEST, 7, b"2+2"), "00000008 06 00000007 322b32"),
    (Numbered(Kind.REQUEST_PART, 7, b"2"), "00000006 07 00000007 32"),
    (Numbered(Kind.REPLY, 7, b"4"), "00000006 08 00000007 34"),
    (Numbered(Kind.REPLY_PART, 7, b"4"), "00000006 09 00000007 34"),
    (Failure(7, Code.NO_HANDLER, "né"), "0000000a 0a 00000007 0007 6ec3a9"),
    (Cancel(0xFFFFFFFF), "00000005 0b ffffffff"),
    (Counted(Kind.CREDIT, 65536), "00000009 0c 0000000000010000"),
    (Ping(b"whatever"), "00000009 0d 7768617465766572"),
    (Pong(b"whatever", 3), "00000011 0e 7768617465766572 0000000000000003"),
    (Counted(Kind.ACK, 3), "00000009 0f 0000000000000003"),
    (Close(Code.OK, 2, "done"), "0000000f 10 0000 0000000000000002 646f6e65"),
]

#: The shortest and the longest body of each kind.
SIZES = {
    Kind.HELLO: (0, LONGEST_HELLO),
    Kind.MESSAGE: (0, 65_536),
    Kind.PART: (1, 65_536),
    Kind.LAST: (0, 65_536),
    Kind.DROP: (2, 1026),
    Kind.END: (0, 0),
    Kind.REQUEST: (4, 65_540),
    Kind.REQUEST_PART: (5, 65_540),
    Kind.REPLY: (4, 65_540),
    Kind.REPLY_PART: (5, 65_540),
    Kind.FAILURE: (6, 1030),
    Kind.CANCEL: (4, 4),
    Kind.CREDIT: (8, 8),
    Kind.PING: (8, 8),
    Kind.PONG: (16, 16),
    Kind.ACK: (8, 8),
    Kind.CLOSE: (10, 1034),
}


def wire(frame: AnyFrame) -> bytes:
    return b"".join(encode_frame(frame))


# -- laws --------------------------------------------------------------------------------------------------------------


@given(frames)
def test_what_is_written_is_read_back(frame: AnyFrame) -> None:
    data = bytearray(wire(frame))
    whole = framing.split(data, LIMIT)
    assert isinstance(whole, Frame)
    assert whole.stop == whole.end == len(data)
    read = parse_frame(whole.cut(data))
    assert read == frame


@given(st.binary(max_size=24))
def test_any_bytes_are_a_frame_or_an_error(data: bytes) -> None:
    try:
        frame = parse_frame(data)
    except FramingError:
        return
    if isinstance(frame, (Drop, Failure, Close)) and "\ufffd" in frame.text:
        return  # what was no UTF-8 cannot be told any more
    assert wire(frame)[4:] == data


@given(st.lists(frames, max_size=3), st.binary(max_size=9))
def test_any_stream_is_judged_alike_at_every_cut(sent: list[AnyFrame], tail: bytes) -> None:
    stream = b"".join(map(wire, sent)) + tail
    laws.check_any_cut(framing, stream, LIMIT)
    laws.check_split(framing, stream, LIMIT)
    laws.check_reverse(framing, stream, LIMIT)


@given(frames)
def test_it_is_a_framing(frame: AnyFrame) -> None:
    header, *rest = encode_frame(frame)
    laws.check_inverse(framing, b"", bytes(header)[4:], *rest)


@given(st.text())
def test_any_text_is_written_and_shortened(text: str) -> None:
    for long in (text, text * 200):
        written = shorten(long)
        assert len(written) <= LONGEST_TEXT
        shown = written.decode()
        assert long.encode(errors="replace").decode().startswith(shown.removesuffix("…"))
        assert shown.endswith("…") or len(long.encode(errors="replace")) == len(written)


# -- examples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frame", "written"), WRITTEN, ids=lambda value: getattr(value, "kind", ""))
def test_a_frame_and_how_it_is_written(frame: AnyFrame, written: str) -> None:
    data = bytes.fromhex(written)
    assert wire(frame) == data
    assert parse_frame(data[4:]) == frame


def test_every_kind_is_written_somewhere_above() -> None:
    assert {frame.kind for frame, _ in WRITTEN} == set(SIZES) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_the_sizes_of_a_kind_are_exact(kind: Kind) -> None:
    shortest, longest = SIZES[kind]
    allowed = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
    for size in {shortest, longest}:
        data = bytes([kind]) + bytes(size)
        assert b"".join(framing.encode(data))[4:] == data
        assert parse_frame(data).kind is kind
        header = bytearray((size + 1).to_bytes(4, "big") + bytes([kind]))
        assert framing.split(header, LIMIT) == (Need(HEADER + size) if size else Frame(4, 5, 5))
    for size in {shortest - 1, longest + 1} - {-1}:
        text = f"a {kind.name} frame with a body of {size} bytes: there are {allowed}"
        data = bytes([kind]) + bytes(size)
        header = bytearray((size + 1).to_bytes(4, "big") + bytes([kind]))
        with pytest.raises(FramingError) as caught:
            framing.split(header, LIMIT)
        assert str(caught.value) == text
        with pytest.raises(FramingError) as caught:
            parse_frame(data)
        assert str(caught.value) == text
        with pytest.raises(LocalProtocolError) as refused:
            framing.encode(data)
        assert str(refused.value) == text


def test_the_body_is_not_copied() -> None:
    body = bytes(PIECE)
    for frame in (Body(Kind.MESSAGE, body), Numbered(Kind.REPLY, 1, body)):
        assert encode_frame(frame)[-1] is body


@pytest.mark.parametrize("kind", [17, 32, 255])
def test_a_kind_that_is_not(kind: int) -> None:
    text = f"a frame of kind {kind} (0x{kind:02x}), which version 1 does not have"
    for read in (lambda: framing.split(bytearray([0, 0, 0, 1, kind]), LIMIT), lambda: parse_frame(bytes([kind]))):
        with pytest.raises(FramingError) as caught:
            read()
        assert str(caught.value) == text
    with pytest.raises(LocalProtocolError, match=rf"^a frame of kind {kind} .*: nothing was sent$"):
        framing.encode(bytes([kind]))


@pytest.mark.parametrize("data", ["00000000", "0000000001"])
def test_a_length_of_nothing(data: str) -> None:
    with pytest.raises(FramingError) as caught:
        framing.split(bytearray.fromhex(data), LIMIT)
    assert str(caught.value) == "a frame of length 0 has no kind"


def test_nothing_is_no_frame() -> None:
    with pytest.raises(FramingError, match=r"^a frame of length 0 has no kind$"):
        parse_frame(b"")
    with pytest.raises(LocalProtocolError, match=r"^a frame of length 0 has no kind: nothing was sent$"):
        framing.encode(b"", b"")


def test_a_limit_counts_the_kind_and_the_body() -> None:
    stream = bytearray(wire(Body(Kind.MESSAGE, b"Hello!")))
    assert framing.split(stream, 7) == Frame(4, 11, 11)
    with pytest.raises(MessageTooLarge) as caught:
        framing.split(stream[:5], 6)
    assert str(caught.value) == "the peer announced a MESSAGE frame of 7 bytes; at most 6 are taken here"
    assert (caught.value.size, caught.value.limit) == (7, 6)


@pytest.mark.parametrize("frame", [Counted(Kind.CREDIT, 2**64), Cancel(-1), Close(65536, 0, ""), Failure(1, -1, "")])
def test_a_number_that_does_not_fit(frame: AnyFrame) -> None:
    with pytest.raises(struct.error):
        encode_frame(frame)


@pytest.mark.parametrize(
    "frame", [Body(Kind.PART, b""), Numbered(Kind.REPLY_PART, 1, b""), Ping(b"short"), Pong(b"short", 1)]
)
def test_what_no_frame_can_be_is_not_written(frame: AnyFrame) -> None:
    with pytest.raises(LocalProtocolError):
        encode_frame(frame)


def test_text_that_is_no_utf_8_is_read_all_the_same() -> None:
    assert parse_frame(b"\x04\x00\x01\xff!") == Drop(1, "\ufffd!")


def test_codes_are_shown_by_their_names() -> None:
    assert code_name(5) == "TOO_LARGE (5)"
    assert code_name(300) == "code 300"
