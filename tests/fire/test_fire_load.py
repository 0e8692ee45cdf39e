"""Many connections at once: nothing is lost, and nothing is left. ``make load`` is the same with thousands."""

import pytest
from fire.load import measure


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_many_connections_at_once(loop: str) -> None:
    pytest.importorskip(loop)
    connections, messages = 400, 8
    load = measure(connections, messages, loop=loop)
    assert load.messages == connections * messages
    assert load.busy.descriptors >= connections
    assert not load.after.leaves(load.before), load
    assert load.busy.memory - load.before.memory < connections * (64 << 10)
