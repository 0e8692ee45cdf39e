"""Tests of mezha.blocking.peer, but for what the conformance suite tests on every flavour."""

import select
import signal
import socket
import sys
import threading
import time
import types
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from scripted import Scripted, Step
from waiting import PATIENCE, until

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    Limits,
    LocalProtocolError,
    MessageTooSlow,
    SendTimeout,
    Timeouts,
    TruncatedMessage,
)
from mezha.blocking import Peer, wrap
from mezha.engine import Framed, State
from mezha.framing import Framing, LengthPrefixed, Lines, Skipping
from mezha.testing.conformance import certificates

Sockets = tuple[socket.socket, socket.socket]
Pair = tuple[Peer, Peer]

#: More than the system takes from a sender nobody listens to.
MUCH = Limits(max_message=32 << 20)
LARGE = bytes(range(256)) * (32 << 12)
RESET = b"\1\0\0\0\0\0\0\0"


@pytest.fixture(params=["plain", "tls"])
def pair(request: pytest.FixtureRequest, tcp: Sockets, pool: ThreadPoolExecutor) -> Generator[Pair]:
    """Two peers, connected."""
    one, other = tcp
    if request.param == "tls":
        wrapping = pool.submit(certificates.server().wrap_socket, other, server_side=True)
        one = certificates.client().wrap_socket(one, server_hostname="localhost")
        other = wrapping.result(PATIENCE)
    times = Timeouts(close=1)
    with (
        wrap(one, LengthPrefixed(), limits=MUCH, timeouts=times) as peer,
        wrap(other, LengthPrefixed(), limits=MUCH, timeouts=times) as far,
    ):
        yield peer, far


@contextmanager
def _scripted(
    framing: Framing | None = None, *, sending: list[Step] | None = None, receiving: list[Step] | None = None
) -> Generator[tuple[Peer, Scripted]]:
    one, other = socket.socketpair()
    with other:
        stream = Scripted(one, sending=sending or [], receiving=receiving or [])
        with Peer(stream, Framed(framing or Lines()), close_timeout=1) as peer:
            yield peer, stream


def _frame_of(thread: int | None) -> str:
    """Return the name of the function that a thread is in."""
    assert thread is not None
    return sys._current_frames()[thread].f_code.co_name  # pyright: ignore[reportPrivateUsage]


# -- what it is -------------------------------------------------------------------------------------------------------


def test_addresses_and_repr_stay(tcp: Sockets) -> None:
    here, there = (f"{host}:{port}" for host, port in (tcp[0].getsockname(), tcp[0].getpeername()))
    with wrap(tcp[0], Lines()) as peer:
        assert repr(peer) == f"<mezha.blocking.Peer {here} -> {there}, open>"
        assert (peer.local_address, peer.remote_address) == (here, there)
    assert repr(peer) == f"<mezha.blocking.Peer {here} -> {there}, closed>"
    assert (peer.local_address, peer.remote_address) == (here, there)


def test_what_was_forgiven_is_counted(tcp: Sockets) -> None:
    one, other = tcp
    with wrap(one, Lines()) as peer, wrap(other, Skipping(Lines()), limits=Limits(max_message=3)) as far:
        peer.send_many([b"three", b"one", b"seven", b"two"])
        assert (far.recv(), far.recv()) == (b"one", b"two")
        assert (far.forgiven, peer.forgiven) == (2, 0)


def test_states_of_an_orderly_life(tcp: Sockets) -> None:
    states: list[State] = []
    with wrap(tcp[0], Lines()) as peer, wrap(tcp[1], Lines()) as far:
        states += (peer.state, far.state)
        peer.send_eof()
        states += (peer.state, far.state)
        assert list(far) == []
        states += (peer.state, far.state)
        far.send(b"last words")
        far.send_eof()
        states += (peer.state, far.state)
        assert list(peer) == [b"last words"]
        states += (peer.state, far.state)
    assert states == [
        *(State.OPEN, State.OPEN),
        *(State.WE_ENDED, State.OPEN),
        *(State.WE_ENDED, State.PEER_ENDED),
        *(State.WE_ENDED, State.CLOSED),
        *(State.CLOSED, State.CLOSED),
    ]


def test_states_of_a_life_cut_short(tcp: Sockets) -> None:
    with wrap(tcp[0], Lines()) as peer:
        tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        tcp[1].close()
        with pytest.raises(ConnectionLost):
            peer.recv()
        assert peer.state.value == "failed"
    assert peer.state.value == "closed"


def test_tls(pair: Pair, request: pytest.FixtureRequest) -> None:
    under_tls = "tls" in request.node.name.split("[")[1]
    assert (pair[0].tls is not None) is (pair[1].tls is not None) is under_tls
    if pair[0].tls:
        assert ("DNS", "localhost") in pair[0].tls.getpeercert()["subjectAltName"]  # type: ignore[index]


def test_fileno_is_for_select(pair: Pair) -> None:
    peer, far = pair
    with pytest.raises(TimeoutError):
        peer.recv(timeout=0)  # of TLS, something may be there that is no message
    assert select.select([peer], [], [], 0)[0] == []
    far.send(b"Hello!")
    assert select.select([peer], [], [], PATIENCE)[0] == [peer]
    assert peer.recv(timeout=0) == b"Hello!"
    with pytest.raises(TimeoutError):
        peer.recv(timeout=0)
    assert select.select([peer], [], [], 0)[0] == []
    peer.close()
    assert peer.fileno() == -1


def test_the_end_of_a_with_block_closes(tcp: Sockets) -> None:
    with wrap(tcp[0], Lines()) as peer:
        peer.send(b"Hello!")
    peer.close()  # again
    with wrap(tcp[1], Lines()) as far:
        assert list(far) == [b"Hello!"]
    for call in (peer.recv, peer.recv_many, peer.send_eof, peer.detach, lambda: peer.send(b"")):
        with pytest.raises(ClosedByUs, match="this connection was closed on this side"):
            call()


# -- receiving --------------------------------------------------------------------------------------------------------


def test_recv_many(tcp: Sockets) -> None:
    with wrap(tcp[0], Lines()) as peer:
        tcp[1].sendall(b"1\n2\n3\n4\n5\n6\n7")
        until(lambda: len(tcp[0].recv(100, socket.MSG_PEEK)) == 13)
        assert peer.recv_many(1) == [b"1"]
        assert peer.recv_many(2) == [b"2", b"3"]
        assert peer.recv() == b"4"
        assert peer.recv_many() == [b"5", b"6"]
        with pytest.raises(TimeoutError):
            peer.recv_many(timeout=0)
        tcp[1].sendall(b"\n")
        assert peer.recv_many(100, timeout=PATIENCE) == [b"7"]


@pytest.mark.parametrize("count", [0, -1])
def test_recv_many_of_none(count: int, tcp: Sockets) -> None:
    with wrap(tcp[0], Lines()) as peer, pytest.raises(ValueError, match=f"max_count must be 1 or more, not {count}"):
        peer.recv_many(count)


@pytest.mark.parametrize("timeout", [0, -1, 0.01])
def test_recv_out_of_time(timeout: float, pair: Pair) -> None:
    peer, far = pair
    with pytest.raises(TimeoutError, match=rf"^no whole message within {timeout:g} s; nothing is lost$"):
        peer.recv(timeout=timeout)
    far.send(b"Hello!")
    select.select([peer], [], [], PATIENCE)
    assert peer.recv(timeout=timeout) == b"Hello!"


def test_recv_out_of_time_while_another_thread_receives(pair: Pair, pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    receiving = pool.submit(peer.recv)
    until(lambda: peer._receiving.locked())  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(TimeoutError, match=r"^no message within 0\.01 s: other threads were receiving all the time$"):
        peer.recv(timeout=0.01)
    far.send(b"Hello!")
    assert receiving.result(PATIENCE) == b"Hello!"


def test_a_message_that_is_too_slow(tcp: Sockets) -> None:
    with wrap(tcp[0], Lines(), timeouts=Timeouts(message=0.02)) as peer:
        tcp[1].sendall(b"unfini")
        with pytest.raises(MessageTooSlow):
            peer.recv()
        with pytest.raises(MessageTooSlow):
            peer.recv(timeout=PATIENCE)


def test_recv_looks_at_the_earlier_of_two_deadlines(tcp: Sockets) -> None:
    with wrap(tcp[0], Lines(), timeouts=Timeouts(message=0.1)) as peer:
        tcp[1].sendall(b"unfini")
        with pytest.raises(TimeoutError):
            peer.recv(timeout=0.01)
        with pytest.raises(MessageTooSlow):
            peer.recv(timeout=PATIENCE)


# -- sending, out of time ---------------------------------------------------------------------------------------------


def test_send_out_of_time_with_nothing_begun() -> None:
    with _scripted(sending=[None]) as (peer, stream):
        with pytest.raises(SendTimeout, match="the peer reads too slowly: 0 of the messages were sent") as caught:
            peer.send(b"one", timeout=1)
        assert (caught.value.sent, caught.value.queued) == (0, 0)
        peer.send(b"two")
    assert stream.written == b"two\n"


def test_send_out_of_time_with_the_message_begun() -> None:
    with _scripted(sending=[1, None, None, 1, None]) as (peer, stream):
        with pytest.raises(SendTimeout) as caught:
            peer.send(b"one", timeout=1)
        assert (caught.value.sent, caught.value.queued) == (1, 3)
        with pytest.raises(SendTimeout) as caught:  # not begun: it comes after the first
            peer.send(b"two", timeout=1)
        assert (caught.value.sent, caught.value.queued) == (0, 3)
        with pytest.raises(SendTimeout) as caught:
            peer.flush(timeout=1)
        assert (caught.value.sent, caught.value.queued) == (0, 2)
        peer.flush()
        assert stream.written == b"one\n"
        peer.flush()  # nothing to do
        peer.send(b"three")
    assert stream.written == b"one\nthree\n"


@pytest.mark.parametrize(
    ("taken", "sent", "wire"),
    [
        (0, 0, b""),
        (1, 1, b"one\n"),
        (4, 1, b"one\n"),
        (5, 2, b"one\ntwo\n"),
        (8, 2, b"one\ntwo\n"),
        (13, 3, b"one\ntwo\nthree\n"),
    ],
)
def test_send_many_out_of_time(taken: int, sent: int, wire: bytes) -> None:
    script: list[Step] = [taken, None] if taken else [None]
    with _scripted(sending=script) as (peer, stream):
        with pytest.raises(SendTimeout) as caught:
            peer.send_many([b"one", b"two", b"three"], timeout=1)
        assert (caught.value.sent, caught.value.queued) == (sent, len(wire) - taken)
        peer.send(b"four")
    assert stream.written == wire + b"four\n"


def test_send_many_out_of_time_after_many_were_sent() -> None:
    """They go out in runs, and the number counts them all."""
    messages = [bytes([n]) * 100_000 for n in range(65, 75)]
    with _scripted(sending=[300_003, 300_003, 50_000, None]) as (peer, stream):
        with pytest.raises(SendTimeout) as caught:
            peer.send_many(messages, timeout=1)
        assert (caught.value.sent, caught.value.queued) == (7, 50_001)
        peer.send_many(messages[7:])
    assert stream.written == b"".join(message + b"\n" for message in messages)


def test_send_out_of_time_while_another_thread_sends(tcp: Sockets, pool: ThreadPoolExecutor) -> None:
    with wrap(tcp[0], LengthPrefixed(), limits=MUCH) as peer, wrap(tcp[1], LengthPrefixed(), limits=MUCH) as far:
        sending = pool.submit(peer.send, LARGE)
        until(lambda: not select.select([], [tcp[0]], [], 0)[1])
        with pytest.raises(SendTimeout, match="nothing was sent: other threads were sending all the time") as caught:
            peer.send(b"two", timeout=0.01)
        assert (caught.value.sent, caught.value.queued) == (0, 0)
        assert far.recv() == LARGE
        sending.result(PATIENCE)


def test_send_out_of_time_for_real(pair: Pair, pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    with pytest.raises(SendTimeout) as caught:
        peer.send(LARGE, timeout=0.05)
    assert caught.value.sent == 1
    assert 0 < caught.value.queued < len(LARGE)
    with pytest.raises(SendTimeout) as caught:
        peer.flush(timeout=0)
    receiving = pool.submit(lambda: [far.recv(), far.recv()])
    peer.flush(timeout=PATIENCE)
    peer.send(b"two")
    assert receiving.result(PATIENCE) == [LARGE, b"two"]


def test_send_eof_out_of_time() -> None:
    with _scripted(sending=[1, None, None]) as (peer, stream):
        with pytest.raises(SendTimeout):
            peer.send(b"one", timeout=1)
        with pytest.raises(SendTimeout):
            peer.send_eof(timeout=1)
        peer.send(b"two")  # the stream was not ended
        peer.send_eof()
        with pytest.raises(ClosedByUs, match="this side has ended its stream"):
            peer.send(b"three")
    assert stream.written == b"one\ntwo\n"


# -- sending, otherwise -----------------------------------------------------------------------------------------------


def test_send_many_of_large_messages(pair: Pair, pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    messages = [n.to_bytes(2, "big") * 4500 for n in range(5000)]
    sending = pool.submit(peer.send_many, messages)
    for message in messages:
        assert far.recv() == message
    sending.result(PATIENCE)


def test_send_many_of_tiny_messages(pair: Pair, pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    sending = pool.submit(peer.send_many, (b"%d" % n for n in range(100_000)))
    received: list[bytes] = []
    while len(received) < 100_000:
        received += far.recv_many()
    assert received == [b"%d" % n for n in range(100_000)]
    sending.result(PATIENCE)


def test_send_many_takes_no_more_than_it_sends(tcp: Sockets) -> None:
    tcp[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100

    with wrap(tcp[0], Lines(), timeouts=Timeouts(close=0)) as peer:
        with pytest.raises(SendTimeout) as caught:
            peer.send_many(endless(), timeout=0.02)
        assert caught.value.sent <= taken
        assert (taken - caught.value.sent) * 101 <= (256 << 10) + 101


def test_send_many_of_what_cannot_be_sent() -> None:
    with _scripted() as (peer, stream):
        with pytest.raises(LocalProtocolError) as caught:
            peer.send_many([b"one", b"two", b"no\nline", b"three"])
        assert caught.value.sent == 2
        with pytest.raises(ZeroDivisionError):
            peer.send_many(b"%d" % (12 // n) for n in (4, 3, 0, 2))
        peer.send_many([])
        with pytest.raises(TypeError, match="encode it first"):
            peer.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert stream.written == b"one\ntwo\n3\n4\n"


def test_send_of_other_bytes() -> None:
    with _scripted(sending=[3]) as (peer, stream):
        peer.send(memoryview(b"Hello!"))
        peer.send(bytearray(b"World!"))
    assert stream.written == b"Hello!\nWorld!\n"


def test_send_on_a_connection_that_is_lost() -> None:
    reset = ConnectionResetError(104, "Connection reset by peer")
    with _scripted(sending=[3, reset]) as (peer, stream):
        with pytest.raises(ConnectionLost, match=r"the connection was lost: .*reset by peer") as caught:
            peer.send(b"Hello!")
        assert caught.value.__cause__ is reset
        assert peer.state is State.FAILED
        with pytest.raises(ConnectionLost):
            peer.send(b"World!")
        peer.flush()  # there is nothing left that could go out
    assert stream.written == b"Hel"


def test_send_eof_under_tls(pair: Pair) -> None:
    peer, far = pair
    if peer.tls:
        with pytest.raises(LocalProtocolError, match="a TLS connection cannot be ended in one direction here"):
            peer.send_eof()
        peer.send(b"Hello!")
        assert far.recv(timeout=PATIENCE) == b"Hello!"


def test_send_eof_on_a_connection_that_is_gone(tcp: Sockets) -> None:
    with wrap(tcp[0], Lines()) as peer:
        tcp[0].shutdown(socket.SHUT_RDWR)
        tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        tcp[1].close()
        until(lambda: _gone(tcp[0]))
        with pytest.raises(ConnectionLost):
            peer.send_eof()


def _gone(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return True
    return False


# -- KeyboardInterrupt ------------------------------------------------------------------------------------------------


def test_an_interrupted_send_tears_nothing() -> None:
    with _scripted(sending=[3, KeyboardInterrupt()]) as (peer, stream):
        with pytest.raises(KeyboardInterrupt):
            peer.send_many([b"one", b"two"])
        peer.send(b"three")
    assert stream.written == b"one\ntwo\nthree\n"


def test_what_an_interrupted_send_would_have_sent_cannot_change_any_more() -> None:
    message = bytearray(b"one")
    with _scripted(LengthPrefixed(), sending=[KeyboardInterrupt()]) as (peer, stream):
        with pytest.raises(KeyboardInterrupt):
            peer.send(message)
        message[:] = b"two"
        peer.flush()
    assert stream.written == b"\0\0\0\3one"


def test_nothing_follows_what_may_be_on_the_wire() -> None:
    with _scripted(sending=[3, MemoryError()]) as (peer, stream):
        with pytest.raises(MemoryError):
            peer.send_many([b"one", b"two"])
        with pytest.raises(ConnectionLost):
            peer.send(b"three")
    assert stream.written == b"one"


def test_no_memory_for_what_arrives() -> None:
    with _scripted(receiving=[4, MemoryError()]) as (peer, stream):
        stream.incoming = b"one\ntwo\n"
        assert peer.recv() == b"one"
        with pytest.raises(ConnectionLost) as lost:
            peer.recv()
        assert isinstance(lost.value.__cause__, MemoryError)
        with pytest.raises(ConnectionLost):
            peer.send(b"three")


def test_an_interrupted_recv_loses_nothing() -> None:
    with _scripted(receiving=[5, KeyboardInterrupt(), 3]) as (peer, stream):
        stream.incoming = b"one\ntwo\n"
        assert peer.recv() == b"one"
        with pytest.raises(KeyboardInterrupt):
            peer.recv()
        assert peer.recv() == b"two"


@pytest.fixture
def interrupt() -> Generator[Callable[[], None]]:
    """Raise KeyboardInterrupt in the main thread, as Ctrl-C does."""

    raised = threading.Event()
    main = threading.main_thread().ident or 0

    def raise_it(*_: object) -> None:
        if not raised.is_set():
            raised.set()
            raise KeyboardInterrupt

    def interrupt_it() -> None:
        while not raised.wait(0.01):  # Python may have looked for signals already, and wait now: the next one wakes it
            signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, raise_it)
    yield interrupt_it
    signal.signal(signal.SIGUSR1, before)


def test_a_send_interrupted_for_real(pair: Pair, interrupt: Callable[[], None], pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    main = threading.main_thread().ident

    def interrupt_it() -> None:
        until(lambda: _frame_of(main) == "wait")  # the system's buffers are full
        interrupt()

    interrupting = pool.submit(interrupt_it)
    with pytest.raises(KeyboardInterrupt):
        peer.send(LARGE)
    interrupting.result(PATIENCE)
    receiving = pool.submit(lambda: [far.recv(), far.recv()])
    peer.send(b"two")
    assert receiving.result(PATIENCE) == [LARGE, b"two"]


def test_a_recv_interrupted_for_real(tcp: Sockets, interrupt: Callable[[], None], pool: ThreadPoolExecutor) -> None:
    main = threading.main_thread().ident

    def interrupt_it() -> None:
        until(lambda: _frame_of(main) in ("_receive", "receive") and not select.select([tcp[0]], [], [], 0)[0])
        interrupt()

    with wrap(tcp[0], Lines()) as peer:
        tcp[1].sendall(b"Hel")
        interrupting = pool.submit(interrupt_it)
        with pytest.raises(KeyboardInterrupt):
            peer.recv()
        interrupting.result(PATIENCE)
        tcp[1].sendall(b"lo!\n")
        assert peer.recv(timeout=PATIENCE) == b"Hello!"


# -- detach -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [None, 0.0, 5.0])
def test_detach(mode: float | None, tcp: Sockets) -> None:
    one, other = tcp
    one.settimeout(mode)
    peer = wrap(one, Lines())
    other.sendall(b"one\ntwo\nthree\nfo")
    until(lambda: len(one.recv(100, socket.MSG_PEEK)) == 16)
    assert peer.recv() == b"one"
    sock, unread = peer.detach()
    assert (sock, unread) == (one, b"two\nthree\nfo")
    assert sock.gettimeout() == mode
    sock.settimeout(PATIENCE)
    other.sendall(b"ur\n")
    assert sock.recv(100) == b"ur\n"

    # The peer is closed, and the socket none of its business any more.
    assert peer.state is State.CLOSED
    assert peer.fileno() == -1
    for call in (peer.recv, peer.send_eof, peer.detach, lambda: peer.send(b"")):
        with pytest.raises(ClosedByUs):
            call()
    peer.close()
    peer.abort()
    sock.sendall(b"still here")
    assert other.recv(100) == b"still here"


def test_detach_under_tls(pool: ThreadPoolExecutor, tcp: Sockets) -> None:
    wrapping = pool.submit(certificates.server().wrap_socket, tcp[1], server_side=True)
    with (
        certificates.client().wrap_socket(tcp[0], server_hostname="localhost") as one,
        wrapping.result(PATIENCE) as other,
    ):
        peer = wrap(one, Lines())
        other.sendall(b"one\ntwo\nthr")
        assert peer.recv(timeout=PATIENCE) == b"one"
        sock, unread = peer.detach()
        assert sock is one
        assert sock.gettimeout() is None
        assert unread == b"two\nthr"
        other.sendall(b"ee\n")
        assert sock.recv(100) == b"ee\n"
        sock.sendall(b"still here")
        assert other.recv(100) == b"still here"


def test_detach_sends_what_was_left(pair: Pair, pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    with pytest.raises(SendTimeout):
        peer.send(LARGE, timeout=0.01)
    receiving = pool.submit(lambda: [far.recv(), far.recv()])
    sock, unread = peer.detach()
    with sock:
        assert unread == b""
        sock.sendall(b"\0\0\0\3two")
        assert receiving.result(PATIENCE) == [LARGE, b"two"]


def test_detach_that_cannot_send_what_was_left() -> None:
    with _scripted(sending=[1, None, ConnectionResetError()]) as (peer, _):
        with pytest.raises(SendTimeout):
            peer.send(b"one", timeout=1)
        with pytest.raises(ConnectionLost):
            peer.detach()


# -- the end ----------------------------------------------------------------------------------------------------------


def test_abort_wakes_everybody(pair: Pair, pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    receiving = pool.submit(peer.recv)
    sending = pool.submit(peer.send, LARGE)
    until(lambda: not select.select([], [peer], [], 0)[1])
    peer.abort()
    for each in (receiving, sending):
        with pytest.raises(ClosedByUs):
            each.result(PATIENCE)
    assert peer.state is State.CLOSED
    peer.abort()
    with pytest.raises((TruncatedMessage, ConnectionLost)):
        far.recv(timeout=PATIENCE)


def test_abort_of_a_connection_that_is_gone(tcp: Sockets) -> None:
    with wrap(tcp[0], Lines()) as peer:
        tcp[0].shutdown(socket.SHUT_RDWR)
        tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        tcp[1].close()
        until(lambda: _gone(tcp[0]))
        peer.abort()


def test_close_sends_what_was_left(pair: Pair, pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    with pytest.raises(SendTimeout):
        peer.send(LARGE, timeout=0.01)
    receiving = pool.submit(far.recv)
    peer.close()
    assert receiving.result(PATIENCE) == LARGE


def test_close_gives_up_what_cannot_be_sent(tcp: Sockets) -> None:
    times = Timeouts(close=0.01)
    with wrap(tcp[0], LengthPrefixed(), limits=MUCH, timeouts=times) as peer, pytest.raises(SendTimeout):
        peer.send(LARGE, timeout=0)
    assert peer.fileno() == -1


def test_close_while_another_thread_sends(pair: Pair, pool: ThreadPoolExecutor) -> None:
    """It waits for the sender, but not for ever."""
    peer, _ = pair
    peer._close_timeout = 0.02  # pyright: ignore[reportPrivateUsage]
    sending = pool.submit(peer.send, LARGE)
    until(lambda: not select.select([], [peer], [], 0)[1])
    peer.close()
    with pytest.raises(ClosedByUs):
        sending.result(PATIENCE)


def test_close_while_another_thread_receives(pair: Pair, pool: ThreadPoolExecutor) -> None:
    peer, _ = pair
    receiving = pool.submit(peer.recv)
    until(lambda: peer._receiving.locked())  # pyright: ignore[reportPrivateUsage]
    peer.close()
    with pytest.raises(ClosedByUs):
        receiving.result(PATIENCE)
    assert peer.fileno() == -1


def test_close_does_not_wait_long_for_another_thread(pool: ThreadPoolExecutor) -> None:
    begun, enough = threading.Event(), threading.Event()

    class Slow(Scripted):
        def receive(self, space: memoryview | None, deadline: float | None) -> bytes:
            begun.set()
            assert enough.wait(PATIENCE)
            return b""

    one, other = socket.socketpair()
    with other:
        peer = Peer(Slow(one), Framed(Lines()), close_timeout=0)
        receiving = pool.submit(peer.recv)
        assert begun.wait(PATIENCE)
        peer.close()
        assert peer.fileno() == -1
        enough.set()
        with pytest.raises(ClosedByUs):
            receiving.result(PATIENCE)


def test_a_reset_before_the_beginning(tcp: Sockets) -> None:
    tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    tcp[1].close()
    with wrap(tcp[0], Lines()) as peer:
        assert peer.remote_address == "unnamed"
        with pytest.raises(ConnectionLost):
            peer.recv()


def test_close_with_messages_unread_takes_back_nothing(pair: Pair, pool: ThreadPoolExecutor) -> None:
    """What was sent before arrives, though the peer was saying something, too."""
    peer, far = pair
    far.send_many([b"x" * 1000] * 20)
    select.select([peer], [], [], PATIENCE)
    message: Any = LARGE[: 1 << 20]
    sending = pool.submit(peer.send, message)
    until(lambda: sending.done() or not select.select([], [peer], [], 0)[1])
    closing = pool.submit(peer.close)
    assert far.recv(timeout=PATIENCE) == message
    closing.result(PATIENCE)
    sending.result(PATIENCE)
    with pytest.raises(ClosedByPeer):
        far.recv(timeout=PATIENCE)


def test_a_pause_of_the_user_is_no_fault_of_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of an unfinished message runs only while somebody receives: the peer may be stuck because we do not."""
    away = 0.0
    clock = types.SimpleNamespace(monotonic=lambda: time.monotonic() + away)
    monkeypatch.setattr("mezha.blocking.peer.time", clock)
    ours, theirs = socket.socketpair()
    with theirs, wrap(ours, LengthPrefixed(), timeouts=Timeouts(message=100)) as peer:
        theirs.sendall(b"\0\0\0\6Hel")
        for _ in range(3):
            with pytest.raises(TimeoutError):
                peer.recv(timeout=-away)  # out of time already, by the clock of the system
            away += 1000
        theirs.sendall(b"lo!")
        assert peer.recv(timeout=PATIENCE) == b"Hello!"
