"""The proxy as a neighbour: ends pass through in their order, nothing grows without bounds, nothing stops it."""

import errno
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from echo_server import echo, exchange
from waiting import until

from mezha.testing import cuts
from mezha.testing.chaos import Chaos, Coalesce, CutAt, CutEvery, Delay, Fault, HalfClose, Reset, Stall

HERE = "127.0.0.1"


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Generator[int]:
    """Serve one connection, and see the handler return."""
    with socket.create_server((HERE, 0)) as listener:
        listener.settimeout(15)

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(20)
                handle(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(20)
            assert not thread.is_alive()


def ended(client: socket.socket) -> tuple[bytes, str]:
    """Read to the end: what came, and how it ended."""
    came = b""
    client.settimeout(20)
    try:
        while data := client.recv(65536):
            came += data
    except OSError as error:
        return came, type(error).__name__
    return came, "end"


# -- how connections end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [[], [Delay(0.05)], [CutEvery(7)]], ids=str)
def test_a_reset_comes_behind_what_was_said_before_it(faults: list[Fault]) -> None:
    def answer_and_break(sock: socket.socket) -> None:
        sock.recv(9)
        sock.sendall(bytes(500))
        reset(sock)

    with (
        serving(answer_and_break) as port,
        Chaos(HERE, port, down=faults) as proxy,
        socket.create_connection(proxy.address) as client,
    ):
        client.sendall(b"Hello!")
        assert ended(client) == (bytes(500), "ConnectionResetError")


def test_an_answer_reaches_a_client_that_was_still_speaking() -> None:
    gone = threading.Event()

    def answer_and_leave(sock: socket.socket) -> None:
        sock.recv(1)
        sock.sendall(b"too large")
        reset(sock)
        gone.set()

    with (
        serving(answer_and_leave) as port,
        Chaos(HERE, port, down=[Delay(0.3)]) as proxy,
        socket.create_connection(proxy.address) as client,
    ):
        client.sendall(b"x")
        assert gone.wait(20)
        client.sendall(bytes(500))
        assert ended(client) == (b"too large", "ConnectionResetError")


def test_who_speaks_to_nobody_is_told() -> None:
    """The way back has ended in order long before."""
    left = threading.Event()

    def half_close_and_leave(sock: socket.socket) -> None:
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
        reset(sock)
        left.set()

    with (
        serving(half_close_and_leave) as port,
        Chaos(HERE, port) as proxy,
        socket.create_connection(proxy.address, timeout=20) as client,
    ):
        assert client.recv(1) == b""
        client.sendall(b"x")
        assert left.wait(20)
        with pytest.raises(ConnectionError):  # noqa: PT012 - one of them will see it
            while True:
                client.sendall(bytes(100))


def test_a_reset_ends_a_stall() -> None:
    seen: list[tuple[bytes, str]] = []
    with serving(lambda sock: seen.append(ended(sock))) as port, Chaos(HERE, port, up=[Stall(2)]) as proxy:
        client = socket.create_connection(proxy.address)
        client.sendall(b"Hello!")
        until(lambda: any(plan.up for plan in proxy.plans))
        reset(client)
        until(lambda: seen)
    assert seen == [(b"He", "ConnectionResetError")]


def test_after_a_half_close_the_other_way_lives_on() -> None:
    def answer_at_the_end(sock: socket.socket) -> None:
        came, _ = ended(sock)
        sock.sendall(came.upper())

    with (
        serving(answer_at_the_end) as port,
        Chaos(HERE, port, up=[HalfClose(5)]) as proxy,
        socket.create_connection(proxy.address) as client,
    ):
        client.sendall(b"Hello, World!")
        client.shutdown(socket.SHUT_WR)
        assert ended(client) == (b"HELLO", "end")


# -- many, and for long ------------------------------------------------------------------------------------------------


def test_resets_do_not_harm_those_who_connect_meanwhile() -> None:
    """A descriptor that is closed is soon another connection's."""
    with echo() as server, Chaos(HERE, server.port, up=[Reset(1)]) as proxy:

        def connect_often() -> None:
            for _ in range(25):
                exchange(proxy.address, b"ab")

        threads = [threading.Thread(target=connect_often) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert proxy.refused == []
        assert all(Reset(1) in plan.up for plan in proxy.plans)
        assert len(proxy.plans) == 200


def test_an_accept_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = socket.socket.accept
    failures = iter([errno.EMFILE, errno.ECONNABORTED])

    def fail_first(sock: socket.socket) -> tuple[socket.socket, object]:
        if threading.current_thread().name == "mezha chaos" and (number := next(failures, 0)):
            raise OSError(number, "as planned")
        return accept(sock)

    with echo() as server, Chaos(HERE, server.port) as proxy:
        monkeypatch.setattr(socket.socket, "accept", fail_first)
        assert exchange(proxy.address, b"Hello!") == b"Hello!"
    assert next(failures, None) is None


def test_many_small_messages_are_late_by_the_delay_and_no_more() -> None:
    late: list[float] = []

    def measure(sock: socket.socket) -> None:
        while data := sock.recv(8, socket.MSG_WAITALL):
            late.append(time.monotonic() - struct.unpack("d", data)[0])

    with (
        serving(measure) as port,
        Chaos(HERE, port, up=[Delay(0.2)]) as proxy,
        socket.create_connection(proxy.address) as client,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(100):
            client.sendall(struct.pack("d", time.monotonic()))
            time.sleep(0.001)
        client.shutdown(socket.SHUT_WR)
        ended(client)
    assert len(late) == 100
    assert min(late) >= 0.2
    assert sorted(late)[50] < 0.26, "as many as came in the time of the delay have to wait at once"


def test_what_is_glued_has_bounds() -> None:
    with (
        socket.create_server((HERE, 0)) as listener,
        Chaos(HERE, listener.getsockname()[1], up=[Coalesce(60.0)]) as proxy,
        socket.create_connection(proxy.address, timeout=0.1) as client,
    ):

        def send_much() -> None:
            for _ in range(40):  # the buffers of the system take a dozen
                client.sendall(bytes(1 << 20))

        with pytest.raises(TimeoutError):
            send_much()


def test_what_comes_later_is_glued_no_more() -> None:
    """Both are on their way at once, since they are late."""
    reads: list[bytes] = []

    def note(sock: socket.socket) -> None:
        while data := sock.recv(99):
            reads.append(data)

    with (
        serving(note) as port,
        Chaos(HERE, port, up=[Coalesce(0.05), Delay(0.3)]) as proxy,
        socket.create_connection(proxy.address) as client,
    ):
        client.sendall(b"one")
        time.sleep(0.15)
        client.sendall(b"two")
        client.shutdown(socket.SHUT_WR)
        ended(client)
    assert reads == [b"one", b"two"]


# -- where it stands ---------------------------------------------------------------------------------------------------


def test_from_a_unix_socket_to_a_unix_socket(tmp_path: Path) -> None:
    here, there = str(tmp_path / "proxy"), str(tmp_path / "server")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(there)
        listener.listen()
        with Chaos(unix=there, listen=here, down=[CutAt(3)]) as proxy:
            assert proxy.addresses == (here,)
            with pytest.raises(ValueError, match="Unix socket"):
                _ = proxy.address
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(here)
                server, _ = listener.accept()
                with server:
                    server.sendall(b"Hello!")
                    assert [client.recv(9), client.recv(9)] == cuts.at(b"Hello!", 3)
        assert not Path(here).exists()
        assert there in repr(proxy)


def test_at_each_address_of_a_host() -> None:
    with echo() as server, Chaos(HERE, server.port, listen=("localhost", 0)) as proxy:
        for name in proxy.addresses:
            host, _, port = name.rpartition(":")
            assert exchange((host.strip("[]"), int(port)), b"Hello!") == b"Hello!"


def test_it_can_be_used_again() -> None:
    with echo() as server:
        proxy = Chaos(HERE, server.port, up=[CutAt(3)])
        for _ in range(2):
            with proxy:
                assert exchange(proxy.address, b"Hello!") == b"Hello!"
        assert [plan.up for plan in proxy.plans] == [(CutAt(3),)] * 2


def test_a_name_that_is_none_is_a_refusal() -> None:
    with Chaos("a..b", 1) as proxy:
        assert exchange(proxy.address, b"x") == "ConnectionResetError"
    assert "a..b" in proxy.refused[0]


@pytest.mark.parametrize("place", [(), (HERE, 1, "/x"), (HERE, None, "/x")])
def test_one_place_is_needed(place: tuple[str, int | None, str]) -> None:
    host, port, path = place or (None, None, None)
    with pytest.raises(TypeError, match="give a host and a port, or the path"):
        Chaos(host, port, unix=path)


def test_it_has_an_address_once_it_is_started() -> None:
    with pytest.raises(ValueError, match="was not started"):
        _ = Chaos(HERE, 1).address
    assert Chaos(HERE, 1).addresses == ()
