"""A length in front and nothing more: DNS, Erlang, Kafka, TPKT, as their specifications show them."""

import pickle
import re

import pytest
from framing.plainly import plainly

from mezha.errors import FramingError, LocalProtocolError
from mezha.framing import Dns, Erlang, Framing, Kafka, LengthPrefixed, Tpkt, parse_framing
from mezha.testing import laws

#: example.com, A: an ID, flags, one question.
QUESTION = bytes.fromhex("abcd 0100 0001 0000 0000 0000 07 6578616d706c65 03 636f6d 00 0001 0001")
#: ISO 8073, a connection request as S7 opens with: its length without itself, CR, references, class, parameters.
CONNECT = bytes.fromhex("11 e0 0000 0001 00 c0 01 0a c1 02 0100 c2 02 0102")
#: API versions, version 0, correlation 7, no client.
VERSIONS = bytes.fromhex("0012 0000 00000007 ffff")


@pytest.mark.parametrize(
    ("framing", "header", "message"),
    [
        (Dns(), "001d", QUESTION),
        (Dns(), "0000", b""),
        (Erlang(1), "06", b"Hello!"),
        (Erlang(2), "0006", b"Hello!"),
        (Erlang(4), "00000006", b"Hello!"),
        (Kafka(), "0000000a", VERSIONS),
        (Tpkt(), "03000016", CONNECT),
        (Tpkt(), "03000004", b""),
    ],
    ids=plainly,
)
def test_on_the_wire(framing: Framing, header: str, message: bytes) -> None:
    wire = bytes.fromhex(header) + message
    assert b"".join(framing.encode(message)) == wire
    laws.check_inverse(framing, message)
    laws.check_any_cut(framing, wire * 2, len(message))


@pytest.mark.parametrize(
    ("framing", "form", "same"),
    [
        (Dns(), "dns", LengthPrefixed(2)),
        (Erlang(1), "erlang:1", LengthPrefixed(1)),
        (Erlang(), "erlang:4", LengthPrefixed(4)),
        (Kafka(), "kafka", LengthPrefixed(4)),
        (Tpkt(), "tpkt", LengthPrefixed(2, offset=2, adjust=-4, fixed=b"\x03\0")),
    ],
    ids=plainly,
)
def test_a_value_with_a_name(framing: Framing, form: str, same: LengthPrefixed) -> None:
    """It does what the LengthPrefixed of these numbers does, kernel and all, and is another value."""
    assert str(framing) == form
    assert parse_framing(form) == framing == eval(repr(framing)) == pickle.loads(pickle.dumps(framing))
    assert hash(parse_framing(form)) == hash(framing)
    assert framing != same
    assert b"".join(framing.encode(b"Hello!")) == b"".join(same.encode(b"Hello!"))
    run = framing.run()
    assert run
    assert run(b"".join(same.encode(b"Hello!")), 0, 100, 1)[0] == [b"Hello!"]


def test_erlang_without_a_width_has_four() -> None:
    assert parse_framing("erlang") == Erlang(4)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("erlang:3", "a length of Erlang's is 1, 2 or 4 bytes wide, not 3"),
        ("erlang:2:2", "its one option is the width of the length, 1, 2 or 4"),
        ("erlang:", "invalid literal for int() with base 10: ''"),
        ("dns:2", "it takes no options"),
    ],
)
def test_a_form_that_names_nothing_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f"{text!r} names no framing: {why}") + "$"):
        parse_framing(text)


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        ("02", "byte 0 of a frame must be 0x03 here, and is 0x02"),
        ("0301", "byte 1 of a frame must be 0x00 here, and is 0x01"),
        ("03000003", "a length of 3 is impossible here"),
    ],
)
def test_what_is_no_tpkt(wire: str, why: str) -> None:
    with pytest.raises(FramingError, match=re.escape(why)):
        Tpkt().split(bytearray.fromhex(wire), 1000)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="65536 bytes does not fit a length field of 2 bytes") as caught:
        Dns().encode(bytes(65536))
    assert caught.value.limit == 65535
    with pytest.raises(LocalProtocolError) as caught:
        Tpkt().encode(bytes(65532))
    assert caught.value.limit == 65531
