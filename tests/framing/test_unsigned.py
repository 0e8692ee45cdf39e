"""Unsigned integers: every width, both ways, at any place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.framing.unsigned import packer, unpacker


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("byteorder", ["big", "little"])
@given(data=st.data())
def test_they_are_written_and_read(width: int, byteorder: str, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, 256**width - 1))
    around = data.draw(st.binary(max_size=3))
    written = packer(width, byteorder)(value)
    assert written == value.to_bytes(width, "big" if byteorder == "big" else "little")
    for buffer in (around + written + around, bytearray(around + written + around)):
        assert unpacker(width, byteorder)(buffer, len(around)) == (value,)


def test_no_other_width_is_known() -> None:
    for width in (0, 5, -1):
        with pytest.raises(KeyError):
            packer(width, "big")
        with pytest.raises(KeyError):
            unpacker(width, "little")
