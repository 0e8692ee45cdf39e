"""What the strategies draw is what they say; and without Hypothesis only they are missing, and say how to get it."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from mezha.errors import TruncatedMessage
from mezha.framing import FixedSize, Framing, parse_framing
from mezha.testing import cuts, laws
from mezha.testing.strategies import FRAMINGS, cuttings, in_parts, messages, signs, streams

framings = st.one_of(*FRAMINGS.values())
#: The first example that is found will do.
ANY = settings(max_examples=2000, phases=[Phase.generate])


@given(framings, st.data())
def test_a_message_is_carried_in_any_parts(framing: Framing, data: st.DataObject) -> None:
    message = data.draw(messages(framing))
    parts = data.draw(in_parts(message))
    assert b"".join(parts) == message
    assert not laws.refuses(framing, *parts)


@given(framings, st.data())
def test_a_stream_has_a_limit_that_its_framing_takes(framing: Framing, data: st.DataObject) -> None:
    stream, limit = data.draw(streams(framing))
    assert framing.decoder(limit=limit).limit == limit >= (framing.size if isinstance(framing, FixedSize) else 0)
    assert all(len(message) <= limit for message in laws.known(framing, stream, limit).messages)


@given(st.binary(max_size=12), st.data())
def test_a_cutting_joins_to_the_stream(stream: bytes, data: st.DataObject) -> None:
    cutting = data.draw(cuttings(stream))
    assert b"".join(cutting) == stream
    assert all(cutting)


@pytest.mark.parametrize("name", ["length:4", "netstring", "lines", "delimited:ab"])
def test_streams_of_each_kind_are_drawn(name: str) -> None:
    framing = parse_framing(name)

    def found(fits: Callable[[laws.Knowledge, bytes], bool]) -> tuple[bytes, int]:
        return find(streams(framing), lambda drawn: fits(laws.known(framing, *drawn), drawn[0]), settings=ANY)

    found(lambda reading, stream: len(reading.messages) > 1 and reading.starts[-1] == len(stream))
    found(lambda reading, stream: bool(reading.messages and reading.fault))
    stream, limit = found(lambda reading, stream: not reading.fault and reading.starts[-1] < len(stream))
    decoder = framing.decoder(limit=limit)
    decoder.feed(stream)
    decoder.feed(b"")
    with pytest.raises(TruncatedMessage):
        decoder.take(1 << 20)


def test_every_place_can_be_cut() -> None:
    for places in ([], [1], [3], [1, 2, 3]):
        wanted = [*cuts.at(b"abcd", *places)]
        assert find(cuttings(b"abcd"), wanted.__eq__) == wanted


def test_signs_are_those_of_the_framing() -> None:
    for name, sign in (("netstring", b":"), ("lines", b"\n"), ("delimited:ab", b"b")):
        assert find(signs(parse_framing(name)), sign[0].__eq__) == sign[0]


def test_without_hypothesis_the_rest_works() -> None:
    code = """
import sys
sys.modules.update(hypothesis=None, pytest=None)
from mezha.framing import Netstring
from mezha.testing import Line, Script, Wire, assert_split_invariant, check_framing, chaos, cuts, laws
laws.check_inverse(Netstring(), b"Hello!")
try:
    import mezha.testing.strategies
except ImportError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30)
    assert ran.stdout == "mezha.testing.strategies needs Hypothesis: pip install 'mezha[testing]'\n"
    assert ran.stderr == ""
