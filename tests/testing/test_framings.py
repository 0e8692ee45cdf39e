"""``check_framing`` lets every framing of mezha pass, and for each law finds one that breaks it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Data, Delimited, FixedSize, Frame, Framing, LengthPrefixed, Need, parse_framing
from mezha.testing import check_framing, laws
from mezha.testing.strategies import length_prefixed

NAMES = ["length:4", "length:2:little", "varint", "netstring", "lines", "delimited:ab", "fixed:5", "fixed:300"]


@pytest.mark.parametrize("name", NAMES)
def test_the_framings_of_mezha_pass(name: str) -> None:
    framing = parse_framing(name)
    check_framing(framing, [b"x" * 300] if name == "fixed:300" else None)


@given(length_prefixed())
@settings(max_examples=3)
def test_no_parameter_of_a_length_breaks_a_law(framing: LengthPrefixed) -> None:
    sizes = [size for size in range(60) if not laws.refuses(framing, bytes(size))]
    if framing.strip >= framing.offset + framing.width and sizes:
        check_framing(framing, [bytes(sizes[0]), b"a" * sizes[-1]])


@dataclass(frozen=True)
class Byte(Framing):
    """A byte of length: right, until a subclass gets one thing wrong."""

    def encode(self, *parts: Data) -> Sequence[Data]:
        message = b"".join(parts)
        if len(message) > 255:
            raise LocalProtocolError("more than 255 bytes: nothing was sent", size=len(message), limit=255)
        return (bytes([len(message)]), message)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        size = buffer[0]
        if size > limit:
            raise MessageTooLarge("too large", size=size, limit=limit)
        return Frame(1, 1 + size, 1 + size) if len(buffer) > size else Need(1 + size)


class LosesAByte(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        verdict = super().split(buffer, limit, resume)
        return Frame(1, max(verdict.stop - 1, 1), verdict.end) if isinstance(verdict, Frame) else verdict


class CrashesInsteadOfRefusing(Byte):
    def encode(self, *parts: Data) -> Sequence[Data]:
        message = b"".join(parts)
        return (len(message).to_bytes(0 if message == b"Hello!" else 1, "big"), message)


class WritesWhatItCannotRead(Framing):
    r"""Lines that let a ``\n`` pass."""

    def encode(self, *parts: Data) -> Sequence[Data]:
        return (*parts, b"\n")

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        stop = buffer.find(b"\n")
        if stop > limit or (stop < 0 and len(buffer) > limit):
            raise MessageTooLarge("too large", limit=limit)
        return Frame(0, stop, stop + 1) if stop >= 0 else Need(len(buffer) + 1)


class LooksAhead(Byte):
    """It wants to see that something follows."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        verdict = super().split(buffer, limit, resume)
        if isinstance(verdict, Frame) and len(buffer) == verdict.end + 1:
            raise FramingError("one byte behind the message")
        return verdict


class AsksTooMuch(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        verdict = super().split(buffer, limit, resume)
        return Need(verdict.size + 1) if isinstance(verdict, Need) else verdict


class TakesOneMore(Byte):
    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        return super().split(buffer, limit + 1, resume)


class Remembers(Byte):
    """It keeps what belongs in nobody's memory but the decoder's."""

    calls = 0

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        Remembers.calls += 1
        if Remembers.calls % 500 == 0:
            raise FramingError("tired")
        return super().split(buffer, limit, resume)


class StartsAnew(Delimited):
    """It looks at all the bytes at each call."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        verdict = super().split(buffer, limit, 0)
        return Need(verdict.size) if isinstance(verdict, Need) else verdict


class Trusts(LengthPrefixed):
    """It takes memory for what is announced."""

    hoard: bytearray

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        verdict = super().split(buffer, limit, resume)
        object.__setattr__(self, "hoard", bytearray(verdict.size * 8 if isinstance(verdict, Need) else 0))
        return verdict


@pytest.mark.parametrize(
    ("framing", "law"),
    [
        (LosesAByte(), "inverse"),
        (CrashesInsteadOfRefusing(), "inverse"),
        (WritesWhatItCannotRead(), "inverse"),
        (LooksAhead(), "inverse"),
        (AsksTooMuch(), "split"),
        (TakesOneMore(), "one limit"),
        (StartsAnew(b"\0"), "linear"),
        (Trusts(4), "no memory for announcements"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Framing) else None,
)
def test_a_broken_law_is_named(framing: Framing, law: str) -> None:
    with pytest.raises(AssertionError, match=f"breaks the law '{law}'") as caught:
        check_framing(framing)
    assert repr(framing) in str(caught.value)


def test_a_framing_that_remembers_is_found_out() -> None:
    with pytest.raises(AssertionError, match="breaks the law"):
        check_framing(Remembers())


def test_what_is_shown_repeats_the_failure() -> None:
    with pytest.raises(AssertionError) as caught:
        check_framing(AsksTooMuch())
    line = str(caught.value).split("repeat it with: ")[1].replace(repr(AsksTooMuch()), "AsksTooMuch()")
    with pytest.raises(AssertionError):
        exec(line, {"AsksTooMuch": AsksTooMuch})


def test_the_right_one_passes() -> None:
    check_framing(Byte())


def test_without_a_message_there_is_nothing_to_check() -> None:
    with pytest.raises(ValueError, match="give some"):
        check_framing(Byte(), [])
    with pytest.raises(ValueError, match="carries none of the messages made up"):
        check_framing(FixedSize(300))
