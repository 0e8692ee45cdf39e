"""Tests of mezha.blocking.driver and what it drives: sessions, but for what the conformance suite tests."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from queue import SimpleQueue
from typing import Any

import pytest
from waiting import PATIENCE, until

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    Limits,
    LocalProtocolError,
    MessageDropped,
    RequestFailed,
    SendTimeout,
    Timeouts,
)
from mezha.blocking import Peer, Server, connect, listen, serve, wire, wrap
from mezha.blocking.driver import Driver
from mezha.engine import State
from mezha.framing import Lines
from mezha.session import Code
from mezha.testing.pairs import blocking_pair

Pair = tuple[Peer, Peer]

compiled = pytest.mark.skipif(not wire.compiled, reason="what is compiled sends past the engine")

#: A window for four messages of 60 000 bytes.
SMALL = Limits(inbox=256 << 10)


@pytest.fixture
def server() -> Generator[Callable[..., Server]]:
    """Start servers, which end with the test."""
    with ExitStack() as stack:

        def start(handler: Callable[[Peer], object] | None, **options: Any) -> Server:
            return stack.enter_context(Server(listen("127.0.0.1", 0, **options), handler))

        yield start


def _connect(server: Server, **options: Any) -> Peer:
    return connect("127.0.0.1", server.listener.port, **options)


def _echo(peer: Peer) -> None:
    for message in peer:
        peer.send(message)


def _shout(_: Peer, body: bytes) -> bytes:
    return body.upper()


def _ended(peer: Peer) -> tuple[int, str]:
    """Wait for the goodbye of the peer; return its code and reason."""
    try:
        while True:
            peer.recv(timeout=PATIENCE)
    except ClosedByPeer as closed:
        return closed.code, closed.reason


def _driver(peer: Peer) -> Driver:
    assert peer._driver is not None  # pyright: ignore[reportPrivateUsage]
    return peer._driver  # pyright: ignore[reportPrivateUsage]


def _close(pool: ThreadPoolExecutor, *peers: Peer) -> None:
    """Close both, as each waits for the other's goodbye."""
    for closing in [pool.submit(peer.close) for peer in peers]:
        closing.result(PATIENCE)


# -- a bare connection ------------------------------------------------------------------------------------------------


def test_a_bare_connection_has_none_of_this() -> None:
    with blocking_pair(Lines()) as (peer, _):
        calls: list[Callable[[], object]] = [lambda: peer.request(b""), peer.ping, lambda: peer.send_stream([b""])]
        for call in (*calls, peer.recv_stream, peer.retire, peer.dismiss):
            with pytest.raises(LocalProtocolError, match="leave framing= out on both sides"):
                call()
        assert peer.ending is None
        assert peer.close(300, "nobody hears of it") is None


def test_nobody_answers_on_a_bare_connection() -> None:
    for opening in (connect, listen):
        with pytest.raises(TypeError, match="leave framing= out"):
            opening("localhost", 1, framing=Lines(), answer=_shout)
    with pytest.raises(TypeError, match=r"give a handler for its messages, or answer="):
        serve(None, "localhost", 1)


# -- time-outs --------------------------------------------------------------------------------------------------------


def test_every_wait_has_its_end() -> None:
    with blocking_pair() as (peer, _):
        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError, match=f"no whole message within {timeout:g} s"):
                peer.recv(timeout=timeout)
            with pytest.raises(TimeoutError, match=f"nothing more of the message within {timeout:g} s"):
                peer.recv_stream(timeout=timeout).__enter__()
        with pytest.raises(TimeoutError, match=r"no sign of life within 0 s"):
            peer.ping(timeout=0)


def test_a_send_that_runs_out_of_time_says_what_goes_out_all_the_same(pool: ThreadPoolExecutor) -> None:
    message = b"x" * 60_000
    with blocking_pair(limits=SMALL) as (peer, other):
        sent = 0
        with pytest.raises(SendTimeout) as late:  # noqa: PT012 - one of them is
            while True:
                peer.send(message, timeout=0.05)
                sent += 1
        sent += late.value.sent
        assert 3 <= sent <= 5  # for which there is credit
        with pytest.raises(SendTimeout) as late:
            peer.send_many([message] * 3, timeout=0)
        sent += late.value.sent
        with pytest.raises(SendTimeout):
            peer.send_stream([message], timeout=0.01)
        assert [other.recv(timeout=PATIENCE) for _ in range(sent)] == [message] * sent
        peer.send(b"last", timeout=PATIENCE)
        assert other.recv(timeout=PATIENCE) == b"last"


def test_credit_passes_between_messages(pool: ThreadPoolExecutor) -> None:
    """Both sides send as fast as they can, and both have to give credit all the time."""
    messages = [b"%d" % number * (number % 60) for number in range(20_000)]
    with blocking_pair(limits=Limits(inbox=1)) as pair:

        def send(peer: Peer) -> None:
            for message in messages:
                peer.send(message, timeout=PATIENCE)

        def receive(peer: Peer) -> list[bytes]:
            return [peer.recv(timeout=PATIENCE) for _ in messages]

        sending = [pool.submit(send, peer) for peer in pair]
        receiving = [pool.submit(receive, peer) for peer in pair]
        for sent in sending:
            sent.result(PATIENCE)
        for received in receiving:
            assert received.result(PATIENCE) == messages


@compiled
@pytest.mark.parametrize("most", [0, 3])
def test_what_the_wire_does_not_take_goes_another_way(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    message = b"x" * 30_000
    with blocking_pair(limits=Limits(inbox=1)) as (peer, other):
        real, puts = _driver(other)._wire, list[bytes]()  # pyright: ignore[reportPrivateUsage]

        class Grudging:
            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def put(self, data: bytes) -> int:
                puts.append(data)
                return real.put(data[:most])

        monkeypatch.setattr(_driver(other), "_wire", Grudging())
        for _ in range(20):
            other.send(b"in between", timeout=PATIENCE)
            peer.send(message, timeout=PATIENCE)
            assert other.recv(timeout=PATIENCE) == message
            assert peer.recv(timeout=PATIENCE) == b"in between"
        assert puts


def test_who_waits_to_send_holds_nobody_up(pool: ThreadPoolExecutor) -> None:
    """Another thread receives, and is answered, while one waits for credit."""
    with blocking_pair(limits=SMALL, answer=_shout) as (peer, other):
        sending = pool.submit(peer.send_many, [b"x" * 60_000] * 20)
        until(lambda: _driver(peer)._sending.locked())  # pyright: ignore[reportPrivateUsage]
        assert peer.request(b"may I?", timeout=PATIENCE) == b"MAY I?"
        other.send(b"for you")
        assert peer.recv(timeout=PATIENCE) == b"for you"
        with pytest.raises(SendTimeout, match="other threads were sending all the time"):
            peer.send(b"not yet", timeout=0.01)
        assert [len(other.recv(timeout=PATIENCE)) for _ in range(20)] == [60_000] * 20
        sending.result(PATIENCE)


# -- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream_may_come_from_anywhere(pool: ThreadPoolExecutor) -> None:
    whole = bytes(range(256)) * 700
    pieces: Iterator[bytes] = (whole[start : start + 9999] for start in range(0, len(whole), 9999))
    with blocking_pair() as (peer, other):
        for source in (BytesIO(whole), pieces, [whole, b""], whole, bytearray(whole)):
            sending = pool.submit(peer.send_stream, source)
            assert other.recv(timeout=PATIENCE) == whole
            sending.result(PATIENCE)
        with pytest.raises(TypeError, match="encode it first"):
            peer.send_stream(["text"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        peer.send(b"unharmed")
        assert other.recv(timeout=PATIENCE) == b"unharmed"


def test_a_stream_is_read_like_a_file() -> None:
    with blocking_pair() as (peer, other):
        peer.send_stream([b"0123456789" * 10])
        peer.send(b"next")
        with other.recv_stream(timeout=PATIENCE) as stream:
            assert stream.read(0) == b""
            assert stream.read(7) == b"0123456"
            assert stream.read(1) == b"7"
            assert stream.received == 100
            assert stream.read() == (b"0123456789" * 10)[8:]
            assert stream.read() == b""
            assert list(stream) == []
        assert other.recv(timeout=PATIENCE) == b"next"


def test_a_stream_that_takes_too_long_is_no_message(pool: ThreadPoolExecutor) -> None:
    with blocking_pair() as (peer, other):
        streaming = pool.submit(lambda: other.recv_stream().__enter__())
        with pytest.raises(SendTimeout, match="given up"):
            peer.send_stream([b"x" * 60_000] * 10, timeout=0.05)
        with pytest.raises(MessageDropped, match="too long"):
            streaming.result(PATIENCE).read()


# -- requests ---------------------------------------------------------------------------------------------------------


def test_a_handler_that_fails_is_logged_with_its_peer(
    server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    def answer(_: Peer, __: bytes) -> bytes:
        raise RuntimeError("secret")

    with _connect(server(None, answer=answer)) as client:
        with pytest.raises(RequestFailed, match=r"^the handler failed$"):
            client.request(b"please", timeout=PATIENCE)
        (record,) = (record for record in caplog.records if record.name == "mezha.blocking")
        assert record.getMessage() == f"{client.local_address}: a handler failed"
        assert vars(record)["peer"] == client.local_address
        assert record.exc_info
        assert "secret" in str(record.exc_info[1])


def test_whoever_answers_may_close(server: Callable[..., Server]) -> None:
    def answer(peer: Peer, _: bytes) -> bytes:
        peer.close(300, "not with you")
        return b"too late"

    with _connect(server(None, answer=answer)) as client, pytest.raises(ClosedByPeer, match="not with you"):
        client.request(b"please", timeout=PATIENCE)


def test_a_question_may_be_answered_by_a_question(server: Callable[..., Server]) -> None:
    """Whoever answers asks back over the same connection."""

    def answer(peer: Peer, body: bytes) -> bytes:
        return body if len(body) > 5 else peer.request(body + b"!", timeout=PATIENCE)

    with _connect(server(None, answer=answer), answer=answer) as client:
        assert client.request(b"why", timeout=PATIENCE) == b"why!!!"


def test_requests_that_wait_for_a_thread_can_be_given_up(server: Callable[..., Server]) -> None:
    go_on = threading.Event()
    begun: list[bytes] = []

    def answer(_: Peer, body: bytes) -> bytes:
        begun.append(body)
        go_on.wait(PATIENCE)
        return body

    threads = ThreadPoolExecutor(20)
    with threads, _connect(server(None, answer=answer, limits=Limits(requests=16))) as client:
        asking = [threads.submit(client.request, b"%d" % number, timeout=PATIENCE) for number in range(16)]
        until(lambda: len(begun) == 16)
        with pytest.raises(TimeoutError):
            client.request(b"too many", timeout=0.05)
        go_on.set()
        assert sorted(future.result(PATIENCE) for future in asking) == sorted(b"%d" % number for number in range(16))
        assert b"too many" not in begun


# -- nobody waits at it -----------------------------------------------------------------------------------------------


def test_the_keeper_answers_and_looks_after_those_nobody_waits_at() -> None:
    with blocking_pair(timeouts=Timeouts(heartbeat=1.0)) as (peer, other):
        assert peer.ping(timeout=PATIENCE) < 5
        other.send(b"Hello!")
        assert peer.recv(timeout=PATIENCE) == b"Hello!"
    one, silent = socket.socketpair()
    with silent, wrap(one, timeouts=Timeouts(handshake=0.1, close=0.1)) as peer:
        until(lambda: peer.state is State.FAILED)


def test_the_keeper_goes_when_nobody_is_left() -> None:
    with blocking_pair():
        assert any(thread.name == "mezha keeper" for thread in threading.enumerate())
    until(lambda: not any(thread.name == "mezha keeper" for thread in threading.enumerate()))


# -- a server that stops ----------------------------------------------------------------------------------------------


def test_a_server_that_stops_says_so(server: Callable[..., Server], pool: ThreadPoolExecutor) -> None:
    serving = server(_echo)
    with _connect(serving) as client:
        client.send(b"Hello!")
        assert client.recv(timeout=PATIENCE) == b"Hello!"
        stopping = pool.submit(serving.stop, 60)
        assert _ended(client) == (Code.GOING_AWAY, "the server stops")
        stopping.result(5)  # its notice period is longer, and nobody uses it
    assert client.ending is not None
    assert (client.ending.how, client.ending.code, client.ending.by_peer) == ("closed", Code.GOING_AWAY, True)


def test_a_server_that_stops_lets_its_handlers_finish(server: Callable[..., Server], pool: ThreadPoolExecutor) -> None:
    here, go_on = threading.Event(), threading.Event()

    def handler(peer: Peer) -> None:
        for message in peer:
            here.set()
            go_on.wait(PATIENCE)
            peer.send(message.upper())

    serving = server(handler)
    with _connect(serving) as client:
        client.send_many([b"one", b"two"])
        assert here.wait(PATIENCE)
        stopping = pool.submit(serving.stop, 60)
        until(lambda: serving._stopping)  # pyright: ignore[reportPrivateUsage]
        go_on.set()
        assert [client.recv(timeout=PATIENCE), client.recv(timeout=PATIENCE)] == [b"ONE", b"TWO"]
        assert _ended(client) == (Code.GOING_AWAY, "the server stops")
        stopping.result(5)


def test_a_server_that_stops_answers_what_it_was_asked(server: Callable[..., Server], pool: ThreadPoolExecutor) -> None:
    asked, go_on = SimpleQueue[Peer](), threading.Event()

    def answer(peer: Peer, body: bytes) -> bytes:
        asked.put(peer)
        go_on.wait(PATIENCE)
        return body.upper()

    serving = server(None, answer=answer)
    with _connect(serving) as client:
        asking: Future[bytes] = pool.submit(client.request, b"before", timeout=PATIENCE)
        driver = asked.get(timeout=PATIENCE)._talk()  # pyright: ignore[reportPrivateUsage]
        stopping = pool.submit(serving.stop, 60)
        until(lambda: driver.retiring)
        with pytest.raises(RequestFailed, match="the server stops") as refused:
            client.request(b"after", timeout=PATIENCE)
        assert refused.value.code == Code.GOING_AWAY
        go_on.set()
        assert asking.result(PATIENCE) == b"BEFORE"
        assert _ended(client) == (Code.GOING_AWAY, "the server stops")
        stopping.result(5)


def test_at_the_end_of_the_notice_period_all_are_told(server: Callable[..., Server], pool: ThreadPoolExecutor) -> None:
    here, go_on = threading.Event(), threading.Event()

    def handler(_: Peer) -> None:
        here.set()
        go_on.wait(PATIENCE)

    serving = server(handler)
    with _connect(serving) as client:
        assert here.wait(PATIENCE)
        stopping = pool.submit(serving.stop, 0.01)
        assert _ended(client) == (Code.GOING_AWAY, "the server stops")
        go_on.set()
        stopping.result(PATIENCE)


def test_a_server_for_requests_refuses_messages(server: Callable[..., Server]) -> None:
    with _connect(server(None, answer=_shout)) as client:
        assert client.request(b"Hello!", timeout=PATIENCE) == b"HELLO!"
        client.send(b"Hello!")
        assert _ended(client) == (Code.REFUSED, "messages are not taken here, only requests")


# -- the end ----------------------------------------------------------------------------------------------------------


def test_a_peer_that_says_no_goodbye_is_waited_for_no_longer_than_said() -> None:
    one, other = socket.socketpair()
    with other:
        peer = wrap(one, timeouts=Timeouts(close=0.05))
        began = time.monotonic()
        ending = peer.close()
        assert ending is not None
        assert ending.how == "unanswered"
        assert 0.04 < time.monotonic() - began < 2
        assert peer.close() == ending


def test_detach_would_leave_the_other_side_alone() -> None:
    with blocking_pair() as (peer, other):
        with pytest.raises(LocalProtocolError, match="cannot be detached"):
            peer.detach()
        peer.send(b"unharmed")
        assert other.recv(timeout=PATIENCE) == b"unharmed"


def test_a_close_wakes_whoever_waits(pool: ThreadPoolExecutor) -> None:
    with blocking_pair(limits=SMALL, answer=_shout) as (peer, other):
        calls: list[Callable[[], object]] = [peer.recv, peer.recv_many, lambda: peer.send_many([b"x" * 60_000] * 9)]
        waits = [pool.submit(call) for call in calls]
        until(lambda: _driver(peer)._sending.locked())  # pyright: ignore[reportPrivateUsage]
        _close(pool, peer, other)
        for wait in waits:
            with pytest.raises(ClosedByUs):
                wait.result(PATIENCE)


def test_an_abort_wakes_whoever_waits(pool: ThreadPoolExecutor) -> None:
    with blocking_pair() as (peer, other):
        waits = [pool.submit(peer.recv), pool.submit(peer.request, b"anybody?")]
        until(lambda: len(_driver(peer).calls._requests) == 1)  # pyright: ignore[reportPrivateUsage]
        peer.abort()
        for wait in waits:
            with pytest.raises(ClosedByUs):
                wait.result(PATIENCE)
        with pytest.raises(ConnectionLost):
            other.recv(timeout=PATIENCE)
        assert peer.ending is not None
        assert peer.ending.how == "lost"


def test_a_wait_that_is_interrupted_harms_nothing() -> None:
    """Ctrl-C comes while the main thread waits, for whatever it is."""
    main = threading.get_ident()
    with blocking_pair(answer=_shout) as (peer, other):
        waits: list[Callable[[], object]] = [peer.recv, lambda: peer.recv(timeout=PATIENCE), peer.recv_many]
        for wait in waits:
            interrupting = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
            interrupting.start()
            with pytest.raises(KeyboardInterrupt):
                wait()
            interrupting.join()
            other.send(b"for you")
            assert peer.recv(timeout=PATIENCE) == b"for you"
            assert peer.request(b"still there?", timeout=PATIENCE) == b"STILL THERE?"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking where there are threads
def test_a_fork_leaves_the_connection_to_the_parent() -> None:
    with blocking_pair(answer=_shout) as (peer, other):
        peer.send(b"before")
        child = os.fork()
        if not child:
            status = 1
            try:
                with blocking_pair(answer=_shout) as (one, two):  # sessions of its own work there
                    one.send(b"in the child")
                    if two.recv(timeout=PATIENCE) == b"in the child":
                        status = 0 if one.request(b"ok", timeout=PATIENCE) == b"OK" else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        peer.send(b"behind")
        assert [other.recv(timeout=PATIENCE), other.recv(timeout=PATIENCE)] == [b"before", b"behind"]
        assert peer.request(b"still there?", timeout=PATIENCE) == b"STILL THERE?"
