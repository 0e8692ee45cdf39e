"""The pytest plugin, there as soon as mezha is installed: fixtures that connect, that cut, and that play a script.

Every run of pytest loads this module. So it stands beside mezha, and imports mezha only when a test wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import mezha.asyncio
    import mezha.blocking
    import mezha.trio
    from mezha.framing import Framing
    from mezha.testing import Script
    from mezha.testing.chaos import Chaos

__all__ = ["mezha_asyncio_pair", "mezha_chaos", "mezha_pair", "mezha_script", "mezha_trio_pair"]

_PROXIES = pytest.StashKey[list["Chaos"]]()
_SCRIPTS = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that decides what is random."""
    group = parser.getgroup("mezha")
    group.addoption(
        "--chaos-seed", type=int, default=0, metavar="N", help="the seed of mezha_chaos; a failing test prints it"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Let a script that was not played to its end fail the test itself."""
    __tracebackhide__ = True
    with item.stash.get(_SCRIPTS, None) or ExitStack():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say with a failure what the proxies of the test did, so that it can be done again."""
    report = yield
    if report.failed and (proxies := item.stash.get(_PROXIES, None)):
        lines = [f"seed {proxy.seed}; to do it again: mezha_chaos(..., plans={proxy.plans})" for proxy in proxies]
        report.sections.append(("chaos", "\n".join(lines)))
    return report


@pytest.fixture
def mezha_chaos(request: pytest.FixtureRequest) -> Generator[Callable[..., Chaos]]:
    """Put a proxy in front of a server: ``mezha_chaos(host, port, up=[...], ...)`` returns a running ``Chaos``.

    It takes what :class:`mezha.testing.chaos.Chaos` takes; ``seed`` is that of ``--chaos-seed`` unless given. It ends
    with the test; what it did is shown if the test fails.
    """
    from mezha.testing.chaos import Chaos

    proxies: list[Chaos] = []
    request.node.stash[_PROXIES] = proxies
    with ExitStack() as stack:

        def start(*arguments: Any, **options: Any) -> Chaos:
            options.setdefault("seed", request.config.getoption("--chaos-seed"))
            proxy = stack.enter_context(Chaos(*arguments, **options))
            proxies.append(proxy)
            return proxy

        yield start


@pytest.fixture
def mezha_script(request: pytest.FixtureRequest) -> Generator[Callable[[Script], Script]]:
    """Play a script: ``mezha_script(Script().expect(...).say(...))`` returns it, at its ``address``.

    Its last step has to be done when the test function returns: a step that fails, or is left, fails the test.
    """
    with ExitStack() as scripts:
        request.node.stash[_SCRIPTS] = scripts
        yield scripts.enter_context


@pytest.fixture
def mezha_pair() -> Generator[Callable[..., tuple[mezha.blocking.Peer, mezha.blocking.Peer]]]:
    """Connect two blocking peers, which are closed with the test: ``mezha_pair(framing=None)``.

    Without a framing they speak the mezha protocol; it takes the options of ``wrap``.
    """
    from mezha.testing.pairs import blocking_pair

    with ExitStack() as stack:

        def connect(framing: Framing | None = None, **options: Any) -> tuple[mezha.blocking.Peer, mezha.blocking.Peer]:
            return stack.enter_context(blocking_pair(framing, **options))

        yield connect


@pytest.fixture
def mezha_asyncio_pair() -> Callable[..., AbstractAsyncContextManager[tuple[mezha.asyncio.Peer, mezha.asyncio.Peer]]]:
    """Connect two asyncio peers, in an ``async with`` block of any async test: ``mezha_asyncio_pair(framing=None)``.

    Without a framing they speak the mezha protocol; it takes the options of ``wrap``.
    """
    from mezha.testing.pairs import asyncio_pair

    return asyncio_pair


@pytest.fixture
def mezha_trio_pair() -> Callable[..., AbstractAsyncContextManager[tuple[mezha.trio.Peer, mezha.trio.Peer]]]:
    """Connect two trio peers, in an ``async with`` block of a test on trio: ``mezha_trio_pair(framing=None)``.

    Without a framing they speak the mezha protocol; it takes the options of ``wrap``.
    """
    from mezha.testing.trio_pairs import trio_pair

    return trio_pair
