"""``check_framing`` lets every framing of mezha pass, and for each law finds one that breaks it."""

from collections.abc import Sequence

import faulty_framings as faulty
import pytest
from faulty_framings import Byte
from hypothesis import given, settings

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Data, Delimited, FixedSize, Frame, Framing, LengthPrefixed, Need, Verdict, parse_framing
from mezha.testing import check_framing, laws
from mezha.testing.strategies import length_prefixed

NAMES = ["length:4", "length:2:little", "varint", "netstring", "lines", "delimited:ab", "fixed:5"]
NAMES += ["syslog", "content-length", "mllp", "stomp", "memcached", "dot-stuffed"]
#: Messages of those that carry none of what is made up.
MESSAGES = {
    "fixed:300": [b"x" * 300],
    "fix": [b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01", b"8=FIX.4.4\x019=5\x0135=1\x0110=164\x01"],
    "nats": [b"PING", b"PUB a 3\r\nabc", b"MSG a 1 0\r\n"],
    "resp": [b":1\r\n", b"*2\r\n$1\r\na\r\n_\r\n", b"+OK\r\n"],
}


@pytest.mark.parametrize("name", [*NAMES, *MESSAGES])
def test_the_framings_of_mezha_pass(name: str) -> None:
    check_framing(parse_framing(name), MESSAGES.get(name))


@given(length_prefixed())
@settings(max_examples=3)
def test_no_parameter_of_a_length_breaks_a_law(framing: LengthPrefixed) -> None:
    sizes = [size for size in range(60) if not laws.refuses(framing, bytes(size))]
    if framing.strip >= framing.offset + framing.width and sizes:
        check_framing(framing, [bytes(sizes[0]), b"a" * sizes[-1]])


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


class Remembers(Byte):
    """It keeps what belongs in nobody's memory but the decoder's."""

    calls = 0

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Verdict:
        Remembers.calls += 1
        if Remembers.calls % 500 == 0:
            raise FramingError("tired")
        return super().split(buffer, limit, resume)


class StartsAnew(Delimited):
    """It looks at all the bytes at each call."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        verdict = super().split(buffer, limit, 0)
        return Need(verdict.size) if isinstance(verdict, Need) else verdict


class ShortAndAnew(StartsAnew):
    """So does this one, which carries nothing large."""

    def encode(self, *parts: Data) -> Sequence[Data]:
        if sum(map(len, parts)) > 300:
            raise LocalProtocolError("more than 300 bytes: nothing was sent")
        return super().encode(*parts)


@pytest.mark.parametrize(
    ("framing", "law"),
    [
        (faulty.LosesAByte(), "inverse"),
        (CrashesInsteadOfRefusing(), "inverse"),
        (WritesWhatItCannotRead(), "inverse"),
        (faulty.LooksAhead(), "inverse"),
        (faulty.AsksTooMuch(), "split"),
        (faulty.TakesOneMore(), "one limit"),
        (faulty.Hurries(), "any cut, same outcome"),
        (StartsAnew(b"\0"), "linear"),
        (ShortAndAnew(b"\0"), "linear"),
        (faulty.Trusts(4), "no memory for announcements"),
        (faulty.Trusts(2), "no memory for announcements"),
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


@pytest.mark.parametrize("framing", [faulty.AsksTooMuch(), faulty.Hurries(), faulty.Trusts(2), StartsAnew(b"\0")])
def test_what_is_shown_repeats_the_failure(framing: Framing) -> None:
    with pytest.raises(AssertionError) as caught:
        check_framing(framing)
    said, line = str(caught.value).split("repeat it with: ")
    assert len(line) < 300
    with pytest.raises(AssertionError) as again:
        exec(line, {**vars(faulty), "StartsAnew": StartsAnew})
    assert said.startswith(f"{framing!r} breaks the law '")
    assert str(again.value).splitlines()[0] in said


def test_what_has_no_name_is_called_by_its_class() -> None:
    with pytest.raises(AssertionError, match=r"laws\.check_inverse\(WritesWhatItCannotRead\(\), "):
        check_framing(WritesWhatItCannotRead())


def test_the_right_one_passes() -> None:
    check_framing(Byte())


def test_without_a_message_there_is_nothing_to_check() -> None:
    with pytest.raises(ValueError, match="give some"):
        check_framing(Byte(), [])
    with pytest.raises(ValueError, match="carries none of the messages made up"):
        check_framing(FixedSize(300))
