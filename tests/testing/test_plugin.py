"""The plugin, as somebody's own tests meet it: the naive server passes without it, and fails with it, each time."""

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio

import mezha.asyncio
import mezha.blocking
import mezha.trio
from mezha.framing import Framing, Lines
from mezha.testing import Script
from mezha.testing.chaos import Chaos, CutAt, Plan

pytest_plugins = ["pytester"]

NAIVE = Path(__file__).parents[2] / "examples" / "naive"


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run pytest as a user would, in a folder of its own."""
    return lambda *words: pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", *words)


@pytest.fixture
def naive(pytester: pytest.Pytester) -> Path:
    return Path(shutil.copytree(NAIVE, pytester.path, dirs_exist_ok=True))


Runner = Callable[..., pytest.RunResult]


# -- the naive server --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("naive")
def test_the_naive_server_passes_without_and_fails_with_it(run: Runner) -> None:
    run("-k", "loopback").assert_outcomes(passed=1, deselected=1)
    failed = run("--chaos-seed", "7")
    failed.assert_outcomes(passed=1, failed=1)
    failed.stdout.fnmatch_lines(
        [
            "E * assert b'HELLO' == b'HELLO, WORLD!'",
            "seed 7; to do it again: mezha_chaos(..., plans=[[]Plan(up=[[]CutAt(5*",
        ]
    )


def test_what_is_printed_fails_again(naive: Path, run: Runner) -> None:
    source = (naive / "test_server.py").read_text(encoding="utf-8")
    again = source.replace("up=[CutEvery(5)]", "plans=[Plan(up=[CutAt(5)])]").replace("CutEvery", "CutAt, Plan")
    (naive / "test_server.py").write_text(again, encoding="utf-8")
    failed = run()
    failed.assert_outcomes(passed=1, failed=1)
    failed.stdout.fnmatch_lines(["seed 0; to do it again: mezha_chaos(..., plans=[[]Plan(up=[[]CutAt(5)])])"])


# -- being there in every run ------------------------------------------------------------------------------------------


def test_loading_the_plugin_loads_nothing_of_mezha() -> None:
    code = "import sys, _mezha_pytest; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert not [name for name in loaded.stdout.split() if name.split(".")[0] in ("mezha", "trio", "hypothesis")]


@pytest.mark.usefixtures("naive")
def test_it_can_be_switched_off(run: Runner) -> None:
    run("-p", "no:mezha").assert_outcomes(passed=1, errors=1)
    run("-p", "no:mezha", "--chaos-seed", "7").stderr.fnmatch_lines(["*unrecognized arguments: --chaos-seed*"])


# -- a proxy, a script -------------------------------------------------------------------------------------------------


def test_chaos_starts_with_the_call_and_takes_what_chaos_takes(mezha_chaos: Callable[..., Chaos]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = mezha_chaos(*listener.getsockname(), up=[CutAt(1)], seed=4)
        assert proxy.seed == 4
        with socket.create_connection(proxy.address) as client:
            client.sendall(b"ab")
            taken, _ = listener.accept()
            with taken:
                assert taken.recv(9) == b"a"
                assert taken.recv(9) == b"b"
        assert proxy.plans == [Plan(up=[CutAt(1)])]


def test_a_script_plays_from_the_call_on(mezha_script: Callable[[Script], Script]) -> None:
    script = mezha_script(Script().expect(b"Hello!").say(b"World!").end())
    with socket.create_connection(script.address) as client:
        client.sendall(b"Hello!")
        assert client.recv(9, socket.MSG_WAITALL) == b"World!"


def test_a_script_that_was_not_played_fails_the_test(pytester: pytest.Pytester, run: Runner) -> None:
    pytester.makepyfile("""
        import socket
        from mezha.testing import Script

        def test_says_too_much(mezha_script):
            script = mezha_script(Script().expect(b"Hello!").expect_end())
            with socket.create_connection(script.address) as client:
                client.sendall(b"Hello!World!")

        def test_never_comes(mezha_script):
            mezha_script(Script(limit=0.01).expect(b"Hello!"))

        def test_fails_by_itself(mezha_script):
            mezha_script(Script(limit=60).expect(b"Hello!"))
            assert not "this"
    """)
    failed = run()
    failed.assert_outcomes(failed=3)
    failed.stdout.fnmatch_lines(["E *step 3 of the script, expect_end(), failed: bytes came", "E *nobody connected*"])


# -- pairs -------------------------------------------------------------------------------------------------------------


def test_a_pair(mezha_pair: Callable[[Framing], tuple[mezha.blocking.Peer, mezha.blocking.Peer]]) -> None:
    one, other = mezha_pair(Lines())
    thread = threading.Thread(target=one.send, args=(b"Hello!",))
    thread.start()
    assert other.recv(timeout=20) == b"Hello!"
    thread.join()


AsyncioPair = Callable[[Framing], AbstractAsyncContextManager[tuple[mezha.asyncio.Peer, mezha.asyncio.Peer]]]
TrioPair = Callable[[Framing], AbstractAsyncContextManager[tuple[mezha.trio.Peer, mezha.trio.Peer]]]


def test_an_asyncio_pair(mezha_asyncio_pair: AsyncioPair) -> None:
    async def main() -> bytes:
        async with mezha_asyncio_pair(Lines()) as (one, other):
            await one.send(b"Hello!")
            return await other.recv()

    assert asyncio.run(main()) == b"Hello!"


def test_a_trio_pair(mezha_trio_pair: TrioPair) -> None:
    async def main() -> bytes:
        async with mezha_trio_pair(Lines()) as (one, other):
            await one.send(b"Hello!")
            return await other.recv()

    assert trio.run(main) == b"Hello!"
