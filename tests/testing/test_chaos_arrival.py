"""A cut is real: on every kind of address, a receiver that takes its time still reads piece by piece."""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mezha.testing import cuts
from mezha.testing.chaos import Chaos, CutEvery, arrival
from mezha.testing.chaos.arrival import taken

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nobody else tells what a receiver has taken")

STREAM = bytes(range(12))


def ipv4(_: Path) -> tuple[socket.socket, str]:
    return socket.create_server(("127.0.0.1", 0)), "127.0.0.1"


def ipv6(_: Path) -> tuple[socket.socket, str]:
    return socket.create_server(("::1", 0), family=socket.AF_INET6), "::1"


def both(_: Path) -> tuple[socket.socket, str]:
    return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True), "127.0.0.1"


def unix(folder: Path) -> tuple[socket.socket, str]:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(folder / "server"))
    sock.listen()
    return sock, ""


every_kind = pytest.mark.parametrize("kind", [ipv4, ipv6, both, unix])


@contextmanager
def slow_reader(listener: socket.socket, seconds: float) -> Generator[list[bytes]]:
    """Read what comes, and be busy for so long after each read."""
    reads: list[bytes] = []

    def read() -> None:
        sock, _ = listener.accept()
        with sock:
            while data := sock.recv(999):
                reads.append(data)
                time.sleep(seconds)

    thread = threading.Thread(target=read)
    thread.start()
    yield reads
    thread.join(20)


@every_kind
@pytest.mark.parametrize("seconds", [0.0, 0.015])
def test_a_receiver_that_takes_its_time_reads_piece_by_piece(
    kind: Callable[[Path], tuple[socket.socket, str]], seconds: float, tmp_path: Path
) -> None:
    try:
        listener, host = kind(tmp_path)
    except OSError:
        pytest.skip("this machine has no such address")
    with listener:
        place = listener.getsockname()
        target = Chaos(unix=place, up=[CutEvery(1)]) if kind is unix else Chaos(host, place[1], up=[CutEvery(1)])
        with (
            slow_reader(listener, seconds) as reads,
            target as proxy,
            socket.create_connection(proxy.address) as client,
        ):
            client.sendall(STREAM)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
    assert reads == cuts.byte_by_byte(STREAM)


def pair(kind: Callable[[Path], tuple[socket.socket, str]], folder: Path) -> tuple[socket.socket, socket.socket]:
    listener, host = kind(folder)
    with listener:
        client = socket.socket(listener.family if host != "127.0.0.1" else socket.AF_INET)
        client.connect((host, listener.getsockname()[1]) if host else listener.getsockname())
        return client, listener.accept()[0]


@every_kind
def test_it_waits_until_the_last_byte_is_read(
    kind: Callable[[Path], tuple[socket.socket, str]], tmp_path: Path
) -> None:
    try:
        client, server = pair(kind, tmp_path)
    except OSError:
        pytest.skip("this machine has no such address")

    async def law() -> None:
        client.sendall(b"Hello!")
        waiting = asyncio.create_task(taken(client, 6, patience=20))
        assert server.recv(5) == b"Hello"
        done, _ = await asyncio.wait([waiting], timeout=0.02)
        assert not done
        assert server.recv(5) == b"!"
        await waiting
        client.sendall(b"?")
        await asyncio.wait_for(taken(client, 7, patience=0.01), 20)  # nobody reads it

    with client, server:
        asyncio.run(law())


def test_where_nobody_can_tell_it_waits_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def nobody(_: socket.socket, count: int) -> None:
        looks.append(count)

    monkeypatch.setattr(arrival, "_left", nobody)
    with socket.socket() as sock:
        began = time.monotonic()
        asyncio.run(taken(sock, 6, patience=20))
    assert time.monotonic() - began > 0.005
    assert looks == [6]


def test_a_receiver_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    client, server = pair(ipv4, tmp_path)
    with client:
        client.sendall(b"Hello!")
        server.close()
        asyncio.run(asyncio.wait_for(taken(client, 6, patience=60), 20))
