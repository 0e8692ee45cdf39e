"""Connections come and go: every message is right, and nothing grows. ``make soak`` is the same for hours."""

from fire.parties import PARTIES
from fire.soak import soak


def test_nothing_grows() -> None:
    for one in soak(3, flavours=list(PARTIES)):
        assert one.messages > one.connections > 0, one
        assert one.impatient > 0, one
        assert one.cut > 0, one
        assert one.steady(), one
        # A connection that left one object behind would show as one block or more; a few still come that are kept once.
        assert max(one.growth(lambda used: used.blocks)) < 1, one
