"""Tests of mezha.blocking.server: what accepts, and what serves."""

import errno
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from child import Child
from waiting import PATIENCE, until

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, Timeouts
from mezha.blocking import Listener, Peer, Server, connect, listen
from mezha.framing import LengthPrefixed, Lines
from mezha.testing.conformance import certificates

linux = pytest.mark.skipif(sys.platform != "linux", reason="for the ways of Linux")


def _listen(**options: Any) -> Listener:
    return listen("127.0.0.1", 0, framing=Lines(), **options)


def _connect(server: Server | Listener, **options: Any) -> Peer:
    listener = server.listener if isinstance(server, Server) else server
    return connect("127.0.0.1", listener.port, framing=Lines(), **options)


def _echo(peer: Peer) -> None:
    for message in peer:
        peer.send(message)


def _refused(port: int) -> bool:
    """Try whether nobody listens there any more."""
    try:
        connect("127.0.0.1", port, framing=Lines()).close()
    except OSError:
        return True
    return False


def _ask(client: Peer, message: bytes = b"Hello!") -> bytes:
    client.send(message)
    return client.recv(timeout=PATIENCE)


# -- the listener -----------------------------------------------------------------------------------------------------


def test_accept_in_time() -> None:
    with _listen() as listener:
        with pytest.raises(TimeoutError, match=r"^nobody connected in time$"):
            listener.accept(timeout=0)
        with pytest.raises(TimeoutError):
            listener.accept(timeout=0.01)
        with pytest.raises(TimeoutError):
            listener.accept(timeout=-1)
        with _connect(listener) as client, listener.accept(timeout=0) as peer:
            client.send(b"Hello!")
            assert peer.recv() == b"Hello!"


def test_close_ends_accept_and_iteration() -> None:
    with _listen() as listener:
        text = repr(listener)
        assert text == f"<mezha.blocking.Listener 127.0.0.1:{listener.port}>"
    listener.close()  # again
    with pytest.raises(ClosedByUs, match="this listener was closed on this side"):
        listener.accept()
    assert list(listener) == []
    assert repr(listener) == f"{text[:-1]}, closed>"
    assert listener.port > 0
    assert [sock.fileno() for sock in listener.sockets] == [-1]


def test_close_in_another_thread_wakes_all_who_accept(pool: ThreadPoolExecutor) -> None:
    listener = _listen()
    begun = threading.Barrier(4)

    def accept() -> None:
        begun.wait(PATIENCE)
        listener.accept()

    accepting = [pool.submit(accept) for _ in range(3)]
    begun.wait(PATIENCE)
    listener.close()
    for each in accepting:
        with pytest.raises(ClosedByUs):
            each.result(PATIENCE)


def test_the_port_is_free_when_close_returns(pool: ThreadPoolExecutor) -> None:
    """Though a thread has been accepting there, and may not have noticed yet."""
    listener = _listen()
    for _ in range(10):
        accepting = pool.submit(list, listener)
        with _connect(listener):
            port = listener.port
            listener.close()
            listener = listen("127.0.0.1", port, framing=Lines())
        for peer in accepting.result(PATIENCE):
            peer.close()
    listener.close()


def test_iteration(pool: ThreadPoolExecutor) -> None:
    with _listen() as listener:

        def greet() -> int:
            served = 0
            for peer in listener:
                with peer:
                    peer.send(peer.recv())
                served += 1
            return served

        serving = pool.submit(greet)
        for _ in range(3):
            with _connect(listener) as client:
                assert _ask(client) == b"Hello!"
    assert serving.result(PATIENCE) == 3


def test_several_threads_accept_each_connection_once(pool: ThreadPoolExecutor) -> None:
    with _listen() as listener, ExitStack() as clients:
        accepting = [pool.submit(listener.accept) for _ in range(8)]
        for _ in range(8):
            clients.enter_context(_connect(listener)).send(b"Hello!")
        for each in accepting:
            with each.result(PATIENCE) as peer:
                assert peer.recv(timeout=PATIENCE) == b"Hello!"


class _Stubborn(socket.socket):
    """A listening socket with trouble in accept()."""

    trouble: list[OSError]
    before: Callable[[], None] = staticmethod(lambda: None)

    def accept(self) -> tuple[socket.socket, Any]:
        if self.trouble:
            self.before()
            raise self.trouble.pop()
        return super().accept()


def _in_trouble(*errors: int) -> tuple[Listener, _Stubborn]:
    with _listen() as listener:
        sock = _Stubborn(fileno=os.dup(listener.sockets[0].fileno()))
    sock.trouble = [OSError(error, os.strerror(error)) for error in errors]
    return Listener([sock], listener._settings), sock  # pyright: ignore[reportPrivateUsage]


@linux
def test_trouble_in_accepting_is_logged_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    listener, sock = _in_trouble(errno.EMFILE, errno.EPERM)
    monkeypatch.setattr(time, "sleep", pauses.append)
    with listener, _connect(listener) as client, listener.accept() as peer:
        client.send(b"Hello!")
        assert peer.recv() == b"Hello!"
    assert not sock.trouble
    assert len(pauses) == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "cannot accept connections: [Errno 24] Too many open files; trying again in 0.1 s" in caplog.text


@linux
def test_a_connection_that_is_gone_before_it_is_accepted_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    listener, sock = _in_trouble(errno.ECONNABORTED, errno.EAGAIN)
    with listener, _connect(listener), listener.accept():
        assert not sock.trouble
    assert not caplog.records


@linux
def test_trouble_in_accepting_that_comes_of_closing(caplog: pytest.LogCaptureFixture) -> None:
    listener, sock = _in_trouble(errno.EBADF)
    sock.before = listener.close
    with _connect(listener), pytest.raises(ClosedByUs):
        listener.accept()
    assert not sock.trouble
    assert not caplog.records


def test_a_connection_that_is_gone_when_it_is_accepted(pool: ThreadPoolExecutor) -> None:
    with _listen(tls=certificates.server()) as listener:
        with socket.create_connection(listener.sockets[0].getsockname()) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        accepting = pool.submit(listener.accept)
        with _connect(listener, tls=certificates.client()) as client, accepting.result(PATIENCE) as peer:
            client.send(b"Hello!")
            assert peer.recv(timeout=PATIENCE) == b"Hello!"


# -- the server -------------------------------------------------------------------------------------------------------


def test_a_thread_for_each_connection() -> None:
    def tell(peer: Peer) -> None:
        thread = threading.current_thread()
        assert thread.daemon
        peer.send(f"{thread.ident} {thread.name}".encode())
        peer.recv(timeout=PATIENCE)

    with Server(_listen(), tell) as server, _connect(server) as one, _connect(server) as other:
        told = [client.recv(timeout=PATIENCE).decode().split(" ", 1) for client in (one, other)]
        assert server.connections == 2
        one.send(b"bye")
        other.send(b"bye")
        for client in (one, other):
            with pytest.raises(ClosedByPeer):
                client.recv(timeout=PATIENCE)
        until(lambda: server.connections == 0)
    assert [name for _, name in told] == [f"mezha peer {client.local_address}" for client in (one, other)]
    assert len({ident for ident, _ in told}) == 2


def test_max_connections() -> None:
    with Server(_listen(), _echo, max_connections=2) as server:
        one, other, third = _connect(server), _connect(server), _connect(server)
        with one, other, third:
            assert _ask(one) == _ask(other) == b"Hello!"
            third.send(b"Hello?")
            with pytest.raises(TimeoutError):
                third.recv(timeout=0.05)
            assert server.connections == 2
            one.close()
            assert third.recv(timeout=PATIENCE) == b"Hello?"
            assert _ask(other) == b"Hello!"


@pytest.mark.parametrize("number", [0, -1])
def test_no_room_for_anybody(number: int) -> None:
    with _listen() as listener, pytest.raises(ValueError, match=f"max_connections must be 1 or more, not {number}"):
        Server(listener, print, max_connections=number)


def test_what_a_handler_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    served = threading.Semaphore(0)

    def handle(peer: Peer) -> None:
        try:
            message = peer.recv()
            if message == b"mine":
                raise KeyError(message)
            if message == b"system":
                raise OSError(errno.ENOSPC, "No space left")
            while True:
                peer.recv()
        finally:
            served.release()

    with Server(_listen(limits=Limits(max_message=6)), handle) as server:
        for message in (b"mine", b"system", b"orderly", b"much too large", b"torn"):
            with socket.create_connection(server.listener.sockets[0].getsockname()) as sock:
                sock.sendall(message if message == b"torn" else message + b"\n")
                sock.shutdown(socket.SHUT_WR)
                assert served.acquire(timeout=PATIENCE)
                assert sock.recv(1) == b""
                until(lambda: not server.connections)
    logged = [(record.levelname, re.sub(r"^[\d.]+:\d+: ", "", record.getMessage())) for record in caplog.records]
    assert logged[0] == ("ERROR", "the handler failed")
    assert logged[1] == ("WARNING", "OSError: [Errno 28] No space left")
    assert logged[2][0] == "WARNING"
    assert logged[2][1].startswith("MessageTooLarge: ")
    assert logged[4][1].startswith("TruncatedMessage: ")
    assert "KeyError: b'mine'" in caplog.text


def test_an_orderly_end_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Server(_listen(), _echo) as server, _connect(server) as client:
        assert _ask(client) == b"Hello!"
        client.send_eof()
        until(lambda: not server.connections)
    assert not caplog.records
    with Server(_listen(), _wait_in_recv) as server, _connect(server) as client:
        client.send_eof()
        until(lambda: caplog.records)
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("DEBUG", "mezha.blocking")
    assert record.getMessage().endswith(": closed by the peer")


def test_a_handler_may_close_or_detach() -> None:
    kept: list[socket.socket] = []

    def handle(peer: Peer) -> None:
        if peer.recv() == b"close":
            peer.close()
        else:
            kept.append(peer.detach()[0])

    with Server(_listen(), handle) as server:
        with _connect(server) as client:
            client.send(b"close")
            with pytest.raises(ClosedByPeer):
                client.recv(timeout=PATIENCE)
        with _connect(server) as client:
            client.send(b"detach")
            until(lambda: kept and not server.connections)
            kept[0].sendall(b"still here\n")
            assert client.recv(timeout=PATIENCE) == b"still here"
            kept[0].close()


@linux
def test_no_more_threads(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    start = threading.Thread.start
    refused: list[str] = []

    def none_left(thread: threading.Thread) -> None:
        if thread.name.startswith("mezha peer") and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", none_left)
    with Server(_listen(), _echo) as server:
        with _connect(server) as client, pytest.raises(ClosedByPeer):
            client.recv(timeout=PATIENCE)
        with _connect(server) as client:
            assert _ask(client) == b"Hello!"
    assert f"{refused[0].removeprefix('mezha peer ')}: connection not served: can't start new thread" in caplog.text


# -- TLS --------------------------------------------------------------------------------------------------------------


def test_a_plain_client_of_a_tls_server(caplog: pytest.LogCaptureFixture) -> None:
    with Server(_listen(tls=certificates.server()), _echo) as server:
        with socket.create_connection(server.listener.sockets[0].getsockname()) as plain:
            plain.sendall(b"Hello!\n" * 100)
            until(lambda: caplog.records)
        with _connect(server, tls=certificates.client()) as client:
            assert _ask(client) == b"Hello!"
    assert re.search(r"127\.0\.0\.1:\d+: SSLError: ", caplog.text)


def test_one_silent_client_does_not_hold_up_others() -> None:
    with (
        Server(_listen(tls=certificates.server()), _echo) as server,
        socket.create_connection(server.listener.sockets[0].getsockname()) as silent,
    ):
        with _connect(server, tls=certificates.client()) as client:
            assert _ask(client) == b"Hello!"
        until(lambda: server.connections == 1)
        server.stop(timeout=0)  # which cuts the handshake, too
        assert server.connections == 0
        silent.settimeout(PATIENCE)
        assert silent.recv(1) == b""


def test_a_silent_client_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    listener = _listen(tls=certificates.server(), timeouts=Timeouts(connect=0.05))
    with (
        Server(listener, _echo) as server,
        socket.create_connection(server.listener.sockets[0].getsockname()) as silent,
    ):
        silent.settimeout(PATIENCE)
        assert silent.recv(1) == b""
        until(lambda: not server.connections)
    assert "TimeoutError: the TLS handshake took too long (Timeouts.connect)" in caplog.text


# -- stopping ---------------------------------------------------------------------------------------------------------


def test_stop_waits_for_the_handlers(pool: ThreadPoolExecutor) -> None:
    with Server(_listen(), _echo) as server, _connect(server) as client:
        assert _ask(client) == b"Hello!"
        stopping = pool.submit(server.stop, timeout=PATIENCE)
        until(lambda: _refused(server.listener.port))
        assert _ask(client) == b"Hello!"
        assert not stopping.done()
        client.send_eof()
        stopping.result(PATIENCE)
        with pytest.raises(ClosedByPeer):
            client.recv(timeout=PATIENCE)
        assert server.connections == 0


def _wait_in_recv(peer: Peer) -> None:
    peer.recv()


def _wait_in_send(peer: Peer) -> None:
    while True:
        peer.send(b"x" * 1000)


@pytest.mark.parametrize("wait", [_wait_in_recv, _wait_in_send])
def test_stop_cuts_the_handlers_that_are_left(
    wait: Callable[[Peer], None], caplog: pytest.LogCaptureFixture, pool: ThreadPoolExecutor
) -> None:
    caplog.set_level(logging.DEBUG)
    ended: list[Exception] = []
    begun = threading.Event()

    def handle(peer: Peer) -> None:
        begun.set()
        try:
            wait(peer)
        except Exception as error:
            ended.append(error)
            raise

    with Server(_listen(timeouts=Timeouts(close=0)), handle) as server, _connect(server):
        assert begun.wait(PATIENCE)
        server.stop(timeout=0.05)
        assert server.connections == 0
    assert isinstance(ended[0], ClosedByUs)
    assert [record.levelname for record in caplog.records] == ["DEBUG"]  # as it was us


def test_stop_before_anything_began() -> None:
    server = Server(_listen(), _echo)
    server.stop()
    server.stop()  # again
    server.serve_forever()
    with pytest.raises(ConnectionRefusedError):
        _connect(server)


def test_stop_from_many_threads_at_once(pool: ThreadPoolExecutor) -> None:
    with Server(_listen(), _echo) as server, _connect(server) as client:
        assert _ask(client) == b"Hello!"
        stopping = [pool.submit(server.stop, timeout=PATIENCE) for _ in range(4)]
        client.close()
        for each in stopping:
            each.result(PATIENCE)
    assert server.connections == 0


def test_stop_from_inside_a_handler(pool: ThreadPoolExecutor) -> None:
    def handle(peer: Peer) -> None:
        peer.recv()
        server.stop()
        peer.send(b"stopped")

    server = Server(_listen(), handle, max_connections=1)
    serving = pool.submit(server.serve_forever)
    with _connect(server) as client:
        assert _ask(client) == b"stopped"
        serving.result(PATIENCE)


def test_stop_from_inside_two_handlers(pool: ThreadPoolExecutor) -> None:
    """Each would wait for the other to end."""
    both = threading.Barrier(2)

    def handle(peer: Peer) -> None:
        both.wait(PATIENCE)
        server.stop()
        peer.send(b"stopped")

    server = Server(_listen(), handle)
    serving = pool.submit(server.serve_forever)
    with _connect(server) as one, _connect(server) as other:
        assert one.recv(timeout=5) == other.recv(timeout=5) == b"stopped"
        serving.result(PATIENCE)


def test_serve_forever_leaves_it_to_stop_how_long_the_handlers_have(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own notice, of ten seconds, comes after that of who stops the server, not beside it."""
    notices: list[float] = []
    stop = Server.stop

    def note(server: Server, timeout: float = 10.0) -> None:
        notices.append(timeout)
        stop(server, timeout)

    monkeypatch.setattr(Server, "stop", note)
    server = Server(_listen(), _echo)
    serving = pool.submit(server.serve_forever)
    with _connect(server) as client:
        assert _ask(client) == b"Hello!"
        stopping = pool.submit(server.stop, timeout=100)
        until(lambda: notices)
        until(lambda: _refused(server.listener.port))
        assert _ask(client) == b"Hello!"
        assert notices == [100]
        assert not serving.done()
    stopping.result(PATIENCE)
    serving.result(PATIENCE)
    assert notices == [100, 10.0]


def test_serve_forever_ends_with_its_listener(pool: ThreadPoolExecutor) -> None:
    server = Server(_listen(), _echo)
    serving = pool.submit(server.serve_forever)
    with _connect(server) as client:
        assert _ask(client) == b"Hello!"
        server.listener.close()
    serving.result(PATIENCE)


def test_a_connection_accepted_while_stopping_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = Listener.accept_socket

    def stop_first(listener: Listener, deadline: float | None = None) -> tuple[socket.socket, object]:
        accepted = accept(listener, deadline)
        server.stop()
        return accepted

    monkeypatch.setattr(Listener, "accept_socket", stop_first)
    server = Server(_listen(), _echo)
    with _connect(server) as client:
        server.serve_forever()
        with pytest.raises(ClosedByPeer):
            client.recv(timeout=PATIENCE)
    assert server.connections == 0


def test_a_connection_that_begins_after_the_cut_is_cut(
    monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor
) -> None:
    """As the thread of its handler was slow to start."""
    begun, cut = threading.Event(), threading.Event()
    greet = Listener.stream

    def slow(listener: Listener, sock: socket.socket) -> Any:
        begun.set()
        assert cut.wait(PATIENCE)
        return greet(listener, sock)

    monkeypatch.setattr(Listener, "stream", slow)
    server = Server(_listen(), _echo)
    serving = pool.submit(server.serve_forever)
    with _connect(server) as client:
        assert begun.wait(PATIENCE)
        stopping = pool.submit(server.stop, timeout=0)
        until(lambda: server._cutting)  # pyright: ignore[reportPrivateUsage]
        cut.set()
        with pytest.raises(ConnectionLost):  # no orderly end
            client.recv(timeout=PATIENCE)
        stopping.result(PATIENCE)
        serving.result(PATIENCE)


def test_a_handler_that_does_not_end(caplog: pytest.LogCaptureFixture) -> None:
    begun, enough = threading.Event(), threading.Event()

    def handle(peer: Peer) -> None:
        begun.set()
        assert enough.wait(PATIENCE)

    server = Server(_listen(), handle)
    with server, _connect(server):
        assert begun.wait(PATIENCE)
        server.stop(timeout=0)
        assert "1 handlers are still running after the stop" in caplog.text
        enough.set()


_INTERRUPTED = """
import signal, sys
from mezha.blocking import Server, listen
from mezha.framing import Lines

def echo(peer):
    for message in peer:
        peer.send(message)
        if message == b"bye":
            return

server = Server(listen("127.0.0.1", 0, framing=Lines()), echo)
signal.signal(signal.SIGTERM, lambda *_: server.stop())
print(server.listener.port, flush=True)
try:
    server.serve_forever()
finally:
    print(server.connections, server.listener)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it(number: signal.Signals) -> None:
    """Ctrl-C by itself; others with a handler of the user's, which runs inside serve_forever."""
    with Child(_INTERRUPTED) as program:
        port = int(program.line())
        with connect("127.0.0.1", port, framing=Lines()) as client:
            assert _ask(client) == b"Hello!"
            program.send_signal(number)
            until(lambda: _refused(port))
            assert _ask(client, b"bye") == b"bye"
            with pytest.raises(ClosedByPeer):
                client.recv(timeout=PATIENCE)
        code, output, errors = program.finish()
        assert output == f"0 <mezha.blocking.Listener 127.0.0.1:{port}, closed>\n"
        if number is signal.SIGINT:
            assert code == -signal.SIGINT
            assert errors.endswith("KeyboardInterrupt\n")
        else:
            assert (code, errors) == (0, "")


_FEW_FILES = """
import resource
from mezha.blocking import Server, listen
from mezha.framing import Lines

def echo(peer):
    for message in peer:
        peer.send(message)

server = Server(listen("127.0.0.1", 0, framing=Lines()), echo)
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
print(server.listener.port, flush=True)
server.serve_forever()
"""


@linux
def test_out_of_file_descriptors() -> None:
    """It serves again as soon as there are some."""
    with Child(_FEW_FILES) as program, ExitStack() as stack:
        port = int(program.line())
        clients = [stack.enter_context(connect("127.0.0.1", port, framing=Lines())) for _ in range(24)]
        for client in clients:
            client.send(b"Hello!")
        assert (
            program.error_line() == "cannot accept connections: [Errno 24] Too many open files; trying again in 0.1 s"
        )
        for client in clients:
            assert client.recv(timeout=PATIENCE) == b"Hello!"
            client.close()


def test_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with Server(listen(unix=path, framing=LengthPrefixed()), _echo) as server:
        assert server.listener.addresses == (str(path),)
        with pytest.raises(ValueError, match=r"is a Unix socket, and has no port$"):
            _ = server.listener.port
        with connect(unix=path, framing=LengthPrefixed()) as client:
            assert _ask(client) == b"Hello!"
    assert not path.exists()
