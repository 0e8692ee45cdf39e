"""Tests of bursts: messages that gather on this side arrive all the same, whole, in order, and once."""

import errno
import gc
import inspect
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from waiting import PATIENCE, until

from mezha import ClosedByUs, ConnectionLost, Limits, LocalProtocolError, SendTimeout, Timeouts
from mezha.blocking import Peer, connect, listen, wire, wrap
from mezha.framing import LengthPrefixed, Lines

Sockets = tuple[socket.socket, socket.socket]

compiled = pytest.mark.skipif(not wire.compiled, reason="bursts are sent by what is compiled")
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def burst(peer: Peer, count: int, begin: int = 0) -> None:
    """Send numbers, as fast as can be."""
    for number in range(begin, begin + count):
        peer.send(b"%d" % number)


def numbers(count: int, begin: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(begin, begin + count)]


def received(peer: Peer, count: int) -> list[bytes]:
    return [peer.recv(timeout=PATIENCE) for _ in range(count)]


def pending(peer: Peer) -> int:
    return peer._wire.size  # pyright: ignore[reportPrivateUsage]


def gather(peer: Peer) -> int:
    """Send until some of it is pending; return how many messages that took."""
    count = 0
    while not pending(peer):
        burst(peer, 100, count)
        count += 100
    return count


def fill(peer: Peer, begin: int = 0) -> int:
    """Send until neither the system nor the wire has room; return the number after the last that is sent or will be."""
    try:
        while True:
            peer.send(b"%d" % begin, timeout=0)
            begin += 1
    except SendTimeout as error:
        return begin + error.sent


@pytest.fixture
def pair(tcp: Sockets) -> Generator[tuple[Peer, Peer]]:
    with wrap(tcp[0], Lines(), timeouts=Timeouts(close=1)) as peer, wrap(tcp[1], Lines()) as far:
        yield peer, far


@pytest.fixture
def tight(tcp: Sockets) -> Generator[tuple[Peer, socket.socket]]:
    """A peer, and a socket that makes little room."""
    tcp[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    with wrap(tcp[0], Lines(), timeouts=Timeouts(close=1)) as peer:
        yield peer, tcp[1]


# -- whole, in order, once --------------------------------------------------------------------------------------------


def test_the_tail_of_a_burst_arrives_by_itself(pair: tuple[Peer, Peer]) -> None:
    peer, far = pair
    for count in (1, 5, 6, 100, 3000):
        burst(peer, count)
        assert received(far, count) == numbers(count)


@compiled
def test_a_burst_gathers(pair: tuple[Peer, Peer]) -> None:
    peer, far = pair
    count = gather(peer)
    assert received(far, count) == numbers(count)
    until(lambda: not pending(peer))


def test_senders_of_all_kinds_never_interleave(tcp: Sockets, pool: ThreadPoolExecutor) -> None:
    limits = Limits(max_message=1 << 20)
    each = 20_000

    def message(sender: int, number: int) -> bytes:
        return b"%d,%d," % (sender, number) + b"x" * (number % 50)

    def one_by_one(sender: int) -> None:
        for number in range(each):
            peer.send(message(sender, number))

    def together(sender: int) -> None:
        for begin in range(0, each, 50):
            peer.send_many([message(sender, number) for number in range(begin, begin + 50)])

    def impatiently(sender: int) -> None:
        for number in range(each):
            sent = 0
            while not sent:
                try:
                    peer.send(message(sender, number), timeout=0.001 * (number % 2))
                    sent = 1
                except SendTimeout as error:
                    sent = error.sent

    def large(sender: int) -> None:
        for number in range(each // 100):
            peer.send(message(sender, number) + b"y" * (7000 + number * 50))

    kinds = [one_by_one, one_by_one, together, together, impatiently, large]
    with wrap(tcp[0], LengthPrefixed(), limits=limits) as peer, wrap(tcp[1], LengthPrefixed(), limits=limits) as far:
        sending = [pool.submit(kind, sender) for sender, kind in enumerate(kinds)]
        next_of = dict.fromkeys(range(len(kinds)), 0)
        for _ in range(5 * each + each // 100):
            got = far.recv(timeout=PATIENCE)
            sender, number, rest = got.split(b",", 2)
            assert int(number) == next_of[int(sender)]
            assert len(rest) == int(number) % 50 + (7000 + int(number) * 50 if kinds[int(sender)] is large else 0)
            next_of[int(sender)] += 1
        for each_of in sending:
            each_of.result(PATIENCE)


def test_two_sides_that_answer_bursts(pair: tuple[Peer, Peer], pool: ThreadPoolExecutor) -> None:
    peer, far = pair

    def answer() -> None:
        for message in far:
            far.send(message)

    answering = pool.submit(answer)
    for size in (1, 7, 200):
        for _ in range(50):
            burst(peer, size)
            assert received(peer, size) == numbers(size)
    peer.send_eof()
    answering.result(PATIENCE)


def test_a_mistake_in_a_burst(pair: tuple[Peer, Peer]) -> None:
    peer, far = pair
    for number in range(1000):
        peer.send(b"%d" % number)
        if not number % 100:
            with pytest.raises(LocalProtocolError):
                peer.send(b"two\nlines")
            with pytest.raises(TypeError):
                peer.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(LocalProtocolError) as refused:
        peer.send_many([b"1000", b"1001", b"two\nlines", b"never"])
    assert refused.value.sent == 2
    assert received(far, 1002) == numbers(1002)


# -- without batching -------------------------------------------------------------------------------------------------


def test_without_batching_nothing_gathers() -> None:
    with (
        listen("127.0.0.1", 0, framing=Lines(), batching=False) as listener,
        connect("127.0.0.1", listener.port, framing=Lines(), batching=False) as peer,
        listener.accept() as far,
    ):
        for side, other in ((peer, far), (far, peer)):
            for number in range(1000):
                side.send(b"%d" % number)
                assert not pending(side)
            side.send_many(numbers(1000, 1000))
            assert not pending(side)
            assert received(other, 2000) == numbers(2000)


def test_without_batching_what_is_begun_is_finished(tight: tuple[Peer, socket.socket]) -> None:
    peer, other = tight
    with wrap(peer.detach()[0], Lines(), batching=False) as peer, wrap(other, Lines()) as far:
        awaited: deque[bytes] = deque()
        for number in range(2000):
            message = b"x" * (number * 3) + b"."
            try:
                peer.send(message, timeout=0)
            except SendTimeout as error:
                if error.sent:
                    awaited.append(message)
                with suppress(TimeoutError):
                    while True:
                        assert far.recv(timeout=0) == awaited[0]
                        awaited.popleft()
            else:
                awaited.append(message)
        finishing = threading.Thread(target=peer.close)
        finishing.start()
        assert list(far) == list(awaited)
        finishing.join()


# -- no room ----------------------------------------------------------------------------------------------------------


def test_memory_is_bounded_and_a_slow_reader_slows_the_sender(
    tight: tuple[Peer, socket.socket], pool: ThreadPoolExecutor
) -> None:
    peer, other = tight
    count = 0
    for _ in range(3):
        count = fill(peer, count)
        assert pending(peer) + sum(map(len, peer._unsent)) <= 256 << 10  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(SendTimeout) as late:
        peer.send_many(numbers(100_000, count), timeout=0.001)
    count += late.value.sent
    with wrap(other, Lines()) as far:
        flushing = pool.submit(peer.flush, timeout=PATIENCE)
        assert received(far, count) == numbers(count)
        flushing.result(PATIENCE)
        sending = pool.submit(burst, peer, 1000)
        assert received(far, 1000) == numbers(1000)
        sending.result(PATIENCE)


@compiled
def test_what_is_pending_goes_out_when_there_is_room(tight: tuple[Peer, socket.socket]) -> None:
    peer, other = tight
    count = fill(peer)
    with wrap(other, Lines()) as far:
        assert received(far, count) == numbers(count)


# -- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [Peer.close, Peer.send_eof])
def test_a_burst_before_the_end_arrives(end: Callable[[Peer], None], pair: tuple[Peer, Peer]) -> None:
    peer, far = pair
    burst(peer, 1000)
    end(peer)
    assert list(far) == numbers(1000)
    with pytest.raises(ClosedByUs):
        peer.send(b"more")
    with pytest.raises(ClosedByUs):
        peer.send_many([b"more"])


def test_a_burst_before_detach_arrives(pair: tuple[Peer, Peer]) -> None:
    peer, far = pair
    burst(peer, 1000)
    sock, _ = peer.detach()
    with sock:
        sock.sendall(b"by hand\n")
        assert received(far, 1001) == [*numbers(1000), b"by hand"]


def test_abort_ends_a_burst(pair: tuple[Peer, Peer]) -> None:
    peer, _ = pair
    burst(peer, 1000)
    peer.abort()
    with pytest.raises(ClosedByUs):
        burst(peer, 1)


@pytest.mark.parametrize("end", [Peer.close, Peer.abort])
def test_the_end_while_others_are_in_a_burst(
    end: Callable[[Peer], None], pair: tuple[Peer, Peer], pool: ThreadPoolExecutor
) -> None:
    peer, far = pair
    sent = threading.Event()

    def send() -> None:
        while True:
            burst(peer, 100)
            sent.set()

    sending = [pool.submit(send) for _ in range(3)]
    reading = pool.submit(lambda: [far.recv() for _ in range(10**9)])
    assert sent.wait(PATIENCE)
    end(peer)
    for each in sending:
        with pytest.raises(ClosedByUs):
            each.result(PATIENCE)
    far.close()
    assert reading.exception(PATIENCE)


def test_an_error_in_the_background_surfaces(pair: tuple[Peer, Peer]) -> None:
    peer, _ = pair
    peer._stream.socket.shutdown(socket.SHUT_WR)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(ConnectionLost) as lost:
        burst(peer, 10**6)
    assert isinstance(lost.value.__cause__, OSError)
    assert lost.value.__cause__.errno == errno.EPIPE
    with pytest.raises(ConnectionLost):
        peer.send(b"x")


@compiled
def test_an_interrupted_burst_tears_nothing(pair: tuple[Peer, Peer], pool: ThreadPoolExecutor) -> None:
    peer, far = pair
    reading = pool.submit(lambda: list(far))
    sent = 0
    begun = threading.Event()
    main = threading.main_thread().ident
    assert main

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def interrupt_it() -> None:
        assert begun.wait(PATIENCE)
        signal.pthread_kill(main, signal.SIGUSR1)

    def send() -> None:
        nonlocal sent
        while True:
            peer.send(b"%d" % sent)
            sent += 1
            if sent == 5000:
                begun.set()

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        interrupting = pool.submit(interrupt_it)
        with pytest.raises(KeyboardInterrupt):
            send()
        interrupting.result(PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    peer.close()
    got = reading.result(PATIENCE)
    assert got in (numbers(sent), numbers(sent + 1))


# -- the ends that nobody announces -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("cycle", [False, True])
def test_a_burst_of_a_peer_that_is_dropped(cycle: bool, tcp: Sockets) -> None:
    peer = wrap(socket.socket(fileno=tcp[0].detach()), Lines())
    if cycle:
        peer.itself = peer  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    burst(peer, 1000)
    del peer
    gc.collect()
    with wrap(tcp[1], Lines()) as far:
        assert list(far) == numbers(1000)


PROGRAM = """
import socket, sys
from mezha.blocking import wrap
from mezha.framing import Lines
peer = wrap(socket.socket(fileno=int(sys.argv[1])), Lines())
for number in range(1000):
    peer.send(b"%d" % number)
"""


def test_a_program_that_ends_in_a_burst(tcp: Sockets) -> None:
    one, other = tcp
    command = [sys.executable, "-c", PROGRAM, str(one.fileno())]
    subprocess.run(command, check=True, timeout=PATIENCE, pass_fds=[one.fileno()])
    one.close()
    with wrap(other, Lines()) as far:
        assert list(far) == numbers(1000)


@forking
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking where there are threads
def test_a_fork_in_a_burst_sends_nothing_twice(pair: tuple[Peer, Peer]) -> None:
    peer, far = pair
    sent = 0
    for _ in range(20):
        burst(peer, 500, sent)
        sent += 500
        child = os.fork()
        if not child:
            status = 1
            try:
                status = 0 if not pending(peer) else 2
                peer._wire.close()  # pyright: ignore[reportPrivateUsage]
            finally:
                os._exit(status)
        burst(peer, 500, sent)
        sent += 500
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert received(far, sent) == numbers(sent)


def test_the_quick_ends_say_what_the_plain_ones_do() -> None:
    for name in ("send", "recv"):
        assert inspect.getdoc(getattr(Peer, name)) == inspect.getdoc(getattr(wire.PlainEnds, name))
