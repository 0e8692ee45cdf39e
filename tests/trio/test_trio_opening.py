"""Tests of mezha.trio.opening: connect, listen, serve, wrap."""

import errno
import re
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from child import Child
from trio_pairs import tcp, tls_streams
from waiting import PATIENCE

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, Timeouts, TruncatedMessage
from mezha.blocking import connect as blocking_connect
from mezha.engine import State
from mezha.framing import FixedSize, LengthPrefixed, Lines
from mezha.observe import Observer
from mezha.testing.conformance import certificates
from mezha.trio import Listener, Peer, Server, Serving, connect, listen, serve, wrap
from mezha.trio.stream import SocketStream

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems count a backlog in other ways")


async def _swap(one: Peer, other: Peer) -> None:
    """See that two peers are connected."""
    await one.send(b"Hello!")
    assert await other.recv() == b"Hello!"
    await other.send(b"World!")
    assert await one.recv() == b"World!"


async def _nothing(peer: Peer) -> None:
    """Serve nobody."""


def _serve(**options: Any) -> Serving:
    return serve(_nothing, **options)


VERBS: list[Callable[..., object]] = [connect, listen, _serve]


async def _connected(listener: Listener, **options: Any) -> tuple[Peer, Peer]:
    """Return a client of the listener, and its peer."""
    accepted: list[Peer] = []

    async def accept() -> None:
        accepted.append(await listener.accept())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        place = {"unix": listener.addresses[0]} if "/" in listener.addresses[0] else {"port": listener.port}
        client = await connect(**place, framing=Lines(), **options)
    return client, accepted[0]


# -- both forms -------------------------------------------------------------------------------------------------------


async def test_awaited() -> None:
    listener = await listen("127.0.0.1", 0, framing=Lines())
    assert isinstance(listener, Listener)
    client = await connect("127.0.0.1", listener.port, framing=Lines())
    peer = await listener.accept()
    assert isinstance(client, Peer)
    await _swap(client, peer)
    await client.close()
    await peer.close()
    listener.close()


async def test_in_a_block() -> None:
    async with (
        listen("127.0.0.1", 0, framing=Lines()) as listener,
        connect("127.0.0.1", listener.port, framing=Lines()) as client,
        await listener.accept() as peer,
    ):
        await _swap(client, peer)
        assert client.state is State.OPEN
    assert client.state is peer.state is State.CLOSED
    with pytest.raises(ClosedByUs):
        await listener.accept()
    async with serve(_nothing, "127.0.0.1", 0, framing=Lines()) as server:
        assert isinstance(server, Server)
        assert server.is_serving()
    assert not server.is_serving()


async def test_nothing_happens_before_it_is_awaited(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    listen(unix=path, framing=Lines())
    serve(_nothing, unix=path, framing=Lines())
    connect(unix=path, framing=Lines())
    assert not path.exists()


# -- places -----------------------------------------------------------------------------------------------------------


async def test_host_and_port() -> None:
    async with listen("127.0.0.1", 0, framing=Lines()) as listener:
        assert listener.port > 0
        assert listener.addresses == (f"127.0.0.1:{listener.port}",)
        async with (
            connect("127.0.0.1", listener.port, framing=Lines()) as client,
            await listener.accept() as peer,
        ):
            assert client.remote_address == peer.local_address == listener.addresses[0]
            assert client.local_address == peer.remote_address
            assert client.tls is peer.tls is None
        port = listener.port
    async with listen("127.0.0.1", port, framing=Lines()) as listener:
        assert listener.port == port
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: ") as caught:
            await listen("127.0.0.1", port, framing=Lines())
        assert caught.value.errno == errno.EADDRINUSE


async def test_without_a_host() -> None:
    async with listen(port=0, framing=Lines()) as listener:
        assert f"0.0.0.0:{listener.port}" in listener.addresses
        assert len(listener.sockets) == len(listener.addresses)
        async with connect(port=listener.port, framing=Lines()) as client, await listener.accept() as peer:
            await _swap(client, peer)


async def test_all_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    known = trio.socket.getaddrinfo

    async def two_addresses(host: str, port: int, **options: Any) -> list[Any]:
        assert host == "localhost"
        return [*await known("127.0.0.1", port, **options), *await known("::1", port, **options)]

    with monkeypatch.context() as patch:
        patch.setattr(trio.socket, "getaddrinfo", two_addresses)
        listener = await listen("localhost", 0, framing=Lines())
    async with listener:
        assert listener.addresses[0] == f"127.0.0.1:{listener.port}"
        assert listener.addresses[1:] in ((), (f"[::1]:{listener.port}",))  # where there is no IPv6
        for sock in listener.sockets:
            host, port, *_ = sock.getsockname()
            async with connect(host, port, framing=Lines()) as client, await listener.accept() as peer:
                assert peer.local_address in listener.addresses
                await _swap(client, peer)


async def test_unix(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    async with listen(unix=path, framing=Lines()) as listener:
        assert listener.addresses == (str(path),)
        with pytest.raises(ValueError, match=rf"^{path} is a Unix socket, and has no port$"):
            _ = listener.port
        async with connect(unix=str(path), framing=Lines()) as client, await listener.accept() as peer:
            assert client.remote_address == peer.local_address == str(path)
            assert client.local_address == peer.remote_address == "unnamed"
            await _swap(client, peer)
        with pytest.raises(OSError, match=f"cannot listen on {path}: "):
            await listen(unix=path, framing=Lines())
    assert not path.exists()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", [{}, {"host": "localhost"}, {"port": 1, "unix": "x"}, {"host": "h", "unix": "x"}])
async def test_no_place(verb: Any, place: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="give a host and a port, or the path of a Unix socket"):
        verb(**place, framing=Lines())


@pytest.mark.parametrize("verb", VERBS)
async def test_mistakes_are_found_before_anything_is_opened(verb: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="framing= wants a framing"):
        verb(unix=tmp_path / "x.sock", framing="lines")
    with pytest.raises(ValueError, match="every message has 5 bytes, and the limit is 4"):
        verb(unix=tmp_path / "x.sock", framing=FixedSize(5), limits=Limits(max_message=4))


async def test_limits_timeouts_and_observer_reach_both_sides() -> None:
    class Ear(Observer):
        def __init__(self) -> None:
            self.heard: list[bytes] = []

        def messages_received(self, messages: list[bytes]) -> None:
            self.heard += messages

    ear = Ear()
    options: Any = {"limits": Limits(max_message=6), "timeouts": Timeouts(message=1), "observer": ear}
    async with (
        listen("127.0.0.1", 0, framing=Lines(), **options) as listener,
        connect("127.0.0.1", listener.port, framing=Lines(), **options) as client,
        await listener.accept() as peer,
    ):
        await _swap(client, peer)
    assert ear.heard == [b"Hello!", b"World!"]


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def test_refused(tmp_path: Path) -> None:
    """By one address, or by all of them."""
    async with listen("127.0.0.1", 0, framing=Lines()) as listener:
        port = listener.port
    for host in ("127.0.0.1", "localhost", None):
        with pytest.raises(ConnectionRefusedError):
            await connect(host, port, framing=Lines())
    with pytest.raises(FileNotFoundError):
        await connect(unix=tmp_path / "x.sock", framing=Lines())


async def test_refused_for_different_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """What trio says is passed on, as it is with an error that has no others behind it."""
    causes = [ConnectionRefusedError("one"), PermissionError("other")]

    async def fail(*_: object) -> None:
        raise OSError("all attempts failed") from (ExceptionGroup("all", causes) if causes else None)

    monkeypatch.setattr(trio, "open_tcp_stream", fail)
    for _ in range(2):
        with pytest.raises(OSError, match=r"^all attempts failed$"):
            await connect("127.0.0.1", 1, framing=Lines())
        causes.clear()


async def test_no_such_host() -> None:
    with pytest.raises(socket.gaierror):
        await connect("no-such-host.invalid", 1, framing=Lines())


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
async def test_no_answer_in_time(crowded: int) -> None:
    with pytest.raises(TimeoutError, match=r"^no connection within 0\.05 s \(Timeouts\.connect\)$"):
        await connect("127.0.0.1", crowded, framing=Lines(), timeouts=Timeouts(connect=0.05))


@linux
@pytest.mark.parametrize("seconds", [10.0, None])
async def test_a_busy_unix_server(seconds: float | None, tmp_path: Path) -> None:
    """It is waited for, though the system would not."""
    path = tmp_path / "x.sock"
    clients: list[Peer] = []

    async def come() -> None:
        clients.append(await connect(unix=path, framing=Lines(), timeouts=Timeouts(connect=seconds)))

    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as first:
        listening.bind(str(path))
        listening.listen(0)
        first.connect(str(path))
        with pytest.raises(TimeoutError, match=r"^no connection within 0\.02 s \(Timeouts\.connect\)$"):
            await connect(unix=path, framing=Lines(), timeouts=Timeouts(connect=0.02))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(come)
            await trio.testing.wait_all_tasks_blocked()
            listening.accept()[0].close()
        async with clients[0] as client, wrap(listening.accept()[0], Lines()) as peer:
            await _swap(client, peer)


async def test_no_answer_to_the_tls_handshake_in_time(tmp_path: Path) -> None:
    """By a server of another kind, which waits for the client to speak."""
    options: Any = {
        "framing": Lines(),
        "tls": certificates.client(),
        "server_hostname": "localhost",
        "timeouts": Timeouts(connect=0.05),
    }
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_UNIX) as unix:
        with pytest.raises(TimeoutError, match=r"\(Timeouts\.connect\)"):
            await connect(*listening.getsockname(), **options)
        unix.bind(str(tmp_path / "x.sock"))
        unix.listen()
        with pytest.raises(TimeoutError, match=r"\(Timeouts\.connect\)"):
            await connect(unix=tmp_path / "x.sock", **options)


# -- TLS --------------------------------------------------------------------------------------------------------------


async def test_tls() -> None:
    async with listen("127.0.0.1", 0, framing=Lines(), tls=certificates.server()) as listener:
        client, peer = await _connected(listener, tls=certificates.client())
        async with client, peer:
            await _swap(client, peer)
            assert client.tls
            assert peer.tls
            assert client.tls.version() == peer.tls.version()
            assert ("DNS", "localhost") in client.tls.getpeercert()["subjectAltName"]
            assert not peer.tls.getpeercert()


async def test_tls_over_a_unix_socket(tmp_path: Path) -> None:
    path, tls = tmp_path / "x.sock", certificates.client()
    async with listen(unix=path, framing=Lines(), tls=certificates.server()) as listener:
        client, peer = await _connected(listener, tls=tls, server_hostname="localhost")
        async with client, peer:
            await _swap(client, peer)
        with pytest.raises(ValueError, match="a Unix socket has no name that a certificate could be for"):
            connect(unix=path, framing=Lines(), tls=tls)
        client, peer = await _connected(listener, tls=certificates.careless())
        async with client, peer:
            await _swap(client, peer)


@pytest.mark.parametrize(
    ("context", "name"), [(certificates.stranger, "localhost"), (certificates.client, "example.org")]
)
async def test_tls_with_a_certificate_that_is_not_trusted(
    context: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The listener passes that one over, and takes the next."""
    async with listen("127.0.0.1", 0, framing=Lines(), tls=certificates.server()) as listener:
        accepted: list[Peer] = []

        async def accept() -> None:
            accepted.append(await listener.accept())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect("127.0.0.1", listener.port, framing=Lines(), tls=context(), server_hostname=name)
            client = await connect(port=listener.port, framing=Lines(), tls=certificates.client())
        async with client, accepted[0] as peer:
            await _swap(client, peer)
    assert "connection not opened" in caplog.text


async def test_a_plain_client_of_a_tls_server(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        listen("127.0.0.1", 0, framing=Lines(), tls=certificates.server()) as listener,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(listener.accept)
        async with connect("127.0.0.1", listener.port, framing=Lines()) as plain:
            await plain.send(b"Hello!" * 100)
            with pytest.raises((ClosedByPeer, ConnectionLost, TruncatedMessage)):
                await plain.recv()  # an alert, perhaps
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    (record,) = [record for record in caplog.records if record.name == "mezha.trio"]
    assert record.levelname == "WARNING"
    assert re.match(r"127\.0\.0\.1:\d+: connection not opened: .*SSL", record.getMessage())
    assert record.getMessage().startswith(vars(record)["peer"])


async def test_a_tls_client_of_a_plain_server() -> None:
    async with listen("127.0.0.1", 0, framing=Lines()) as listener:

        async def answer() -> None:
            async with await listener.accept() as peer:
                await peer.send(b"I do not understand")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with pytest.raises(ssl.SSLError):
                await connect("127.0.0.1", listener.port, framing=Lines(), tls=certificates.client())


async def test_mutual_tls(caplog: pytest.LogCaptureFixture) -> None:
    async with listen("127.0.0.1", 0, framing=Lines(), tls=certificates.mutual_server()) as listener:
        accepted: list[Peer] = []

        async def accept() -> None:
            accepted.append(await listener.accept())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            options: Any = {"framing": Lines(), "server_hostname": "localhost"}
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                await connect("127.0.0.1", listener.port, tls=certificates.client(), **options)
            tls = certificates.with_name("alice.example.org")
            client = await connect("127.0.0.1", listener.port, tls=tls, **options)
        async with client, accepted[0] as peer:
            await _swap(client, peer)
            assert peer.tls
            assert ("DNS", "alice.example.org") in peer.tls.getpeercert()["subjectAltName"]
    assert "connection not opened" in caplog.text


# -- wrap -------------------------------------------------------------------------------------------------------------


async def test_wrap_in_both_forms() -> None:
    one, other = socket.socketpair()
    peer = await wrap(one, LengthPrefixed())
    async with wrap(other, LengthPrefixed(), limits=Limits(max_message=6)) as far:
        await _swap(peer, far)
    with pytest.raises(ClosedByPeer):
        await peer.recv()
    await peer.close()
    assert one.fileno() == other.fileno() == -1


async def test_wrap_a_socket_of_trio() -> None:
    one, other = trio.socket.socketpair()
    async with wrap(one, Lines()) as peer, wrap(trio.SocketStream(other), Lines()) as far:
        assert one.fileno() == other.fileno() == -1  # they were taken out
        await _swap(peer, far)


async def test_wrap_tls_of_trio() -> None:
    """Its socket becomes ours, so that the end is as orderly as on a connection that we opened."""
    one, other = map(trio.SocketStream, trio.socket.socketpair())
    client, server = await tls_streams(one, other)
    async with wrap(client, Lines()) as peer:
        async with wrap(server, Lines()) as far:
            assert peer.tls is client
            assert isinstance(client.transport_stream, SocketStream)
            await _swap(peer, far)
            await peer.send_many([b"never read"] * 10)
            await far.send(b"last")
        assert await peer.recv() == b"last"
        with pytest.raises(ClosedByPeer):
            await peer.recv()


async def test_wrap_tls_over_somebody_elses_stream() -> None:
    one, other = trio.testing.memory_stream_pair()
    client, server = await tls_streams(one, other)
    async with wrap(client, Lines()) as peer:
        async with wrap(server, Lines()) as far:
            await _swap(peer, far)
            await far.send(b"last")
        assert await peer.recv() == b"last"
        with pytest.raises(ClosedByPeer):
            await peer.recv()


async def test_wrap_refuses_what_it_cannot_use() -> None:
    one, other = socket.socketpair()
    with other, one:
        wrapped = certificates.client().wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False)
        with wrapped, pytest.raises(TypeError, match=r"^trio cannot use an ssl\.SSLSocket: connect with tls="):
            wrap(wrapped, Lines())
        assert other.getpeername() is not None
    with socket.socket() as sock, pytest.raises(TypeError, match="framing= wants a framing"):
        wrap(sock, "lines")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"^wrap wants a trio stream or a socket, not a str$"):
        wrap("stream", Lines())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_wrap_takes_any_mode() -> None:
    one, other = socket.socketpair()
    one.settimeout(5)
    other.settimeout(None)
    async with wrap(one, Lines()) as peer, wrap(other, Lines()) as far:
        await _swap(peer, far)


async def test_wrap_switches_nagles_algorithm_off() -> None:
    one, other = tcp()
    async with wrap(one, Lines()):
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    other.close()


# -- serve ------------------------------------------------------------------------------------------------------------


async def test_serve_with_no_room_for_anybody(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with pytest.raises(ValueError, match="max_connections must be 1 or more, not 0"):
        await serve(_nothing, unix=path, framing=Lines(), max_connections=0)
    assert not path.exists()


async def test_serve_in_a_nursery(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, _nothing, unix=path, framing=Lines()))
        assert isinstance(server, Server)
        assert server.is_serving()
        async with connect(unix=path, framing=Lines()) as client:
            with pytest.raises(ClosedByPeer):
                await client.recv()
        nursery.cancel_scope.cancel()
    assert not server.is_serving()
    assert not path.exists()


async def test_serve_in_a_nursery_that_does_not_wait_for_it(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve, _nothing, unix=path, framing=Lines()))
        await trio.testing.wait_all_tasks_blocked()
        async with connect(unix=path, framing=Lines()) as client:
            with pytest.raises(ClosedByPeer):
                await client.recv()
        nursery.cancel_scope.cancel()
    assert not path.exists()


async def test_serve_that_cannot_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = taken.getsockname()
        with pytest.raises(OSError, match="cannot listen on"):
            await serve(_nothing, *place, framing=Lines())
        with pytest.raises(ExceptionGroup) as caught:
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve, _nothing, *place, framing=Lines()))
        assert isinstance(caught.value.exceptions[0], OSError)


async def test_serve_is_a_coroutine() -> None:
    """That can be driven by hand, as nurseries might."""
    serving = serve(_nothing, "127.0.0.1", 0, framing=Lines())
    serving.close()  # before it began
    serving = serve(_nothing, "127.0.0.1", 0, framing=Lines())
    serving.send(None)
    with pytest.raises(KeyError):
        serving.throw(KeyError("enough"))
    serving.close()


_SERVE = """
import sys, trio
from mezha.trio import serve
from mezha.framing import Lines

async def echo(peer):
    async for message in peer:
        await peer.send(message)
        if message == b"bye":
            return

async def tell(server):
    while server.is_serving():
        await trio.sleep(0.001)
    print("stopping", flush=True)

async def main():
    async with trio.open_nursery() as nursery:
        async with serve(echo, unix=sys.argv[1], framing=Lines()) as server:
            nursery.start_soon(tell, server)
            print("serving", flush=True)
            await server.serve_forever()

try:
    trio.run(main)
except* KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize("times", [1, 2])
def test_serve_until_interrupted(times: int, tmp_path: Path) -> None:
    """The second time cuts the connections at once."""
    path = tmp_path / "x.sock"
    with Child(_SERVE, path) as program:
        assert program.line() == "serving"
        with blocking_connect(unix=path, framing=Lines()) as client:
            client.send(b"Hello!")
            assert client.recv(timeout=PATIENCE) == b"Hello!"
            program.send_signal(signal.SIGINT)
            assert program.line() == "stopping"
            assert not path.exists()
            if times == 1:
                client.send(b"World!")  # who is being served may finish
                assert client.recv(timeout=PATIENCE) == b"World!"
                client.send(b"bye")
                assert client.recv(timeout=PATIENCE) == b"bye"
            else:
                program.send_signal(signal.SIGINT)
            with pytest.raises(ClosedByPeer):
                client.recv(timeout=5)
        assert program.finish() == (0, "stopped\n", "")
