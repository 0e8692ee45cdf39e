"""The quick doors of what holds bytes: ``pop`` and ``push`` do what is easy, and leave the rest as it is to others."""

from copy import deepcopy
from types import ModuleType

import pytest
from stuffed_framings import Stuffed

from mezha.errors import MessageTooLarge
from mezha.framing import Decoder, Delimited, FixedSize, Framing, LengthPrefixed, Lines, Netstring, VarintPrefixed
from mezha.testing import laws

pytestmark = pytest.mark.usefixtures("twin")

#: Copies of them use the twin under test.
QUICK: list[Framing] = [
    LengthPrefixed(),
    LengthPrefixed(3, "little", offset=1, strip=6, fixed=b"<>>"),
    VarintPrefixed(),
    Netstring(),
    Delimited(b"--"),
    Lines(),
]
every_quick = pytest.mark.parametrize("framing", QUICK, ids=str)


def wire_of(framing: Framing, *messages: bytes) -> bytes:
    return b"".join(b"".join(framing.encode(message)) for message in messages)


@every_quick
def test_what_is_whole_is_handed_out_at_once(decoder_of: type[Decoder], framing: Framing) -> None:
    decoder = decoder_of(deepcopy(framing))
    assert decoder.pop() is None
    some = [b"", b"a", b"", b"abc" * 100, b"b"] * 20
    wire = wire_of(framing, *some)
    for place, message in enumerate(some, 1):
        decoder.feed(wire_of(framing, message))
        assert decoder.pop() == message, place
        assert decoder.pop() is None
    decoder.feed(wire)
    for place, message in enumerate(some, 1):
        assert decoder.pop() == message, place
        assert decoder.unused() == wire_of(framing, *some[place:])
    assert decoder.pop() is None
    assert decoder.idle()


@every_quick
def test_it_hands_out_runs_in_between_and_the_order_stays(decoder_of: type[Decoder], framing: Framing) -> None:
    decoder = decoder_of(deepcopy(framing))
    some = [b"%d" % number for number in range(100)]
    decoder.feed(wire_of(framing, *some))
    got: list[bytes] = []
    while len(got) < len(some):
        got += [decoder.pop() or b"nothing", decoder.pop() or b"nothing", *decoder.take(3)]
    assert got == some


@pytest.mark.parametrize("framing", [LengthPrefixed(), LengthPrefixed(2, "little"), VarintPrefixed()], ids=str)
def test_what_has_just_become_whole_is_known_to_be(decoder_of: type[Decoder], framing: Framing) -> None:
    decoder = decoder_of(deepcopy(framing))
    wire = wire_of(framing, b"abc")
    decoder.feed(wire[:-2])
    assert decoder.take() == []  # asked, it knows how much is needed
    assert decoder.need == len(wire)
    decoder.feed(wire[-2:-1])
    assert decoder.pop() is None
    decoder.feed(wire[-1:])
    assert decoder.pop() == b"abc"


@pytest.mark.parametrize("framing", [Delimited(b"--"), Lines()], ids=str)
def test_a_search_that_was_begun_is_not_begun_anew(decoder_of: type[Decoder], framing: Framing) -> None:
    metered = laws.Metered(deepcopy(framing))
    decoder = decoder_of(metered)
    size = 2000
    for _ in range(size):
        decoder.feed(b"x")
        assert decoder.pop() is None
        assert decoder.take() == []
    assert metered.looked <= 8 * size


def test_without_a_kernel_it_is_shut(decoder_of: type[Decoder]) -> None:
    decoder = decoder_of(Stuffed())
    decoder.feed(b"a|")
    assert decoder.pop() is None
    assert decoder.take() == [b"a"]


@every_quick
def test_what_is_too_large_is_left_to_be_refused(decoder_of: type[Decoder], framing: Framing) -> None:
    decoder = decoder_of(deepcopy(framing), limit=3)
    decoder.feed(wire_of(framing, b"abc", b"abcd"))
    assert decoder.pop() == b"abc"
    assert decoder.pop() is None
    with pytest.raises(MessageTooLarge):
        decoder.take()
    assert decoder.pop() is None


@every_quick
def test_it_says_that_something_was_taken(decoder_of: type[Decoder], framing: Framing) -> None:
    decoder = decoder_of(deepcopy(framing))
    for take in (decoder.pop, decoder.take):
        decoder.feed(wire_of(framing, b"a", b"b")[:-1])
        decoder.moved = False
        assert take()
        assert decoder.moved is True
        decoder.moved = False
        assert not take()
        assert decoder.moved is False
        decoder.feed(wire_of(framing, b"b")[-1:])
        assert take()


@every_quick
def test_when_it_is_shut_nothing_comes_in_or_out(decoder_of: type[Decoder], framing: Framing) -> None:
    decoder = decoder_of(deepcopy(framing))
    decoder.feed(wire_of(framing, b"a"))
    decoder.shut = True
    decoder.feed(wire_of(framing, b"b"))
    assert decoder.pop() is None
    assert decoder.cut(9) == []
    assert decoder.unused() == wire_of(framing, b"a")


@every_quick
def test_it_is_idle_when_nothing_is_here_nor_will_be(decoder_of: type[Decoder], framing: Framing) -> None:
    decoder = decoder_of(deepcopy(framing))
    assert decoder.idle() is True
    decoder.feed(wire_of(framing, b"a", b"b"))
    assert decoder.idle() is False
    assert decoder.pop() == b"a"
    assert decoder.idle() is False
    assert decoder.take() == [b"b"]
    assert decoder.idle() is True
    ended, shut = decoder_of(deepcopy(framing)), decoder_of(deepcopy(framing))
    ended.feed(b"")
    shut.shut = True
    assert ended.idle() is shut.idle() is False


def test_what_has_one_size_passes_both_doors(decoder_of: type[Decoder], twin: ModuleType) -> None:
    framing = deepcopy(FixedSize(3))
    decoder, outgoing = decoder_of(framing), twin.Outgoing(framing, 100, 100)
    assert outgoing.push(b"one")
    assert outgoing.push(b"two")
    decoder.feed(b"".join(outgoing.collect())[:-1])
    assert (decoder.pop(), decoder.pop()) == (b"one", None)
    decoder.feed(b"osix")
    assert [decoder.pop() for _ in range(3)] == [b"two", b"six", None]


@pytest.mark.parametrize("framing", [Lines(), Delimited(b"--"), FixedSize(2), LengthPrefixed(1, strip=0)], ids=str)
def test_what_would_be_refused_is_not_pushed(twin: ModuleType, framing: Framing) -> None:
    outgoing = twin.Outgoing(deepcopy(framing), 100, 100)
    assert not outgoing.push(b"a\n--")
    assert (outgoing.size, outgoing.collect()) == (0, [])


def test_large_parts_go_out_as_they_are_and_small_ones_joined(twin: ModuleType) -> None:
    outgoing = twin.Outgoing(LengthPrefixed(), 100, 100)
    large, small = bytes(8192), bytes(8191)
    outgoing.put([b"he", b"ad", large, b"ta"])
    outgoing.put([b"il", small])
    assert outgoing.size == 8 + 8192 + 8191
    head, middle, tail = outgoing.collect()
    assert (head, tail) == (b"head", b"tail" + small)
    assert middle is large
    assert outgoing.size == 0
