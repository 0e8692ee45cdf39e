"""Framings with nothing to choose: their string form is their name."""

import pytest

from mezha.framing import Modbus, parse_framing


def test_the_form_is_the_name() -> None:
    assert str(Modbus()) == Modbus.name == "modbus"
    assert Modbus.parse([]) == Modbus()
    with pytest.raises(ValueError, match=r"^'modbus:1' names no framing: it takes no options$"):
        parse_framing("modbus:1")
