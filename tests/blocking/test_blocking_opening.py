"""Tests of mezha.blocking.opening: connect, listen, serve, wrap."""

import errno
import re
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from child import Child
from waiting import PATIENCE, until

from mezha import ClosedByPeer, ConnectionLost, Limits, Timeouts, TruncatedMessage
from mezha.blocking import Peer, connect, listen, serve, wrap
from mezha.framing import FixedSize, LengthPrefixed, Lines
from mezha.observe import Observer
from mezha.testing import Script
from mezha.testing.conformance import certificates

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems count a backlog in other ways")


def _serve(**options: Any) -> None:
    serve(print, **options)


VERBS: list[Callable[..., object]] = [connect, listen, _serve]


def _swap(one: Peer, other: Peer) -> None:
    """See that two peers are connected."""
    one.send(b"Hello!")
    assert other.recv(timeout=PATIENCE) == b"Hello!"
    other.send(b"World!")
    assert one.recv(timeout=PATIENCE) == b"World!"


# -- places -----------------------------------------------------------------------------------------------------------


def test_host_and_port() -> None:
    with listen("127.0.0.1", 0, framing=Lines()) as listener:
        assert listener.port > 0
        assert listener.addresses == (f"127.0.0.1:{listener.port}",)
        with connect("127.0.0.1", listener.port, framing=Lines()) as client, listener.accept() as peer:
            assert client.remote_address == peer.local_address == listener.addresses[0]
            assert client.local_address == peer.remote_address
            assert client.tls is peer.tls is None
            _swap(client, peer)


def test_a_port_that_was_free_can_be_asked_for() -> None:
    with listen("127.0.0.1", 0, framing=Lines()) as listener:
        port = listener.port
    with listen("127.0.0.1", port, framing=Lines()) as listener:
        assert listener.port == port


def test_a_port_that_is_taken() -> None:
    with listen("127.0.0.1", 0, framing=Lines()) as listener:
        with pytest.raises(OSError, match=f"cannot listen on {listener.addresses[0]}: ") as caught:
            listen("127.0.0.1", listener.port, framing=Lines())
        assert caught.value.errno == errno.EADDRINUSE


def test_without_a_host() -> None:
    with listen(port=0, framing=Lines()) as listener:
        assert f"0.0.0.0:{listener.port}" in listener.addresses
        assert len(listener.sockets) == len(listener.addresses)
        with connect(port=listener.port, framing=Lines()) as client, listener.accept() as peer:
            _swap(client, peer)


def test_all_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    known = socket.getaddrinfo

    def two_addresses(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        assert host == "localhost"
        return [*known("127.0.0.1", port, *args, **options), *known("::1", port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    with listen("localhost", 0, framing=Lines()) as listener:
        monkeypatch.undo()
        assert listener.addresses[0] == f"127.0.0.1:{listener.port}"
        assert listener.addresses[1:] in ((), (f"[::1]:{listener.port}",))  # where there is no IPv6
        for sock in listener.sockets:
            host, port, *_ = sock.getsockname()
            with connect(host, port, framing=Lines()) as client, listener.accept() as peer:
                assert peer.local_address in listener.addresses
                _swap(client, peer)


def test_unix(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with listen(unix=path, framing=Lines()) as listener:
        assert listener.addresses == (str(path),)
        with pytest.raises(ValueError, match=rf"^{path} is a Unix socket, and has no port$"):
            _ = listener.port
        with connect(unix=path, framing=Lines()) as client, listener.accept() as peer:
            assert client.remote_address == peer.local_address == str(path)
            assert client.local_address == peer.remote_address == "unnamed"
            _swap(client, peer)
    assert not path.exists()


def test_unix_after_a_program_that_did_not_clean_up(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with listen(unix=path, framing=Lines()), connect(unix=str(path), framing=Lines()):
        pass


def test_unix_in_use(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with listen(unix=path, framing=Lines()):
        with pytest.raises(OSError, match=f"cannot listen on {path}: "):
            listen(unix=path, framing=Lines())
        with connect(unix=path, framing=Lines()):
            pass


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", [{}, {"host": "localhost"}, {"port": 1, "unix": "x"}, {"host": "h", "unix": "x"}])
def test_no_place(verb: Any, place: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="give a host and a port, or the path of a Unix socket"):
        verb(**place, framing=Lines())


def test_no_framing(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket() as sock:
        for verb in VERBS:
            with pytest.raises(TypeError, match="framing= wants a framing"):
                verb(unix=path, framing="lines")
            with pytest.raises(ValueError, match="every message has 5 bytes, and the limit is 4"):
                verb(unix=path, framing=FixedSize(5), limits=Limits(max_message=4))
        with pytest.raises(TypeError, match="framing= wants a framing"):
            wrap(sock, "lines")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match="every message has 5 bytes, and the limit is 4"):
            wrap(sock, FixedSize(5), limits=Limits(max_message=4))
    assert not path.exists()  # nothing had been opened


def test_mistakes_are_found_before_anything_is_opened() -> None:
    with listen("127.0.0.1", 0, framing=Lines()) as listener:
        with pytest.raises(ValueError, match="every message has 5 bytes"):
            connect("127.0.0.1", listener.port, framing=FixedSize(5), limits=Limits(max_message=4))
        with pytest.raises(TimeoutError, match="nobody connected in time"):
            listener.accept(timeout=0)


def test_limits_timeouts_and_observer_reach_both_sides() -> None:
    class Ear(Observer):
        def __init__(self) -> None:
            self.heard: list[bytes] = []

        def messages_received(self, messages: list[bytes]) -> None:
            self.heard += messages

    ear = Ear()
    options: Any = {"limits": Limits(max_message=6), "timeouts": Timeouts(message=1), "observer": ear}
    with (
        listen("127.0.0.1", 0, framing=Lines(), **options) as listener,
        connect("127.0.0.1", listener.port, framing=Lines(), **options) as client,
        listener.accept() as peer,
    ):
        _swap(client, peer)
    assert ear.heard == [b"Hello!", b"World!"]


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_refused() -> None:
    with listen("127.0.0.1", 0, framing=Lines()) as listener:
        port = listener.port
    with pytest.raises(ConnectionRefusedError):
        connect("127.0.0.1", port, framing=Lines())


def test_refused_at_a_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect(unix=tmp_path / "x.sock", framing=Lines())


@pytest.fixture
def crowded() -> Generator[int]:
    """The port of a server that accepts nobody, and whose backlog is full."""
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        with suppress(TimeoutError):
            while True:
                clients.append(client := socket.socket())
                client.settimeout(0.05)
                client.connect(listening.getsockname())
        yield listening.getsockname()[1]
        for client in clients:
            client.close()


@linux
def test_no_answer_in_time(crowded: int) -> None:
    with pytest.raises(TimeoutError):
        connect("127.0.0.1", crowded, framing=Lines(), timeouts=Timeouts(connect=0.05))


def test_no_time() -> None:
    with (
        listen("127.0.0.1", 0, framing=Lines()) as listener,
        pytest.raises(TimeoutError, match=r"^no connection within 0 s \(Timeouts\.connect\)$"),
    ):
        connect("127.0.0.1", listener.port, framing=Lines(), timeouts=Timeouts(connect=0))


@linux
@pytest.mark.parametrize("seconds", [10.0, None])
def test_a_busy_unix_server(seconds: float | None, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """It is waited for, though the system would not."""
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as first:
        listening.bind(str(path))
        listening.listen(0)
        first.connect(str(path))
        with pytest.raises(TimeoutError, match=r"^no connection within 0\.02 s \(Timeouts\.connect\)$"):
            connect(unix=path, framing=Lines(), timeouts=Timeouts(connect=0.02))
        connecting = pool.submit(connect, unix=path, framing=Lines(), timeouts=Timeouts(connect=seconds))
        listening.accept()[0].close()
        with connecting.result(PATIENCE) as client, wrap(listening.accept()[0], Lines()) as peer:
            _swap(client, peer)


def test_no_answer_to_the_tls_handshake_in_time() -> None:
    """By a server of another kind, which waits for the client to speak."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(TimeoutError, match=r"Timeouts\.connect"),
    ):
        connect(
            *listening.getsockname(),
            framing=Lines(),
            tls=certificates.client(),
            timeouts=Timeouts(connect=0.05),
        )


# -- TLS --------------------------------------------------------------------------------------------------------------


def test_tls(pool: ThreadPoolExecutor) -> None:
    with listen("localhost", 0, framing=Lines(), tls=certificates.server()) as listener:
        accepting = pool.submit(listener.accept)
        with (
            connect("localhost", listener.port, framing=Lines(), tls=certificates.client()) as client,
            accepting.result(PATIENCE) as peer,
        ):
            _swap(client, peer)
            assert client.tls
            assert peer.tls
            assert client.tls.version() == peer.tls.version()
            assert ("DNS", "localhost") in client.tls.getpeercert()["subjectAltName"]  # type: ignore[index]
            assert not peer.tls.getpeercert()


def test_tls_without_time_outs(pool: ThreadPoolExecutor) -> None:
    times = Timeouts(connect=None)
    with listen("localhost", 0, framing=Lines(), tls=certificates.server(), timeouts=times) as listener:
        accepting = pool.submit(listener.accept)
        tls = certificates.client()
        with (
            connect("localhost", listener.port, framing=Lines(), tls=tls, timeouts=times) as client,
            accepting.result(PATIENCE) as peer,
        ):
            _swap(client, peer)


def test_tls_over_a_unix_socket(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    path, tls = tmp_path / "x.sock", certificates.client()
    with listen(unix=path, framing=Lines(), tls=certificates.server()) as listener:
        accepting = pool.submit(listener.accept)
        with (
            connect(unix=path, framing=Lines(), tls=tls, server_hostname="localhost") as client,
            accepting.result(PATIENCE) as peer,
        ):
            _swap(client, peer)
        with pytest.raises(ValueError, match="a Unix socket has no name that a certificate could be for"):
            connect(unix=path, framing=Lines(), tls=tls)
        accepting = pool.submit(listener.accept)
        with (
            connect(unix=path, framing=Lines(), tls=certificates.careless()) as client,
            accepting.result(PATIENCE) as peer,
        ):
            _swap(client, peer)


def test_tls_without_a_host(pool: ThreadPoolExecutor) -> None:
    with listen("localhost", 0, framing=Lines(), tls=certificates.server()) as listener:
        accepting = pool.submit(listener.accept)
        with (
            connect(port=listener.port, framing=Lines(), tls=certificates.client()) as client,
            accepting.result(PATIENCE) as peer,
        ):
            _swap(client, peer)


@pytest.mark.parametrize(
    ("context", "name"), [(certificates.stranger, "localhost"), (certificates.client, "example.org")]
)
def test_tls_with_a_certificate_that_is_not_trusted(
    context: Any, name: str, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    with listen("localhost", 0, framing=Lines(), tls=certificates.server()) as listener:
        accepting = pool.submit(listener.accept)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect("localhost", listener.port, framing=Lines(), tls=context(), server_hostname=name)
        # The listener passes that one over, and takes the next.
        with (
            connect("localhost", listener.port, framing=Lines(), tls=certificates.client()) as client,
            accepting.result(PATIENCE) as peer,
        ):
            _swap(client, peer)
    assert any("connection not opened" in record.getMessage() for record in caplog.records)


def test_a_plain_client_of_a_tls_server(pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
    with listen("localhost", 0, framing=Lines(), tls=certificates.server()) as listener:
        accepting = pool.submit(listener.accept)
        with connect("localhost", listener.port, framing=Lines()) as plain:
            plain.send(b"Hello!" * 100)
            with pytest.raises((ClosedByPeer, ConnectionLost, TruncatedMessage)):
                plain.recv(timeout=PATIENCE)  # an alert, perhaps
        with (
            connect("localhost", listener.port, framing=Lines(), tls=certificates.client()) as client,
            accepting.result(PATIENCE) as peer,
        ):
            _swap(client, peer)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("mezha.blocking", "WARNING")
    assert re.match(r"127\.0\.0\.1:\d+: connection not opened: .*SSL", record.getMessage())
    assert record.getMessage().startswith(vars(record)["peer"])


def test_a_tls_client_of_a_plain_server() -> None:
    with Script().say(b"I do not understand") as peer, pytest.raises(ssl.SSLError):
        connect(*peer.address, framing=Lines(), tls=certificates.client())


def test_mutual_tls(pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
    with listen("localhost", 0, framing=Lines(), tls=certificates.mutual_server()) as listener:
        accepting = pool.submit(listener.accept)
        with pytest.raises(ssl.SSLError):
            connect("localhost", listener.port, framing=Lines(), tls=certificates.client())
        tls = certificates.with_name("alice.example.org")
        with (
            connect("localhost", listener.port, framing=Lines(), tls=tls) as client,
            accepting.result(PATIENCE) as peer,
        ):
            _swap(client, peer)
            assert peer.tls
            assert ("DNS", "alice.example.org") in peer.tls.getpeercert()["subjectAltName"]  # type: ignore[index]
    assert "connection not opened" in caplog.text


# -- wrap -------------------------------------------------------------------------------------------------------------


def test_wrap(tcp: tuple[socket.socket, socket.socket]) -> None:
    one, other = tcp
    with wrap(one, LengthPrefixed()) as peer, wrap(other, LengthPrefixed(), limits=Limits(max_message=6)) as far:
        assert peer.remote_address == far.local_address
        _swap(peer, far)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert one.fileno() == -1


def test_wrap_takes_any_mode(tcp: tuple[socket.socket, socket.socket]) -> None:
    tcp[0].setblocking(False)
    tcp[1].settimeout(0.001)
    with wrap(tcp[0], Lines()) as peer, wrap(tcp[1], Lines()) as far:
        with pytest.raises(TimeoutError):
            peer.recv(timeout=0.01)
        _swap(peer, far)


def test_wrap_under_tls(tcp: tuple[socket.socket, socket.socket], pool: ThreadPoolExecutor) -> None:
    serving = pool.submit(certificates.server().wrap_socket, tcp[1], server_side=True)
    client = certificates.client().wrap_socket(tcp[0], server_hostname="localhost")
    with wrap(client, Lines()) as peer, wrap(serving.result(PATIENCE), Lines()) as far:
        assert peer.tls is client
        _swap(peer, far)


def test_wrap_of_a_connection_that_is_gone(tcp: tuple[socket.socket, socket.socket]) -> None:
    tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    tcp[1].close()  # a reset
    with wrap(tcp[0], Lines()) as peer:
        assert peer.remote_address == "unnamed"
        with pytest.raises(ConnectionLost):
            peer.recv(timeout=PATIENCE)


# -- serve ------------------------------------------------------------------------------------------------------------

_SERVE = """
import sys
from mezha.blocking import serve
from mezha.framing import Lines

def echo(peer):
    for message in peer:
        peer.send(message)
        if message == b"bye":
            return

try:
    serve(echo, unix=sys.argv[1], framing=Lines())
except KeyboardInterrupt:
    print("stopped")
"""


def test_serve_until_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with Child(_SERVE, path) as program:
        with _connect_when_there(path) as client:
            client.send(b"Hello!")
            assert client.recv(timeout=PATIENCE) == b"Hello!"
            program.send_signal(signal.SIGINT)
            until(lambda: not path.exists())
            client.send(b"World!")  # who is being served may finish
            assert client.recv(timeout=PATIENCE) == b"World!"
            client.send(b"bye")
            assert client.recv(timeout=PATIENCE) == b"bye"
            with pytest.raises(ClosedByPeer):
                client.recv(timeout=PATIENCE)
        assert program.finish() == (0, "stopped\n", "")


def test_serve_until_interrupted_twice(tmp_path: Path) -> None:
    """The second time cuts the connections at once."""
    path = tmp_path / "x.sock"
    with Child(_SERVE, path) as program:
        with _connect_when_there(path) as client:
            client.send(b"Hello!")
            assert client.recv(timeout=PATIENCE) == b"Hello!"
            program.send_signal(signal.SIGINT)
            until(lambda: not path.exists())
            program.send_signal(signal.SIGINT)
            with pytest.raises(ClosedByPeer):
                client.recv(timeout=5)
        assert program.finish() == (0, "stopped\n", "")


def _connect_when_there(path: Path) -> Peer:
    peers: list[Peer] = []

    def there() -> bool:
        with suppress(OSError):
            peers.append(connect(unix=path, framing=Lines()))
        return bool(peers)

    until(there)
    return peers[0]


def test_serve_with_no_room_for_anybody(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with pytest.raises(ValueError, match="max_connections must be 1 or more, not 0"):
        serve(print, unix=path, framing=Lines(), max_connections=0)
    assert not path.exists()
