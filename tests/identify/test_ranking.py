"""Which framing is named first. tests/peers asks the same of what real programs say."""

import random

import pytest

from mezha.framing import LengthPrefixed, parse_framing
from mezha.framing.names import NAMES
from mezha.identify import identify
from mezha.identify.ranking import candidates

CHANCE = random.Random(5)
NOISE = [CHANCE.randbytes(CHANCE.randint(5, 90)) for _ in range(12)]
TEXT = [f"line {number} of {12}, {'and so on' * CHANCE.randint(0, 5)}".encode() for number in range(12)]


def stream(form: str, some: list[bytes]) -> bytes:
    return b"".join(bytes(part) for message in some for part in parse_framing(form).encode(message))


@pytest.mark.parametrize(
    ("form", "some"),
    [
        ("length:2:little", NOISE),
        ("length:4:big", NOISE),
        ("length:4:little", NOISE),
        ("length:8:big", NOISE),
        ("netstring", NOISE),
        ("netstring", TEXT),
        ("lines", TEXT),
        ("lines:crlf", TEXT),
        (r"delimited:\0", TEXT),
        ("mllp", TEXT),
        ("cobs", NOISE),
        ("slip", NOISE),
        ("hdlc", NOISE),
        ("tpkt", NOISE),
        ("oncrpc", NOISE),
        ("content-length", TEXT),
        ("dot-stuffed", [line + b"\r\n" for line in TEXT]),
    ],
)
def test_the_right_one_comes_first(form: str, some: list[bytes]) -> None:
    best = identify(stream(form, some))[0]
    assert str(parse_framing(form)).removesuffix(":crlf") in (best.form, *best.also)
    assert best.whole
    assert best.count == 12


def test_what_nobody_can_tell_apart_comes_together() -> None:
    best = identify(stream("length:4:big", NOISE))[0]
    assert best.form == "length:4:big"
    assert "erlang:4" in best.also


def test_a_header_that_nobody_has_named() -> None:
    framing = LengthPrefixed(2, "little", offset=3, adjust=-5, strip=0)
    some = [b"\x01\x02\x03" + (len(body) + 5).to_bytes(2, "little") + body for body in NOISE]
    found = identify(b"".join(b"".join(framing.encode(message)) for message in some))
    assert found[0].form == str(framing)
    assert found[0].messages == tuple(some[:5])


def test_the_end_may_be_missing() -> None:
    cut = stream("netstring", NOISE)[:-7]
    assert identify(cut, ended=False)[0].form == "netstring"
    assert identify(cut)[0].rest > 0


def test_nothing_explains_noise() -> None:
    assert all(each.bits < 12 for each in identify(CHANCE.randbytes(1000)))
    assert identify(b"") == []


def test_little_evidence_is_told_as_such() -> None:
    (only,) = identify(b"\x03abc\x02\xffd")
    assert only.form == "length:1:big"
    assert only.bits < 12


def test_every_name_that_means_something_alone_is_tried() -> None:
    tried = {str(framing).partition(":")[0] for framing in candidates()}
    assert set(NAMES) - tried == {"fixed"}
