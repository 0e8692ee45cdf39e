"""The same test twice: on loopback, where it passes, and with mezha's chaos proxy between, where it cannot."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from naive_server import serve

from mezha.testing.chaos import Chaos, CutEvery

Address = tuple[str, int]


@pytest.fixture
def address() -> Iterator[Address]:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    yield listener.getsockname()
    listener.close()


def greet(address: Address) -> bytes:
    with socket.create_connection(address) as client:
        client.sendall(b"Hello, World!")
        return client.recv(1024)


def test_on_loopback(address: Address) -> None:
    assert greet(address) == b"HELLO, WORLD!"


def test_with_chaos(address: Address, mezha_chaos: Callable[..., Chaos]) -> None:
    proxy = mezha_chaos(*address, up=[CutEvery(5)])
    assert greet(proxy.address) == b"HELLO, WORLD!"
