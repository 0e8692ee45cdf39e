"""The flavours of mezha, as the conformance suite sees them."""

import asyncio

from mezha.testing.conformance import Flavour
from mezha.testing.conformance.on_asyncio import Asyncio
from mezha.testing.conformance.on_blocking import Blocking
from mezha.testing.conformance.on_trio import Trio

__all__ = ["FLAVOURS"]

FLAVOURS: list[Flavour] = [Blocking("blocking"), Asyncio("asyncio", asyncio.SelectorEventLoop), Trio("trio")]
try:
    import uvloop
except ImportError:  # Windows has none
    pass
else:
    FLAVOURS.append(Asyncio("uvloop", uvloop.new_event_loop))
