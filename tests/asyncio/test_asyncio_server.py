"""Tests of mezha.asyncio.server: what accepts, and what serves."""

import asyncio
import errno
import gc
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from child import Child
from loops import ALL_LOOPS
from waiting import PATIENCE

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, Timeouts
from mezha.asyncio import Listener, Opening, Peer, Server, connect, listen, serve
from mezha.asyncio import server as module
from mezha.blocking import connect as blocking_connect
from mezha.engine import State
from mezha.framing import Lines
from mezha.testing.conformance import certificates

any_loop = pytest.mark.parametrize("loop_kind", ALL_LOOPS)
linux = pytest.mark.skipif(sys.platform != "linux", reason="for the ways of Linux")

Handler = Callable[[Peer], Awaitable[object]]


def _serve(handler: Handler, **options: Any) -> Opening[Server]:
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
        await asyncio.sleep(0.001)


async def _raw(server: Server | Listener) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port)


# -- the listener -----------------------------------------------------------------------------------------------------


@any_loop
async def test_accept_in_time() -> None:
    async with _listen() as listener:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await listener.accept()
        async with _connect(listener) as client, await listener.accept() as peer:
            await client.send(b"Hello!")
            assert await peer.recv() == b"Hello!"


@any_loop
async def test_close_ends_accept_and_iteration() -> None:
    async with _listen() as listener:
        text = repr(listener)
        assert text == f"<mezha.asyncio.Listener 127.0.0.1:{listener.port}>"
        waiting = [asyncio.create_task(listener.accept()) for _ in range(3)]
        await asyncio.sleep(0)
    listener.close()  # again
    for each in waiting:
        with pytest.raises(ClosedByUs, match="this listener was closed on this side"):
            await each
    with pytest.raises(ClosedByUs):
        await listener.accept()
    assert [peer async for peer in listener] == []
    async with listener:  # one that was awaited may be used so, too
        assert listener.addresses == (f"127.0.0.1:{listener.port}",)
    assert repr(listener) == f"{text[:-1]}, closed>"
    assert listener.port > 0
    assert [sock.fileno() for sock in listener.sockets] == [-1]


@any_loop
async def test_the_port_is_free_when_close_returns() -> None:
    listener = await _listen()
    for _ in range(3):
        async with _connect(listener), await listener.accept():
            port = listener.port
            listener.close()
            listener = await listen("127.0.0.1", port, framing=Lines())
    listener.close()


async def test_the_number_of_a_closed_socket_may_be_used_at_once() -> None:
    """The loop has been waiting for connections at that number."""
    async with _listen() as other:
        listener = await _listen()
        await asyncio.sleep(0)
        number = listener.sockets[0].fileno()
        listener.close()
        with socket.socket() as sock:
            assert sock.fileno() == number
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", other.port))


async def test_iteration() -> None:
    async with _listen() as listener:

        async def greet() -> int:
            served = 0
            async for peer in listener:
                async with peer:
                    await peer.send(await peer.recv())
                served += 1
            return served

        serving = asyncio.create_task(greet())
        for _ in range(3):
            async with _connect(listener) as client:
                assert await _ask(client) == b"Hello!"
    assert await serving == 3


@any_loop
async def test_connections_nobody_asked_for_are_closed() -> None:
    """Those that wait in the listener, and those that wait in the system."""
    async with _listen() as listener, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_connect(listener)) for _ in range(12)]
        await asyncio.sleep(0.01)
        listener.close()
        for client in clients:
            with pytest.raises((ClosedByPeer, ConnectionLost)):
                await client.recv()


async def test_a_connection_accepted_while_closing_is_closed() -> None:
    """It has been taken from the system, and the listener does not know yet."""
    loop = asyncio.get_running_loop()
    async with _listen() as listener:
        await asyncio.sleep(0)
        closed = loop.create_future()

        def close() -> None:
            listener.close()
            closed.set_result(None)

        loop.add_reader(dup := os.dup(listener.sockets[0].fileno()), close)
        with socket.create_connection(listener.sockets[0].getsockname()) as client:
            await closed
            loop.remove_reader(dup)
            os.close(dup)
            client.settimeout(PATIENCE)
            await asyncio.sleep(0.01)
            gc.collect()
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""


@any_loop
async def test_cancelled_accept_loses_nobody() -> None:
    async with _listen() as listener:
        for ticks in range(6):
            accepting = asyncio.create_task(listener.accept_socket())
            async with _connect(listener) as client:
                for _ in range(ticks):
                    await asyncio.sleep(0)
                accepting.cancel()
                try:
                    sock, _ = await accepting
                except asyncio.CancelledError:
                    sock, _ = await listener.accept_socket()
                async with await listener.greet(sock) as peer:
                    await client.send(b"Hello!")
                    assert await peer.recv() == b"Hello!"


@any_loop
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
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "cannot accept connections: [Errno 24] Too many open files; trying again in 0.001 s" in caplog.text


@any_loop
async def test_a_listener_may_be_closed_while_it_waits_for_trouble_to_pass(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sock: socket.socket) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(module, "PAUSE", 0.001)
    monkeypatch.setattr(socket.socket, "accept", fail)
    async with _listen() as listener:
        with socket.create_connection(listener.sockets[0].getsockname()):
            await _until(lambda: caplog.records)
    await asyncio.sleep(0.002)  # until it would have tried again
    with pytest.raises(ClosedByUs):
        await listener.accept()


@any_loop
async def test_trouble_in_accepting_that_comes_of_closing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sock: socket.socket) -> Any:
        listener.close()
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(socket.socket, "accept", fail)
    async with _listen() as listener:
        with socket.create_connection(listener.sockets[0].getsockname()), pytest.raises(ClosedByUs):
            await listener.accept()
    assert not caplog.records


@any_loop
async def test_no_more_are_accepted_ahead_than_asked_for() -> None:
    """They wait in the system; and none is lost when somebody asks."""
    async with _listen() as listener, AsyncExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(listener.sockets[0].getsockname())) for _ in range(30)]
        names = {client.getsockname() for client in clients}
        ahead = listener._accepted  # pyright: ignore[reportPrivateUsage]
        await _until(ahead.full)
        assert ahead.qsize() == module._AHEAD  # pyright: ignore[reportPrivateUsage]
        for _ in clients:
            sock, address = await listener.accept_socket()
            sock.close()
            names.remove(address)
        assert not names


async def test_a_time_out_of_the_system() -> None:
    """It is not one of ours."""

    async def fail(opening: Any) -> None:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    async with _listen() as listener:
        settings = listener._settings  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(TimeoutError, match="Connection timed out"):
            await module.open_peer(fail, settings, within=None)


async def test_accept_passes_over_who_fails(caplog: pytest.LogCaptureFixture) -> None:
    async with _listen(tls=certificates.server()) as listener:
        async with asyncio.TaskGroup() as group:
            accepting = group.create_task(listener.accept())
            _, writer = await _raw(listener)
            writer.transport.abort()
            client = await _connect(listener, tls=certificates.client())
        async with client, accepting.result() as peer:
            await client.send(b"Hello!")
            assert await peer.recv() == b"Hello!"
        await writer.wait_closed()
    assert re.search(r"127\.0\.0\.1:\d+: connection not opened: ", caplog.text)


# -- the server -------------------------------------------------------------------------------------------------------


async def test_a_task_for_each_connection() -> None:
    async def tell(peer: Peer) -> None:
        await peer.send(str(id(asyncio.current_task())).encode())
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
        async with _connect(server) as client:
            assert await _ask(client) == b"Hello!"
            server.close()
            server.close()  # again
            assert not server.is_serving()
            with pytest.raises(ConnectionRefusedError):
                await _connect(server)
            assert await _ask(client) == b"Hello!"  # who is being served goes on
            closing = asyncio.create_task(server.wait_closed())
            await asyncio.sleep(0)
            assert not closing.done()
        await closing
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
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await third.recv()
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
    caplog.set_level(logging.DEBUG, "mezha.asyncio")
    served = asyncio.Semaphore(0)

    async def handle(peer: Peer) -> None:
        try:
            message = await peer.recv()
            if message == b"mine":
                raise KeyError(message)
            if message == b"system":
                raise OSError(errno.ENOSPC, "No space left")
            await peer.recv()
        finally:
            served.release()

    async with _serve(handle, limits=Limits(max_message=6)) as server:
        for message in (b"mine\n", b"system\n", b"end\n", b"much too large\n", b"torn"):
            reader, writer = await _raw(server)
            writer.write(message)
            writer.write_eof()
            await served.acquire()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            await _until(lambda: not server.connections)
    records = [record for record in caplog.records if record.name == "mezha.asyncio"]
    logged = [(record.levelname, re.sub(r"^[\d.]+:\d+: ", "", record.getMessage())) for record in records]
    assert logged[:3] == [
        ("ERROR", "the handler failed"),
        ("WARNING", "OSError: [Errno 28] No space left"),
        ("DEBUG", "closed by the peer"),
    ]
    assert [level for level, _ in logged[3:]] == ["WARNING"] * 2
    assert logged[3][1].startswith("MessageTooLarge: ")
    assert logged[4][1].startswith("TruncatedMessage: ")
    assert "KeyError: b'mine'" in caplog.text


async def test_a_handler_may_close_or_detach() -> None:
    kept: list[socket.socket] = []

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
            kept[0].sendall(b"still here\n")
            assert await client.recv() == b"still here"
            kept[0].close()


# -- TLS --------------------------------------------------------------------------------------------------------------


async def test_a_plain_client_of_a_tls_server(caplog: pytest.LogCaptureFixture) -> None:
    async with _serve(_echo, tls=certificates.server()) as server:
        reader, writer = await _raw(server)
        writer.write(b"Hello!\n" * 100)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        await _until(lambda: not server.connections)
        async with _connect(server, tls=certificates.client()) as client:
            assert await _ask(client) == b"Hello!"
    assert re.search(r"127\.0\.0\.1:\d+: SSLError: ", caplog.text)


async def test_one_silent_client_does_not_hold_up_others() -> None:
    async with _serve(_echo, tls=certificates.server()) as server:
        reader, writer = await _raw(server)
        async with _connect(server, tls=certificates.client()) as client:
            assert await _ask(client) == b"Hello!"
        await _until(lambda: server.connections == 1)
        await server.stop(timeout=0)  # which cuts the handshake, too
        assert server.connections == 0
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_silent_client_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with _serve(_echo, tls=certificates.server(), timeouts=Timeouts(connect=0.05)) as server:
        reader, writer = await _raw(server)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        await _until(lambda: not server.connections)
    assert "TimeoutError: no connection within 0.05 s (Timeouts.connect)" in caplog.text


# -- stopping ---------------------------------------------------------------------------------------------------------


async def test_stop_waits_for_the_handlers() -> None:
    async with _serve(_echo) as server, _connect(server) as client:
        assert await _ask(client) == b"Hello!"
        stopping = asyncio.create_task(server.stop(timeout=PATIENCE))
        await _until(lambda: not server.is_serving())
        with pytest.raises(ConnectionRefusedError):
            await _connect(server)
        assert await _ask(client) == b"Hello!"
        assert not stopping.done()
        await client.send_eof()
        await stopping
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
    caplog.set_level(logging.DEBUG, "mezha.asyncio")
    ended: list[Exception] = []
    begun = asyncio.Event()

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
    assert [record.levelname for record in caplog.records if record.name == "mezha.asyncio"] == ["DEBUG"]  # it was us


async def test_stop_cancels_the_handlers_that_go_on() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(peer: Peer) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with _serve(handle) as server, _connect(server):
        await begun.wait()
        await server.stop(timeout=0)
        assert cancelled.is_set()
        assert server.connections == 0


async def test_stop_cancelled_cuts_at_once() -> None:
    async with _serve(_echo) as server, _connect(server) as client:
        assert await _ask(client) == b"Hello!"
        stopping = asyncio.create_task(server.stop(timeout=100))
        await _until(lambda: not server.is_serving())
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        with pytest.raises(ConnectionLost):
            await client.recv()


async def test_stop_before_anything_began() -> None:
    listener = await _listen()
    server = Server(listener, _echo)
    await server.stop()
    await server.stop()  # again
    await server.serve_forever()
    with pytest.raises(ConnectionRefusedError):
        await _connect(server)


async def test_stop_of_a_connection_that_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task is cancelled before its first step."""
    loop = asyncio.get_running_loop()
    stopped: list[asyncio.Task[None]] = []
    create_task = asyncio.create_task

    def stop_at_once(coroutine: Any, **options: Any) -> Any:
        task = create_task(coroutine, **options)
        if coroutine.__name__ == "_serve":
            loop.call_soon(task.cancel)
            task.cancel()
            stopped.append(task)
        return task

    monkeypatch.setattr(asyncio, "create_task", stop_at_once)
    async with _serve(_echo) as server, _connect(server) as client:
        with pytest.raises((ClosedByPeer, ConnectionLost)):
            await client.recv()
        assert stopped
        await _until(lambda: not server.connections)


async def test_stop_from_many_tasks_at_once() -> None:
    async with _serve(_echo) as server, _connect(server) as client:
        assert await _ask(client) == b"Hello!"
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(server.stop(timeout=PATIENCE))
            await _until(lambda: not server.is_serving())
            await client.close()
        assert server.connections == 0


async def test_stop_from_inside_a_handler() -> None:
    async def handle(peer: Peer) -> None:
        await peer.recv()
        await server.stop()
        await server.wait_closed()
        await peer.send(b"stopped")

    async with _serve(handle, max_connections=1) as server:
        serving = asyncio.create_task(server.serve_forever())
        async with _connect(server) as client:
            assert await _ask(client) == b"stopped"
            await serving


async def test_stop_from_inside_two_handlers() -> None:
    """Each would wait for the other to end."""
    both = asyncio.Barrier(2)

    async def handle(peer: Peer) -> None:
        await both.wait()
        await server.stop()
        await peer.send(b"stopped")

    async with (
        _serve(handle) as server,
        asyncio.timeout(5),
        _connect(server) as one,
        _connect(server) as other,
    ):
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
        serving = asyncio.create_task(server.serve_forever())
        async with _connect(server) as client:
            assert await _ask(client) == b"Hello!"
            stopping = asyncio.create_task(server.stop(timeout=100))
            await _until(lambda: not server.is_serving())
            assert await _ask(client) == b"Hello!"
            assert notices == [100]
            assert not serving.done()
        await stopping
        await serving
        assert notices == [100, 10.0]


async def test_serve_forever_cancelled_stops_gracefully() -> None:
    async with _serve(_echo) as server, _connect(server) as client:
        assert await _ask(client) == b"Hello!"
        serving = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(0)
        serving.cancel()
        await _until(lambda: not server.is_serving())
        assert await _ask(client) == b"Hello!"
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await serving


async def test_serve_forever_ends_with_its_listener() -> None:
    async with _serve(_echo) as server:
        serving = asyncio.create_task(server.serve_forever())
        async with _connect(server) as client:
            assert await _ask(client) == b"Hello!"
            server.listener.close()
        await serving


async def test_the_end_of_a_block_stops_it() -> None:
    peers: list[Peer] = []

    async def handle(peer: Peer) -> None:
        peers.append(peer)
        await _echo(peer)

    async with await _serve(handle) as server:
        client = await _connect(server)
        assert await _ask(client) == b"Hello!"
        await client.close()
    assert peers[0].state is State.CLOSED
    assert not server.is_serving()


_FEW_FILES = """
import asyncio, resource, sys
from mezha.asyncio import serve
from mezha.framing import Lines

async def echo(peer):
    async for message in peer:
        await peer.send(message)

async def main():
    async with serve(echo, "127.0.0.1", 0, framing=Lines()) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        print(server.port, flush=True)
        await server.serve_forever()

if sys.argv[1] == "uvloop":
    from uvloop import run
else:
    from asyncio import run
run(main())
"""


@linux
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("loop_kind", ["program"])
def test_out_of_file_descriptors(loop: str, loop_kind: str) -> None:
    """It serves again as soon as there are some."""
    with Child(_FEW_FILES, loop) as program:
        port = int(program.line())
        clients = [blocking_connect("127.0.0.1", port, framing=Lines()) for _ in range(30)]
        for client in clients:
            client.send(b"Hello!")
        for client in clients:
            assert client.recv(timeout=PATIENCE) == b"Hello!"
            client.close()
        program.send_signal(signal.SIGINT)
        _, _, errors = program.finish()
        assert "cannot accept connections: [Errno 24] Too many open files; trying again in 0.1 s\n" in errors
