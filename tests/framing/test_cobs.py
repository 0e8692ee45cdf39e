"""Cobs: blocks instead of zeros, as Cheshire and Baker lay them out, and what else can be read."""

import pytest
from forgiving import TOO_LARGE, told
from hypothesis import example, given
from hypothesis import strategies as st

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Cobs, Frame, Need, Resyncing, Skip, Skipping
from mezha.testing import laws

framing = Cobs()
RUN = bytes(range(1, 255))  # 254 bytes, none of them zero


def split(data: bytes, limit: int = 10_000, resume: int | tuple[int, int, int] = 0) -> Frame | Need | Skip:
    return framing.split(bytearray(data), limit, resume)


#: Messages, and how they are written without the zero behind them; the paper's own edge cases among them.
WRITTEN = [
    (b"", b"\1"),
    (b"\0", b"\1\1"),
    (b"\0\0", b"\1\1\1"),
    (b"a", b"\2a"),
    (b"\0a\0", b"\1\2a\1"),
    (bytes.fromhex("11 22 00 33"), bytes.fromhex("03 11 22 02 33")),
    (bytes.fromhex("11 00 00 00"), bytes.fromhex("02 11 01 01 01")),
    (RUN[:253], b"\xfe" + RUN[:253]),
    (RUN, b"\xff" + RUN),
    (b"\0" + RUN, b"\1\xff" + RUN),
    (RUN + b"\0", b"\xff" + RUN + b"\1\1"),
    (RUN + b"\xff", b"\xff" + RUN + b"\2\xff"),
    (RUN + b"\0a", b"\xff" + RUN + b"\1\2a"),
    (RUN + RUN, (b"\xff" + RUN) * 2),
]


@pytest.mark.parametrize(("message", "written"), WRITTEN)
def test_a_message_and_how_it_is_written(message: bytes, written: bytes) -> None:
    assert framing.encode(message[:1], message[1:]) == (written, b"\0")
    end = len(written)
    assert split(written + b"\0" + b"more") == Frame(0, end, end + 1, message)
    assert split(written) == Need(end + 1, (end, end, split(written + b"\xff").resume[2] - 254))  # type: ignore[union-attr,index]
    laws.check_limit(framing, message)


@pytest.mark.parametrize(
    ("written", "message"), [(b"\xff" + RUN + b"\1", RUN), (b"\2a\xff" + RUN + b"\1", b"a\0" + RUN)]
)
def test_a_block_of_nothing_at_the_end_is_read(written: bytes, message: bytes) -> None:
    end = len(written)
    assert split(written + b"\0", len(message)) == Frame(0, end, end + 1, message)
    assert framing.encode(message) == (written[:-1], b"\0")


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    assert split(b"\2\0\0\0" + b"a", 100, (4, 6, 5)) == Need(6, (5, 6, 5))


def test_zeros_are_no_messages() -> None:
    assert split(b"\0") == Skip(1)
    assert split(b"\0\0\0\2a") == Skip(3)
    assert laws.known(framing, b"\0\0\1\0\0\2a\0\0", 10).messages == [b"", b"a"]


@pytest.mark.parametrize(("data", "missing"), [(b"\2\0", 1), (b"\5ab\0", 2), (b"\xff\0", 254), (b"\2a\3b\0", 1)])
def test_a_block_that_is_cut_off_is_refused(data: bytes, missing: int) -> None:
    for behind in (b"", b"\0\0", b"abc"):
        with pytest.raises(FramingError) as caught:
            split(data + behind)
        assert str(caught.value) == (
            f"a block of COBS announces {missing} bytes more than stand in front of the zero behind it"
        )
    laws.check_any_cut(framing, b"\2a\0" + data, 1000)


@pytest.mark.parametrize("data", [b"\5", b"\5a\0", b"\1\1\1\1\1", b"\xff", b"\4abc\1\1", b"\4abc\2"])
def test_what_is_over_the_limit_is_refused_as_soon_as_a_block_announces_it(data: bytes) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        split(data, 3)
    assert (caught.value.size, caught.value.limit) == (None, 3)
    laws.check_any_cut(framing, data, 3)


def test_blocks_within_the_limit() -> None:
    assert split(b"\4abc\1", 4) == Need(6, (5, 5, 5))
    assert split(b"\1\1\1\1\0", 3) == Frame(0, 4, 5, b"\0\0\0")


@given(st.lists(st.sampled_from((0, 1, 2, 3, 5, 0x61, 0xFF)), max_size=16).map(bytes), st.integers(0, 12))
def test_any_bytes_are_judged_alike_at_every_cut(stream: bytes, limit: int) -> None:
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit)


@given(st.lists(st.sampled_from((b"\0", b"a", b"\xff", RUN[:253], RUN, RUN + b"b")), max_size=5).map(b"".join))
@example(RUN * 3 + b"\0" + RUN * 2)
def test_runs_of_every_length_come_back(message: bytes) -> None:
    laws.check_inverse(framing, message)
    written = framing.encode(message)[0]
    assert b"\0" not in written
    assert len(written) <= len(message) + len(message) // 254 + 1


@pytest.mark.parametrize("message", [bytes(10_000), RUN * 40, b"a\0" * 5000])
def test_blocks_are_not_read_again(message: bytes) -> None:
    laws.check_linear(framing, message)
    laws.check_linear(framing, message * 10, piece=999)


def test_behind_the_next_zero_it_goes_on() -> None:
    assert told(Skipping(framing), b"\2a\0" + b"\7abcdef\0" + b"\2b\0") == [b"a", TOO_LARGE, b"b"]
    stream = b"\2a\0" + b"\4a\0" + b"\2b\0"
    assert told(Resyncing(framing), stream) == [b"a", "FramingError", b"b"]
    laws.check_forgiving(Resyncing(framing), stream, 5)


def test_it_has_no_options() -> None:
    assert str(framing) == "cobs"
    assert Cobs.parse([]) == framing
    with pytest.raises(ValueError, match=r"^it takes no options$"):
        Cobs.parse(["r"])
