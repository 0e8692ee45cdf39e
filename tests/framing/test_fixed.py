"""FixedSize: messages of one size, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.errors import LocalProtocolError
from mezha.framing import FixedSize, Frame, Need
from mezha.testing import laws


def test_nothing_stands_between_messages() -> None:
    framing = FixedSize(3)
    assert framing.encode(b"one") == (b"one",)
    assert framing.encode(b"t", b"", b"wo") == (b"t", b"", b"wo")
    assert framing.split(bytearray(b"onetwo"), 100) == Frame(0, 3, 3)
    assert framing.split(bytearray(b"on"), 100) == Need(3)
    assert framing.run()(b"onetwosi", 0, 100, 9) == ([b"one", b"two"], 6)


@given(st.integers(1, 9), st.binary(max_size=12))
def test_every_message_has_that_size(size: int, message: bytes) -> None:
    framing = FixedSize(size)
    if len(message) == size:
        laws.check_inverse(framing, message)
        return
    text = f"^the message has {len(message)} bytes, and every message here has exactly {size}: nothing was sent$"
    with pytest.raises(LocalProtocolError, match=text) as caught:
        framing.encode(message)
    assert (caught.value.size, caught.value.limit) == (len(message), size)


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_is_at_least_a_byte(size: int) -> None:
    with pytest.raises(ValueError, match=f"^the size must be 1 byte or more, not {size}$"):
        FixedSize(size)


def test_a_limit_below_the_size_lets_nothing_through_and_is_refused_at_once() -> None:
    assert FixedSize(8).decoder(limit=8).limit == 8
    with pytest.raises(ValueError, match=r"^every message has 8 bytes, and the limit is 7: raise max_message"):
        FixedSize(8).decoder(limit=7)


def test_its_string_form() -> None:
    assert str(FixedSize(512)) == "fixed:512"
    assert FixedSize.parse(["512"]) == FixedSize(512)
    for options in ([], ["1", "2"]):
        with pytest.raises(ValueError, match=r"^its one option is the size of every message, in bytes$"):
            FixedSize.parse(options)
