"""How tests of the asyncio flavour run: ``async def``, on the stock loop, in its debug mode, and on uvloop."""

import asyncio
import gc
import inspect
from collections.abc import Generator
from typing import Any

import pytest
from loops import ALL_LOOPS, LOOPS
from waiting import PATIENCE


@pytest.fixture(params=LOOPS, autouse=True)
def loop_kind(request: pytest.FixtureRequest) -> str:
    """Name what to run the test on."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Generator[None]:
    """Let the garbage collector, which runs after every test, look at nothing older."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function, and see that it leaves nothing behind."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}
    loop_factory, debug = ALL_LOOPS[str(pyfuncitem.funcargs["loop_kind"])]
    complaints: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(PATIENCE):
            await pyfuncitem.obj(**arguments)
        if left := asyncio.all_tasks().difference((asyncio.current_task(),)):
            _, left = await asyncio.wait(left, timeout=1)
        assert not left, "tasks are left"

    with asyncio.Runner(loop_factory=loop_factory, debug=debug) as runner:
        runner.run(main())
    gc.collect()
    assert not complaints
    return True
