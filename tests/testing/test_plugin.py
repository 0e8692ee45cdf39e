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

import mezha.asyncio
import mezha.blocking
from mezha.framing import Framing, Lines
from mezha.testing.chaos import Chaos, CutAt, Plan

NAIVE = Path(__file__).parents[2] / "examples" / "naive"


def run(folder: Path, *words: str) -> str:
    """Run pytest as a user would, in a folder of its own."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=False).stdout


@pytest.fixture
def naive(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NAIVE, tmp_path / "naive"))


def test_the_naive_server_passes_without_and_fails_with_it(naive: Path) -> None:
    assert "1 passed" in run(naive, "-k", "loopback")
    first = run(naive)
    assert "1 failed, 1 passed" in first
    assert "assert b'HELLO' == b'HELLO, WORLD!'" in first
    assert "seed 0; to do it again: mezha_chaos(..., plans=[Plan(up=[CutAt(5" in first


def test_what_is_printed_fails_again_and_the_seed_is_chosen(naive: Path) -> None:
    source = (naive / "test_server.py").read_text(encoding="utf-8")
    again = source.replace("up=[CutEvery(5)]", "plans=[Plan(up=[CutAt(5)])]").replace("CutEvery", "CutAt, Plan")
    (naive / "test_server.py").write_text(again, encoding="utf-8")
    printed = run(naive, "--chaos-seed", "7")
    assert "1 failed, 1 passed" in printed
    assert "seed 7; to do it again" in printed


def test_loading_the_plugin_loads_nothing_else() -> None:
    code = "import sys, mezha.testing.plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "mezha.testing.chaos" not in loaded.stdout
    assert "hypothesis" not in loaded.stdout


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


def test_a_pair(mezha_pair: Callable[[Framing], tuple[mezha.blocking.Peer, mezha.blocking.Peer]]) -> None:
    one, other = mezha_pair(Lines())
    thread = threading.Thread(target=one.send, args=(b"Hello!",))
    thread.start()
    assert other.recv(timeout=20) == b"Hello!"
    thread.join()


Pair = Callable[[Framing], AbstractAsyncContextManager[tuple[mezha.asyncio.Peer, mezha.asyncio.Peer]]]


def test_an_asyncio_pair(mezha_asyncio_pair: Pair) -> None:
    async def main() -> bytes:
        async with mezha_asyncio_pair(Lines()) as (one, other):
            await one.send(b"Hello!")
            return await other.recv()

    assert asyncio.run(main()) == b"Hello!"
