"""How tests of the trio flavour run: ``async def``, each in a run of trio that may leave nothing behind."""

import gc
import inspect
from collections.abc import Generator

import pytest
import trio
import trio.testing
from trio_pairs import tasks
from waiting import PATIENCE


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """The clock of the test, which jumps to where something is due once everybody waits."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Generator[None]:
    """Let the garbage collector, which runs after every test, look at nothing older."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}

    async def main() -> None:
        before = tasks()
        with trio.fail_after(PATIENCE):
            await pyfuncitem.obj(**arguments)
            await trio.testing.wait_all_tasks_blocked()
        assert tasks() == before, "tasks are left"

    clock = pyfuncitem.funcargs.get("clock")
    assert clock is None or isinstance(clock, trio.testing.MockClock)
    trio.run(main, clock=clock)
    gc.collect()  # a socket that nobody closed warns now, and warnings are errors
    return True
