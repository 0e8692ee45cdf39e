"""What the tests of the blocking flavour share: threads, a connected pair, and nothing left behind."""

import gc
import socket
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import PATIENCE


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Generator[None]:
    """Let the garbage collector, which runs after every test, look at nothing older."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_left() -> Generator[None]:
    """See that a test leaves no thread, and no socket that only the garbage collector would close."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name == "mezha keeper":  # it goes when it has seen that nothing is left to keep
            continue
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"{thread} is left"
    gc.collect()


@pytest.fixture
def pool() -> Generator[ThreadPoolExecutor]:
    """Threads: ``pool.submit(function, ...).result(timeout)``."""
    with ThreadPoolExecutor(16) as threads:
        yield threads


@pytest.fixture
def tcp() -> Generator[tuple[socket.socket, socket.socket]]:
    """Two plain sockets, connected over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        other, _ = listening.accept()
    with one, other:
        yield one, other
