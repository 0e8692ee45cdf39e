"""The daemons of this worker, the ways to them, and what they said when a test failed."""

from collections.abc import Generator, Iterator

import pytest
from peers.daemons import Daemons
from peers.erlang import erlang
from peers.through import Through

__all__ = ["daemons", "erlang", "through"]

_DAEMONS = pytest.StashKey[Daemons]()


@pytest.fixture(scope="session")
def daemons(pytestconfig: pytest.Config) -> Iterator[Daemons]:
    """Where to start daemons: each once, in a fixture of its own for the session."""
    with Daemons() as running:
        pytestconfig.stash[_DAEMONS] = running
        yield running


@pytest.fixture(params=["straight", "cut"])
def through(request: pytest.FixtureRequest) -> Iterator[Through]:
    """The way to a peer: every test that proves something goes both."""
    with Through(cut=request.param == "cut") as way:
        yield way
    if not way.cut:  # the same bytes
        way.check_identified()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    running = item.config.stash.get(_DAEMONS, None)
    if report.failed and running is not None:
        report.sections += [(f"the last words of {one.name}", one.output[-4000:]) for one in running.running]
    return report
