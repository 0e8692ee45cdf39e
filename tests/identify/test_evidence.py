"""Evidence: what a framing asks of a stream, in bits, against what its bytes are anyway."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.framing import Framing, LengthPrefixed, parse_framing
from mezha.identify import Explanation, explain
from mezha.testing.strategies import FRAMINGS, messages

LIMIT = 1 << 20


def stream(framing: Framing, some: list[bytes]) -> bytes:
    return b"".join(bytes(part) for message in some for part in framing.encode(message))


@given(data=st.data())
def test_what_a_framing_has_written_it_explains_to_the_last_byte(data: st.DataObject) -> None:
    framing = data.draw(FRAMINGS[data.draw(st.sampled_from(list(FRAMINGS)))])
    some = list(data.draw(st.lists(messages(framing), max_size=4)))
    found = explain(framing, stream(framing, some), limit=LIMIT)
    assert (found.rest, found.fault) == (0, None)
    assert found.messages == tuple(some[:5])
    assert found.count == len(some)
    assert found.form == str(framing)


@pytest.mark.parametrize("form", ["length:1", "length:2:big", "length:4:little", "varint", "netstring", "tpkt", "cobs"])
@given(seed=st.integers())
def test_noise_is_no_evidence(form: str, seed: int) -> None:
    noise = random.Random(seed).randbytes(3000)
    assert explain(parse_framing(form), noise, limit=LIMIT).bits < 60  # where two thousand bits would be possible


@given(seed=st.integers())
def test_bytes_that_are_frequent_mark_nothing(seed: int) -> None:
    chance = random.Random(seed)
    zeros = bytes(chance.choice((0, 0, 0, chance.randrange(256))) for _ in range(2000))
    assert explain(parse_framing(r"delimited:\0"), zeros, limit=LIMIT).bits < 0


def test_the_more_is_asked_the_more_it_says() -> None:
    chance = random.Random(1)
    some = [chance.randbytes(chance.randint(10, 100)) for _ in range(20)]
    bits = [explain(parse_framing(form), stream(parse_framing(form), some), limit=LIMIT).bits for form in WIDER]
    assert bits == sorted(bits)
    assert bits[0] < 60 < 200 < bits[1]


WIDER = ("length:1", "length:4:big", "length:4:big:strip=5:fixed=aa", "length:8:big")


def test_what_is_left_over() -> None:
    framing = LengthPrefixed(2)
    whole = stream(framing, [b"one", b"two"])
    assert explain(framing, whole, limit=LIMIT).whole
    cut = explain(framing, whole + b"\0\5hal", limit=LIMIT)
    assert (cut.count, cut.rest, cut.fault, cut.whole) == (2, 5, None, False)
    wrong = explain(framing, whole + b"\xff\xffx", limit=1000)
    assert (wrong.count, wrong.rest) == (2, 3)
    assert wrong.fault is not None
    assert wrong.fault.startswith("the peer announced a message of 65535 bytes; this side takes at most 1000")
    assert explain(framing, b"", limit=LIMIT) == Explanation("length:2:big", 0, (), 0.0, 0)


def test_a_message_may_be_larger_than_what_is_looked_at_at_once() -> None:
    framing = LengthPrefixed(4)
    assert explain(framing, stream(framing, [bytes(100_000), b"x"]), limit=LIMIT).count == 2
    assert explain(parse_framing("lines"), b"x" * 100_000 + b"\ny\n", limit=LIMIT).count == 2
