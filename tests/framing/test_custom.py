"""A framing of one's own: a dozen lines, held to the same laws as all others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stuffed_framings import InPieces, Stuffed

from mezha.engine import Framed
from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Data, Decoder, Frame, Framing, Need, parse_framing
from mezha.testing import check_framing, laws
from mezha.testing.strategies import cuttings


@dataclass(frozen=True)
class Mllp(Framing):
    """HL7's Minimal Lower Layer Protocol: 0x0b, the message, 0x1c 0x0d."""

    def encode(self, *parts: Data) -> Sequence[Data]:
        message = b"".join(parts)
        if b"\x1c\r" in message:
            raise LocalProtocolError("the end of a block is in the message")
        return (b"\x0b", message, b"\x1c\r")

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        if buffer[0] != 0x0B:
            raise FramingError(f"a block begins with 0x0b, not 0x{buffer[0]:02x}")
        stop = buffer.find(b"\x1c\r", max(resume, 1), limit + 3)
        if stop >= 0:
            return Frame(1, stop, stop + 2)
        if len(buffer) >= limit + 3:
            raise MessageTooLarge("the block is too large", limit=limit)
        return Need(len(buffer) + 1, len(buffer) - 1)


framing = Mllp()

signs = st.lists(st.sampled_from(b"\x0b\x1c\r|a"), max_size=12).map(bytes)


@given(signs)
def test_inverse(message: bytes) -> None:
    if laws.refuses(framing, message):
        assert b"\x1c\r" in message
    else:
        laws.check_inverse(framing, message)
        laws.check_inverse(framing, message[:3], bytearray(message[3:]))
        laws.check_limit(framing, message)


@given(signs | signs.map(lambda noise: b"\x0bab\x1c\r\x0b" + noise), st.integers(0, 9), st.data())
def test_any_cut_same_outcome(stream: bytes, limit: int, data: st.DataObject) -> None:
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit, [data.draw(cuttings(stream))])
    laws.check_reverse(framing, stream, limit)


def feed_and_take(decoder: Decoder, wire: bytes) -> None:
    decoder.feed(wire)
    assert decoder.take()


def test_linear() -> None:
    for size in (1 << 14, 1 << 15):
        laws.check_linear(framing, b"\x1c" * (size - 1) + b"a")
    laws.check_linear(framing, b"\x1c" * (1 << 20) + b"a", piece=1 << 10)
    laws.check_backlog_is_cheap(framing, b"MSH|^~\\&|", feed_and_take)
    laws.check_takes_no_memory(framing, b"\x0babc", limit=60 << 20)


def test_it_serves_an_engine() -> None:
    engine = Framed(framing)
    engine.send(b"MSH|^~\\&|")
    assert engine.outgoing() == [b"\x0bMSH|^~\\&|\x1c\r"]
    engine.receive(b"\x0bMSA|AA|\x1c\r\x0b", now=0.0)
    assert engine.take(9) == [b"MSA|AA|"]
    assert engine.deadline() == 10 + 1 / 1024


def test_it_has_no_string_form() -> None:
    with pytest.raises(ValueError, match="no framing is called 'own'"):
        parse_framing("own")
    assert parse_framing("mllp") != framing  # which mezha has as well


# -- messages that do not stand in the stream as they are -----------------------------------------------------------


@pytest.mark.parametrize("framing", [Stuffed(), InPieces(1), InPieces(3)], ids=str)
@given(message=st.lists(st.sampled_from(b"|\\pb0a\x80\x83\x01"), max_size=12).map(bytes))
def test_a_message_in_another_form_comes_back(framing: Framing, message: bytes) -> None:
    laws.check_inverse(framing, message)
    laws.check_inverse(framing, message[:3], bytearray(message[3:]))
    laws.check_limit(framing, message)


stuffed = st.lists(st.sampled_from((b"||", b"|", b"\\", b"\\p", b"\\b", b"\\0|", b"ab|", b"c"))).map(b"".join)
in_pieces = st.lists(st.sampled_from((b"\1a", b"\x81b", b"\2cd", b"\x80", b"\x82ef", b"\0"))).map(b"".join)


@given(stuffed, st.integers(0, 5), st.data())
def test_stuffed_messages_at_any_cut(stream: bytes, limit: int, data: st.DataObject) -> None:
    laws.check_split(Stuffed(), stream, limit)
    laws.check_any_cut(Stuffed(), stream, limit, [data.draw(cuttings(stream))])
    laws.check_reverse(Stuffed(), stream, limit, same=lambda read, written: written in (read, b"|" + read))


@given(in_pieces, st.integers(0, 5), st.data())
def test_pieces_at_any_cut(stream: bytes, limit: int, data: st.DataObject) -> None:
    laws.check_split(InPieces(), stream, limit)
    laws.check_any_cut(InPieces(), stream, limit, [data.draw(cuttings(stream))])


@pytest.mark.parametrize("framing", [Stuffed(), InPieces(1), InPieces(100)], ids=str)
def test_messages_in_another_form_are_linear(framing: Framing) -> None:
    for size in (1 << 13, 1 << 14):
        laws.check_linear(framing, b"|" * size)
    laws.check_linear(framing, b"|" * (1 << 18), piece=1 << 10)
    laws.check_backlog_is_cheap(framing, b"a|b", feed_and_take)
    check_framing(framing)


# -- the laws notice ---------------------------------------------------------------------------------------------------


class Hasty(Mllp):
    """Forgets that the end of a block may be cut in two."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        answer = super().split(buffer, limit, resume)
        return Need(answer.size, len(buffer)) if isinstance(answer, Need) else answer


class Lazy(Mllp):
    """Asks for more than the answer takes."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        answer = super().split(buffer, limit, resume)
        return Need(answer.size + 2, answer.resume) if isinstance(answer, Need) else answer


class Forgetful(Mllp):
    """Searches from the front each time."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        answer = super().split(buffer, limit)
        return Need(answer.size) if isinstance(answer, Need) else answer


class Generous(Mllp):
    """Lets one byte over the limit pass."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        return super().split(buffer, limit + 1, resume)


class Strict(Mllp):
    """Does not let a message of the limit pass."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        return super().split(buffer, max(limit - 1, 0), resume)


class Careless(Mllp):
    """Writes what it cannot read back."""

    def encode(self, *parts: Data) -> Sequence[Data]:
        return (b"\x0b", *parts, b"\x1c\r")


class Trusting(Mllp):
    """Does not look at what begins a block."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        return super().split(bytearray(b"\x0b") + buffer[1:], limit, resume)


class Greedy(Mllp):
    """Judges by how much happens to be there."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
        stop = buffer.rfind(b"\x1c\r")
        return Frame(1, stop, stop + 2) if stop > 0 else super().split(buffer, limit, resume)


STREAM = b"\x0bab\x1c\r\x0bcd\x1c\r"


@pytest.mark.parametrize(
    "check",
    [
        lambda: laws.check_split(Hasty(), STREAM, 9),
        lambda: laws.check_any_cut(Hasty(), STREAM, 9),
        lambda: laws.check_split(Lazy(), STREAM, 9),
        lambda: laws.check_any_cut(Lazy(), STREAM, 9),
        lambda: laws.check_linear(Forgetful(), bytes(1000)),
        lambda: laws.check_limit(Generous(), b"abc"),
        lambda: laws.check_limit(Strict(), b"abc"),
        lambda: laws.check_inverse(Careless(), b"a\x1c\rb"),
        lambda: laws.check_reverse(Trusting(), b"\x0aab\x1c\r", 9),
        lambda: laws.check_split(Greedy(), STREAM, 9),
        lambda: laws.check_any_cut(Greedy(), STREAM, 9),
    ],
)
def test_the_laws_notice_a_framing_that_breaks_them(check: Callable[[], None]) -> None:
    with pytest.raises(AssertionError):
        check()
