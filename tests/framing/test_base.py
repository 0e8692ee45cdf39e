"""What every framing promises: a value whose two functions are inverse, and pure."""

import copy
import pickle
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.engine import Framed
from mezha.framing import (
    Chunked,
    Cobs,
    ContentLength,
    Data,
    Decoder,
    DotStuffed,
    Frame,
    Framing,
    Hdlc,
    LengthPrefixed,
    Lines,
    Memcached,
    Nats,
    Need,
    OncRpc,
    Run,
    Slip,
    Stomp,
    Syslog,
    WebSocket,
    parse_framing,
)
from mezha.limits import Limits, Timeouts
from mezha.testing import laws
from mezha.testing.strategies import FRAMINGS, in_parts, messages, streams

#: Framings in which there are several ways to write a message, of which one is chosen.
SEVERAL_WAYS = (Chunked, Cobs, ContentLength, DotStuffed, Hdlc, Memcached, Nats, OncRpc, Slip, Stomp, Syslog, WebSocket)

every_framing = pytest.mark.parametrize("kind", FRAMINGS, ids=lambda kind: kind.__name__)


@every_framing
@given(data=st.data())
def test_what_encode_writes_split_reads_back(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    laws.check_inverse(framing, *data.draw(in_parts(data.draw(messages(framing)))))


@every_framing
@given(data=st.data())
def test_whatever_is_handed_in_is_read_back_or_refused(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    message = data.draw(st.binary(max_size=40))
    if not laws.refuses(framing, message):
        laws.check_inverse(framing, message)


@every_framing
@given(data=st.data())
def test_what_split_accepts_encode_writes_again(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    stream, limit = data.draw(streams(framing))
    if isinstance(framing, Lines):
        laws.check_reverse(framing, stream, limit, same=same_line)
    elif isinstance(framing, SEVERAL_WAYS):

        def same_message(read: bytes, written: bytes | None) -> bool:
            (message,) = laws.known(framing, read, limit).messages
            if written is None and isinstance(framing, WebSocket):  # a part of a message cut in two by a control frame
                return message[0] in b"\x00\x01\x02\x80"
            if written is None:  # a message that came counted, and cannot be a line
                return framing == Syslog("lines")
            return laws.known(framing, written, limit).messages == [message]

        laws.check_reverse(framing, stream, limit, same=same_message)
    else:
        laws.check_reverse(framing, stream, limit)


def same_line(read: bytes, written: bytes | None) -> bool:
    """Either ending is read, one is written; and a carriage return before the ending is read, but not written."""
    line = read.removesuffix(b"\n").removesuffix(b"\r")
    return line.endswith(b"\r") if written is None else written in (line + b"\n", line + b"\r\n")


@every_framing
@given(data=st.data())
def test_split_is_pure_and_says_all_it_knows_at_once(kind: type[Framing], data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[kind])
    laws.check_split(framing, *data.draw(streams(framing)))


@every_framing
@given(data=st.data())
def test_a_framing_is_a_value(kind: type[Framing], data: st.DataObject) -> None:
    framing, other = data.draw(FRAMINGS[kind]), data.draw(FRAMINGS[kind])
    message = data.draw(messages(framing))
    same = parse_framing(str(framing))
    for twin in (same, pickle.loads(pickle.dumps(framing)), copy.copy(framing), copy.deepcopy(framing)):
        assert twin == framing
        assert hash(twin) == hash(framing)
        assert repr(twin) == repr(framing)
        assert b"".join(twin.encode(message)) == b"".join(framing.encode(message))
    assert (framing == other) == (str(framing) == str(other))
    assert framing != object()
    with pytest.raises((AttributeError, TypeError)):
        framing.anything = 1  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


class Smallest(Framing):
    """Every byte is a message."""

    def encode(self, *parts: bytes | bytearray | memoryview) -> list[bytes]:
        return [b"".join(parts)]

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame:
        return Frame(0, 1, 1)


def test_two_functions_make_a_framing() -> None:
    framing = Smallest()
    assert framing.run() is None
    assert framing.timeouts == Timeouts()
    assert framing.past_too_large() is framing.past_garbage() is None
    decoder = framing.decoder()
    assert isinstance(decoder, Decoder)
    assert decoder.limit == Limits().max_message
    assert framing.decoder(limit=7).limit == 7
    decoder.feed(b"ab")
    assert list(decoder) == [b"a", b"b"]


def test_a_framing_without_string_form_says_so() -> None:
    with pytest.raises(ValueError, match=r"^Smallest has no string form$"):
        Smallest.parse([])


def test_a_framing_needs_both_functions() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Framing()  # type: ignore[abstract] # pyright: ignore[reportAbstractUsage]
    with pytest.raises(ValueError, match=r"^limit must be 0 or more bytes, not -1$"):
        Smallest().decoder(limit=-1)


def test_a_framing_made_from_another_is_not_quick_at_what_that_one_does() -> None:
    class Shouting(LengthPrefixed):
        """Writes something else."""

        __slots__ = ()

        def encode(self, *parts: Data) -> Sequence[Data]:
            return super().encode(b"".join(parts).upper())

    class Short(LengthPrefixed):
        """Reads something else."""

        __slots__ = ()

        def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need:
            return super().split(buffer, 1, resume)

    assert Shouting().run() is Short().run() is None
    engine = Framed(Shouting())
    if not engine.push(b"a"):
        engine.send(b"a")
    assert b"".join(engine.outgoing()) == b"\0\0\0\1A"


def test_a_framing_made_from_another_is_quick_at_what_it_has_from_there_or_of_its_own() -> None:
    class Named(LengthPrefixed):
        """Does the same."""

        __slots__ = ()

        def __str__(self) -> str:
            return "named"

    class Quick(LengthPrefixed):
        """Does something else, and has a kernel for it."""

        __slots__ = ()

        def encode(self, *parts: Data) -> Sequence[Data]:
            return super().encode(b"".join(parts).upper())

        def run(self) -> Run:
            return stop

    def stop(data: bytes | bytearray, start: int, limit: int, count: int) -> tuple[list[bytes], int]:
        return [], start

    assert Named().run()(b"\0\0\0\1a", 0, 9, 9) == ([b"a"], 5)
    assert Quick().run() is stop
