"""Framings with nothing to choose: their string form is their name."""

import pytest

from mezha.framing import Mqtt
from mezha.framing.optionless import Optionless


@pytest.mark.parametrize("kind", [Mqtt])
def test_the_name_is_all_there_is(kind: type[Optionless]) -> None:
    assert str(kind.parse([])) == kind.name
    with pytest.raises(ValueError, match=r"^it takes no options$"):
        kind.parse([""])
