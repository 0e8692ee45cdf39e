"""Tests of mezha.trio.server: what accepts, and what serves."""

import errno
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from child import Child
from trio_pairs import Calls
from waiting import PATIENCE

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, Timeouts
from mezha.blocking import connect as blocking_connect
from mezha.engine import State
from mezha.framing import Lines
from mezha.testing.conformance import certificates
from mezha.trio import Listener, Opening, Peer, Server, Serving, connect, listen, serve
from mezha.trio import server as module

linux = pytest.mark.skipif(sys.platform != "linux", reason="for the ways of Linux")

Handler = Callable[[Peer], Awaitable[object]]


def _serve(handler: Handler, **options: Any) -> Serving:
    return serve(handler, "127.0.0.1", 0, framing=Lines(), **options)


def _listen(**options: Any) -> Opening[Listener]:
    return listen("127.0.0.1", 0, framing=Lines(), **options)


def _connect(server: Server | Listener, **options: Any) -> Opening[Peer]:
    return connect("127.0.0.1", server.port, framing=Lines(), **options)


async def _echo(peer: Peer) -> None:
    async for message in peer:
        await peer.send(message)


async def _ask(client: Peer, message: bytes = b"Hello!") -> bytes:
    await client.send(message)
    return await client.recv()


async def _until(condition: Callable[[], object]) -> None:
    """Wait for what tells nobody when it happens; the test has its own time limit."""
    while not condition():  # noqa: ASYNC110 - that is why
        await trio.sleep(0.001)


@asynccontextmanager
async def _raw(server: Server | Listener) -> AsyncGenerator[trio.SocketStream]:
    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        yield stream


def _logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the levels and texts of what was logged, without addresses."""
    records = [record for record in caplog.records if record.name == "mezha.trio"]
    return [(record.levelname, re.sub(r"^[\d.]+:\d+: ", "", record.getMessage())) for record in records]


# -- the listener -----------------------------------------------------------------------------------------------------


async def test_accept_in_time() -> None:
    async with _listen() as listener:
        with trio.move_on_after(0.01) as scope:
            await listener.accept()
        assert scope.cancelled_caught
        async with _connect(listener) as client, await listener.accept() as peer:
            await client.send(b"Hello!")
            assert await peer.recv() == b"Hello!"


@pytest.mark.parametrize("host", ["127.0.0.1", None])
async def test_close_ends_accept_and_iteration(host: str | None) -> None:
    async with trio.open_nursery() as nursery:
        calls = Calls(nursery)
        async with listen(host, 0, framing=Lines()) as listener:
            text = repr(listener)
            assert text == f"<mezha.trio.Listener {', '.join(listener.addresses)}>"
            for _ in range(3):
                calls.start(listener.accept)
            await trio.testing.wait_all_tasks_blocked()
        listener.close()  # again
        await calls.finished()
        assert list(map(str, calls.results(ClosedByUs))) == ["this listener was closed on this side"] * 3
    with pytest.raises(ClosedByUs):
        await listener.accept()
    assert [peer async for peer in listener] == []
    assert repr(listener) == f"{text[:-1]}, closed>"
    assert listener.port > 0
    assert {sock.fileno() for sock in listener.sockets} == {-1}


async def test_close_before_anybody_waits() -> None:
    """For one of several sockets."""
    async with listen(port=0, framing=Lines()) as listener, trio.open_nursery() as nursery:
        calls = Calls(nursery)
        calls.start(listener.accept)
        await trio.lowlevel.checkpoint()
        listener.close()
        await calls.finished()
        assert len(calls.results(ClosedByUs)) == 1


async def test_the_port_is_free_when_close_returns() -> None:
    listener = await _listen()
    for _ in range(3):
        async with _connect(listener), await listener.accept():
            port = listener.port
            listener.close()
            listener = await listen("127.0.0.1", port, framing=Lines())
    listener.close()


def test_close_when_trio_runs_no_more() -> None:
    async def leave() -> Listener:
        return await _listen()

    trio.run(leave).close()


async def test_iteration() -> None:
    served = 0

    async def greet() -> None:
        nonlocal served
        async for peer in listener:
            async with peer:
                await peer.send(await peer.recv())
            served += 1

    async with _listen() as listener, trio.open_nursery() as nursery:
        nursery.start_soon(greet)
        for _ in range(3):
            async with _connect(listener) as client:
                assert await _ask(client) == b"Hello!"
        await _until(lambda: served == 3)
        listener.close()


async def test_connections_nobody_asked_for_are_closed() -> None:
    async with _listen() as listener, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_connect(listener)) for _ in range(12)]
        listener.close()
        for client in clients:
            with pytest.raises((ClosedByPeer, ConnectionLost)):
                await client.recv()


@linux
async def test_trouble_in_accepting_is_logged_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [errno.EMFILE, errno.ECONNABORTED, errno.EPERM]
    accept = socket.socket.accept

    def fail(sock: socket.socket) -> Any:
        if errors:
            number = errors.pop()
            raise OSError(number, os.strerror(number))
        return accept(sock)

    monkeypatch.setattr(module, "PAUSE", 0.001)
    monkeypatch.setattr(socket.socket, "accept", fail)
    async with _listen() as listener, _connect(listener) as client, await listener.accept() as peer:
        await client.send(b"Hello!")
        assert await peer.recv() == b"Hello!"
    assert not errors
    assert [level for level, _ in _logged(caplog)] == ["WARNING"] * 2
    assert "cannot accept connections: [Errno 24] Too many open files; trying again in 0.001 s" in caplog.text


async def test_accept_passes_over_who_fails(caplog: pytest.LogCaptureFixture) -> None:
    async with _listen(tls=certificates.server()) as listener, trio.open_nursery() as nursery:
        calls = Calls(nursery)
        calls.start(listener.accept)
        async with _raw(listener):
            pass
        client = await _connect(listener, tls=certificates.client())
        await calls.finished()
        async with client, calls.results(Peer)[0] as peer:
            await client.send(b"Hello!")
            assert await peer.recv() == b"Hello!"
    assert re.search(r"127\.0\.0\.1:\d+: connection not opened: ", caplog.text)


# -- the server -------------------------------------------------------------------------------------------------------


async def test_a_task_for_each_connection() -> None:
    async def tell(peer: Peer) -> None:
        task = trio.lowlevel.current_task()
        assert task.name == f"mezha peer {peer.remote_address}"
        await peer.send(str(id(task)).encode())
        await peer.recv()

    async with _serve(tell) as server, _connect(server) as one, _connect(server) as other:
        assert await one.recv() != await other.recv()
        assert server.connections == 2
        await one.send(b"bye")
        await other.send(b"bye")
        for client in (one, other):
            with pytest.raises(ClosedByPeer):
                await client.recv()
        await _until(lambda: server.connections == 0)


async def test_names_of_asyncio_server(tmp_path: Path) -> None:
    async with _serve(_echo) as server:
        assert server.sockets == server.listener.sockets
        assert server.port == server.sockets[0].getsockname()[1]
        assert server.is_serving()
        async with trio.open_nursery() as nursery:
            calls = Calls(nursery)
            async with _connect(server) as client:
                assert await _ask(client) == b"Hello!"
                server.close()
                server.close()  # again
                assert not server.is_serving()
                with pytest.raises(ConnectionRefusedError):
                    await _connect(server)
                assert await _ask(client) == b"Hello!"  # who is being served goes on
                calls.start(server.wait_closed)
                await trio.testing.wait_all_tasks_blocked()
                assert calls.outcomes == [None]
                assert server.connections == 1
            await calls.finished()
        assert server.connections == 0
    path = tmp_path / "x.sock"
    async with serve(_echo, unix=path, framing=Lines()) as server:
        with pytest.raises(ValueError, match="is a Unix socket, and has no port"):
            _ = server.port
        async with connect(unix=path, framing=Lines()) as client:
            assert await _ask(client) == b"Hello!"


async def test_max_connections() -> None:
    async with (
        _serve(_echo, max_connections=2) as server,
        _connect(server) as one,
        _connect(server) as other,
        _connect(server) as third,
    ):
        assert await _ask(one) == await _ask(other) == b"Hello!"
        await third.send(b"Hello?")
        with trio.move_on_after(0.05) as scope:
            await third.recv()
        assert scope.cancelled_caught
        assert server.connections == 2
        await one.close()
        assert await third.recv() == b"Hello?"
        assert await _ask(other) == b"Hello!"


@pytest.mark.parametrize("number", [0, -1])
async def test_no_room_for_anybody(number: int) -> None:
    async with _listen() as listener:
        with pytest.raises(ValueError, match=f"max_connections must be 1 or more, not {number}"):
            Server(listener, _echo, max_connections=number)
        async with _connect(listener), await listener.accept():  # it is not the server's
            pass


async def test_what_a_handler_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Also in a group, as a handler with tasks of its own does."""
    caplog.set_level(logging.DEBUG, "mezha.trio")

    async def receive(peer: Peer) -> None:
        message = await peer.recv()
        if message == b"mine":
            raise KeyError(message)
        if message == b"system":
            raise OSError(errno.ENOSPC, "No space left")
        await peer.recv()

    async def receive_in_a_nursery(peer: Peer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive, peer)
            nursery.start_soon(trio.sleep_forever)

    for handle in (receive, receive_in_a_nursery):
        caplog.clear()
        async with _serve(handle, limits=Limits(max_message=6)) as server:
            for message in (b"mine\n", b"system\n", b"end\n", b"much too large\n", b"torn"):
                async with _raw(server) as stream:
                    await stream.send_all(message)
                    await stream.send_eof()
                    assert await stream.receive_some() == b""
                await _until(lambda: not server.connections)
        logged = _logged(caplog)
        assert logged[:3] == [
            ("ERROR", "the handler failed"),
            ("WARNING", "OSError: [Errno 28] No space left"),
            ("DEBUG", "closed by the peer"),
        ]
        assert [level for level, _ in logged[3:]] == ["WARNING"] * 2
        assert logged[3][1].startswith("MessageTooLarge: ")
        assert logged[4][1].startswith("TruncatedMessage: ")
        assert "KeyError: b'mine'" in caplog.text


async def test_a_handler_that_fails_when_it_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    """Its failure is logged, and takes nothing else with it."""

    async def fail_at_the_end() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("in cleaning up")

    async def handle(peer: Peer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_at_the_end)
            nursery.start_soon(trio.sleep_forever)
            await peer.send(b"begun")

    with trio.CancelScope() as scope:
        async with _serve(handle) as server, _connect(server) as client:
            assert await client.recv() == b"begun"
            scope.cancel()
    assert scope.cancelled_caught
    assert _logged(caplog) == [("ERROR", "the handler failed")]
    assert "KeyError: 'in cleaning up'" in caplog.text


async def test_what_a_block_raises_is_no_group() -> None:
    with pytest.raises(KeyError):
        async with _serve(_echo):
            raise KeyError("mine")


async def test_what_ends_a_program_ends_the_server() -> None:
    async def leave(peer: Peer) -> None:
        await peer.recv()
        raise SystemExit(3)

    async def serve_it() -> None:
        async with _serve(leave) as server, _connect(server) as client:
            await client.send(b"leave")
            await server.serve_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await serve_it()
    assert caught.group_contains(SystemExit)


async def test_a_handler_may_close_or_detach() -> None:
    kept: list[Any] = []

    async def handle(peer: Peer) -> None:
        if await peer.recv() == b"close":
            await peer.close()
        else:
            kept.append((await peer.detach())[0])

    async with _serve(handle) as server:
        async with _connect(server) as client:
            await client.send(b"close")
            with pytest.raises(ClosedByPeer):
                await client.recv()
        async with _connect(server) as client:
            await client.send(b"detach")
            await _until(lambda: kept and not server.connections)
            await kept[0].send_all(b"still here\n")
            assert await client.recv() == b"still here"
            await kept[0].aclose()


# -- TLS --------------------------------------------------------------------------------------------------------------


async def test_a_plain_client_of_a_tls_server(caplog: pytest.LogCaptureFixture) -> None:
    async with _serve(_echo, tls=certificates.server()) as server:
        async with _raw(server) as stream:
            await stream.send_all(b"Hello!\n" * 100)
            await stream.receive_some()
        await _until(lambda: not server.connections)
        async with _connect(server, tls=certificates.client()) as client:
            assert await _ask(client) == b"Hello!"
    assert re.search(r"127\.0\.0\.1:\d+: SSLError: ", caplog.text)


async def test_one_silent_client_does_not_hold_up_others() -> None:
    async with _serve(_echo, tls=certificates.server()) as server, _raw(server) as stream:
        async with _connect(server, tls=certificates.client()) as client:
            assert await _ask(client) == b"Hello!"
        await _until(lambda: server.connections == 1)
        await server.stop(timeout=0)  # which cuts the handshake, too
        assert server.connections == 0
        assert await stream.receive_some() == b""


async def test_a_silent_client_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with _serve(_echo, tls=certificates.server(), timeouts=Timeouts(connect=0.05)) as server:
        async with _raw(server) as stream:
            assert await stream.receive_some() == b""
        await _until(lambda: not server.connections)
    assert "TimeoutError: no connection within 0.05 s (Timeouts.connect)" in caplog.text


# -- stopping ---------------------------------------------------------------------------------------------------------


async def test_stop_waits_for_the_handlers() -> None:
    async with _serve(_echo) as server, _connect(server) as client, trio.open_nursery() as nursery:
        assert await _ask(client) == b"Hello!"
        calls = Calls(nursery)
        calls.start(partial(server.stop, timeout=PATIENCE))
        await _until(lambda: not server.is_serving())
        with pytest.raises(ConnectionRefusedError):
            await _connect(server)
        assert await _ask(client) == b"Hello!"
        assert server.connections == 1
        await client.send_eof()
        await calls.finished()
        with pytest.raises(ClosedByPeer):
            await client.recv()
        assert server.connections == 0


async def _wait_in_recv(peer: Peer) -> None:
    await peer.recv()


async def _wait_in_send(peer: Peer) -> None:
    while True:
        await peer.send(b"x" * 1000)


@pytest.mark.parametrize("wait", [_wait_in_recv, _wait_in_send])
async def test_stop_cuts_the_handlers_that_are_left(wait: Handler, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mezha.trio")
    ended: list[Exception] = []
    begun = trio.Event()

    async def handle(peer: Peer) -> None:
        begun.set()
        try:
            await wait(peer)
        except Exception as error:
            ended.append(error)
            raise

    async with _serve(handle) as server, _connect(server):
        await begun.wait()
        await server.stop(timeout=0.05)
        assert server.connections == 0
    assert isinstance(ended[0], ClosedByUs)
    assert [level for level, _ in _logged(caplog)] == ["DEBUG"]  # it was us


async def test_stop_cancels_the_handlers_that_go_on() -> None:
    begun, cancelled = trio.Event(), trio.Event()

    async def handle(peer: Peer) -> None:
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with _serve(handle) as server, _connect(server):
        await begun.wait()
        await server.stop(timeout=0)
        assert cancelled.is_set()
        assert server.connections == 0


async def test_stop_cancelled_cuts_at_once() -> None:
    async with _serve(_echo) as server, _connect(server) as client, trio.open_nursery() as nursery:
        assert await _ask(client) == b"Hello!"
        nursery.start_soon(server.stop, 100)
        await _until(lambda: not server.is_serving())
        nursery.cancel_scope.cancel()
    async with _serve(_echo) as server, _connect(server) as client:
        with trio.move_on_after(0.01):
            await server.stop(timeout=100)
        with pytest.raises(ConnectionLost):
            await client.recv()


async def test_stop_before_anything_began() -> None:
    listener = await _listen()
    server = Server(listener, _echo)
    assert not server.is_serving()
    await server.stop()
    await server.stop()  # again
    await server.serve_forever()
    with pytest.raises(ConnectionRefusedError):
        await _connect(server)


async def test_stop_from_many_tasks_at_once() -> None:
    async with _serve(_echo) as server, _connect(server) as client:
        assert await _ask(client) == b"Hello!"
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(server.stop, PATIENCE)
            await _until(lambda: not server.is_serving())
            await client.close()
        assert server.connections == 0


async def test_stop_from_inside_a_handler() -> None:
    async def handle(peer: Peer) -> None:
        await peer.recv()
        await server.stop()
        await server.wait_closed()
        await peer.send(b"stopped")

    async with _serve(handle, max_connections=1) as server, trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_forever)
        async with _connect(server) as client:
            assert await _ask(client) == b"stopped"


async def test_stop_from_inside_two_handlers() -> None:
    """Each would wait for the other to end."""
    both = trio.Event()

    async def handle(peer: Peer) -> None:
        if server.connections == 2:
            both.set()
        await both.wait()
        await server.stop()
        await peer.send(b"stopped")

    with trio.fail_after(5):
        async with _serve(handle) as server, _connect(server) as one, _connect(server) as other:
            assert await one.recv() == await other.recv() == b"stopped"


async def test_serve_forever_leaves_it_to_stop_how_long_the_handlers_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own notice, of ten seconds, comes after that of who stops the server, not beside it."""
    notices: list[float] = []
    stop = Server.stop

    async def note(server: Server, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - as there
        notices.append(timeout)
        await stop(server, timeout)

    monkeypatch.setattr(Server, "stop", note)
    async with _serve(_echo) as server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve_forever)
            async with _connect(server) as client:
                assert await _ask(client) == b"Hello!"
                nursery.start_soon(server.stop, 100)
                await _until(lambda: not server.is_serving())
                assert await _ask(client) == b"Hello!"
                assert notices == [100]
        assert notices == [100, 10.0]


async def test_serve_forever_with_a_listener_of_ones_own() -> None:
    """It serves by itself; cancelled, it cuts."""
    listener = await _listen()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(Server(listener, _echo).serve_forever)
        async with _connect(server) as client:
            assert await _ask(client) == b"Hello!"
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True), pytest.raises((ClosedByPeer, ConnectionLost)):
                await client.recv()
    assert not server.is_serving()
    assert {sock.fileno() for sock in listener.sockets} == {-1}


async def test_serve_forever_ends_with_its_listener() -> None:
    async with _serve(_echo) as server, trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_forever)
        async with _connect(server) as client:
            assert await _ask(client) == b"Hello!"
            server.listener.close()


async def test_the_end_of_a_block_stops_it() -> None:
    peers: list[Peer] = []

    async def handle(peer: Peer) -> None:
        peers.append(peer)
        await _echo(peer)

    async with _serve(handle) as server:
        client = await _connect(server)
        assert await _ask(client) == b"Hello!"
        await client.close()
    assert peers[0].state is State.CLOSED
    assert not server.is_serving()


async def test_a_handler_that_leaves_much_unsent_gets_the_time_to_send_it() -> None:
    large = bytes(range(256)) * 4000

    async def handle(peer: Peer) -> None:
        await peer.send(large.replace(b"\n", b" "))

    async with _serve(handle) as server, _connect(server) as client:
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(await client.recv()) == len(large)


_FEW_FILES = """
import resource, sys, trio
from mezha.trio import serve
from mezha.framing import Lines

async def echo(peer):
    async for message in peer:
        await peer.send(message)

async def main():
    async with serve(echo, "127.0.0.1", 0, framing=Lines()) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        print(server.port, flush=True)
        await server.serve_forever()

trio.run(main)
"""


@linux
def test_out_of_file_descriptors() -> None:
    """It serves again as soon as there are some."""
    with Child(_FEW_FILES) as program:
        port = int(program.line())
        clients = [blocking_connect("127.0.0.1", port, framing=Lines()) for _ in range(30)]
        assert program.error_line() == (
            "cannot accept connections: [Errno 24] Too many open files; trying again in 0.1 s"
        )
        for client in clients:
            client.send(b"Hello!")
        for client in clients:
            assert client.recv(timeout=PATIENCE) == b"Hello!"
            client.close()
        program.send_signal(signal.SIGINT)
        program.finish()
