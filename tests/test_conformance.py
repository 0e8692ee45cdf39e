"""The conformance suite on our flavours, every law a test of its own; and on some that break one."""

import gc
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from flavours import FLAVOURS

import mezha.asyncio
from mezha.testing.conformance import Case, Listener, Peer, cases, check_flavour
from mezha.testing.conformance.flavour import InThread
from mezha.testing.conformance.on_asyncio import Asyncio, AsyncioListener, AsyncioPeer


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Generator[None]:
    """Let the garbage collector, which runs after every law, look at nothing older (see ``open_net``)."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


CASES = [case for flavour in FLAVOURS for case in cases(flavour)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_law(case: Case, tmp_path: Path) -> None:
    case.hold(tmp_path)


class Doubtful(AsyncioPeer):
    """It adds something of its own to what it receives."""

    async def recv(self) -> bytes:
        return await super().recv() + b"?"


class Doubting(AsyncioListener):
    """Its peers do."""

    async def accept(self) -> Peer:
        return Doubtful(await self.listener.accept())


class Broken(Asyncio):
    """A flavour whose peers do."""

    async def listen(self, in_thread: InThread, *place: Any, **options: Any) -> Listener:
        return Doubting(await mezha.asyncio.listen(*place, **options))


def test_a_flavour_that_breaks_a_law_is_told_which() -> None:
    flavour = Broken("doubtful", FLAVOURS[1].new_loop)
    with pytest.raises(AssertionError, match=r"the flavour doubtful breaks the law '\w+' on tcp") as caught:
        check_flavour(flavour, ["tcp"])
    assert caught.value.__cause__ is not None
