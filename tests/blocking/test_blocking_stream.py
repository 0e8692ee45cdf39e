"""Tests of mezha.blocking.stream: also as on a system that lacks what POSIX has."""

import ctypes
import random
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from waiting import PATIENCE, until

from mezha.blocking import stream as module
from mezha.blocking import wrap
from mezha.blocking.stream import PlainStream, Stream, TLSStream, open_stream, open_tls_stream
from mezha.framing import Lines
from mezha.testing.conformance import certificates

Sockets = tuple[socket.socket, socket.socket]
Streams = tuple[Stream, Stream]


class Poor(socket.socket):
    """A socket as on Windows."""

    @property
    def sendmsg(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise AttributeError("sendmsg")


@pytest.fixture(params=["posix", "windows", "tls"])
def streams(
    request: pytest.FixtureRequest, tcp: Sockets, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> Generator[Streams]:
    one, other = tcp
    if request.param == "tls":
        pair = _tls(one, other, pool)
    else:
        if request.param == "windows":
            monkeypatch.setattr(module, "_DONTWAIT", 0)
            monkeypatch.delattr(select, "poll")
            one, other = (Poor(fileno=sock.detach()) for sock in tcp)
            assert not hasattr(one, "sendmsg")
        pair = open_stream(one), open_stream(other)
    with pair[0].socket, pair[1].socket:
        yield pair


def _tls(one: socket.socket, other: socket.socket, pool: ThreadPoolExecutor) -> Streams:
    opening = pool.submit(open_tls_stream, other, certificates.server(), server_side=True, timeout=PATIENCE)
    client = open_tls_stream(one, certificates.client(), server_hostname="localhost", timeout=None)
    return client, opening.result(PATIENCE)


plain = pytest.mark.parametrize("streams", ["posix", "windows"], indirect=True)
under_tls = pytest.mark.parametrize("streams", ["tls"], indirect=True)


def _soon(seconds: float = PATIENCE) -> float:
    return time.monotonic() + seconds


def _received(stream: Stream, deadline: float | None = None, size: int = 65536) -> bytes | None:
    data = stream.receive(memoryview(bytearray(size)), deadline)
    return None if data is None else bytes(data)


def _fill(stream: Stream) -> int:
    """Send until the system takes no more; return how much that was."""
    total = 0
    while sent := stream.send([b"x" * 65536], _soon(0)):
        total += sent
    return total


# -- bytes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [None, 0, PATIENCE])
def test_send_and_receive(seconds: float | None, streams: Streams) -> None:
    one, other = streams
    deadline = None if seconds is None else _soon(seconds)
    assert one.send([b"Hello!"], deadline) == 6
    select.select([other.socket], [], [], PATIENCE)
    assert _received(other, deadline) == b"Hello!"


def test_receive_waits(streams: Streams, pool: ThreadPoolExecutor) -> None:
    one, other = streams
    for deadline in (None, _soon()):
        receiving = pool.submit(_received, other, deadline)
        one.send([b"Hello!"], None)
        assert receiving.result(PATIENCE) == b"Hello!"


@plain
@pytest.mark.parametrize("size", [1, 255, 256, 257, 2000, 10_000])
def test_receive_of_more_than_was_waited_for(size: int, streams: Streams, pool: ThreadPoolExecutor) -> None:
    """A thread that waits has little room; what else has arrived by then is not left lying."""
    one, other = streams
    message = random.Random(size).randbytes(size)
    for _ in range(3):
        receiving = pool.submit(other.receive, None, None)
        assert one.send([message], None) == size
        received = bytes(receiving.result(PATIENCE) or b"")
        while len(received) < size:
            received += bytes(other.receive(None, None) or b"")
        assert received == message


def test_what_was_received_stays_as_it_is(tcp: Sockets) -> None:
    """Whatever other connections receive and send meanwhile, and though some of it is lent and not copied."""
    one, other = tcp
    here, there = socket.socketpair()
    with here, there:
        streams = open_stream(other), open_stream(there)
        messages = [bytes([number]) * 10_000 for number in range(6)]
        for message in messages[:3]:
            one.sendall(message)
            here.sendall(message[::-1])
        select.select([other], [], [], PATIENCE)
        held = streams[0].receive(None, None)
        assert held is not None
        copy = bytes(held)
        received = bytearray()
        while len(received) < 30_000:
            received += streams[1].receive(None, None) or b""
        with wrap(here, Lines()) as peer:
            peer.send(b"Hello!")
            assert streams[1].receive(None, None) == b"Hello!\n"
        assert received == b"".join(messages[:3])
        assert bytes(held) == copy == b"".join(messages)[: len(copy)]


@pytest.mark.skipif(sys.platform != "linux", reason="a reset takes from other systems what has not been read")
@pytest.mark.parametrize("size", [1, 255, 256, 257, 2000])
def test_a_reset_behind_what_was_waited_for_is_told(size: int, tcp: Sockets, pool: ThreadPoolExecutor) -> None:
    """The system tells of it once, and perhaps when what came before has not been told yet."""
    one, other = tcp
    stream = open_stream(other)
    message = b"x" * size
    system = ctypes.PyDLL(None)  # which keeps the GIL: the thread that waits sees both at once
    receiving = pool.submit(stream.receive, None, None)
    until(lambda: receiving.running())
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    number = one.detach()
    assert system.send(number, message, size, 0) == size
    system.close(number)
    received = [receiving.result(PATIENCE)]
    with pytest.raises(ConnectionResetError):
        received.extend(iter(lambda: stream.receive(None, None), b""))
    assert b"".join(data or b"" for data in received) == message


@pytest.mark.parametrize("seconds", [0, -1, 0.01])
def test_receive_out_of_time(seconds: float, streams: Streams) -> None:
    assert _received(streams[0], _soon(seconds)) is None


@pytest.mark.parametrize("seconds", [0, -1, 0.01])
def test_send_out_of_time(seconds: float, streams: Streams) -> None:
    one, _ = streams
    assert _fill(one) > 0
    assert one.send([b"x" * 65536], _soon(seconds)) is None


@pytest.mark.parametrize("seconds", [None, PATIENCE])
def test_send_waits(seconds: float | None, streams: Streams, pool: ThreadPoolExecutor) -> None:
    one, other = streams
    rest = _fill(one)
    sending = pool.submit(one.send, [b"x" * 65536], None if seconds is None else _soon(seconds))
    while not sending.done():
        rest -= len(_received(other, _soon(0.01)) or b"")
    rest += sending.result() or 0
    while rest:
        rest -= len(_received(other, _soon()) or b"")


@plain
def test_many_buffers_at_once(streams: Streams) -> None:
    one, other = streams
    buffers = [b"%d " % n for n in range(3000)]
    sent = one.send(buffers, None)
    assert sent == (sum(map(len, buffers[:1024])) if hasattr(one.socket, "sendmsg") else 2)
    assert _received(other) == b"".join(buffers)[:sent]


def test_the_end(streams: Streams) -> None:
    one, other = streams
    one.send([b"last"], None)
    one.close()
    assert one.socket.fileno() == -1
    assert _received(other) == b"last"
    assert _received(other) == b""
    one.close()  # again


@pytest.mark.parametrize("sending", [False, True])
def test_abort(streams: Streams, pool: ThreadPoolExecutor, sending: bool) -> None:
    one, other = streams
    receiving = pool.submit(_ended, one)
    one.abort(sending=sending)
    assert receiving.result(PATIENCE)
    if sending:
        with pytest.raises(OSError, match=r"pipe|EOF"):
            one.send([b"x"], None)
    one.close()
    one.abort()  # nothing to do
    if sending or other.socket.family != socket.AF_INET:
        with suppress(ConnectionResetError):  # the end may be seen first, or not
            assert _ended(other)
    else:
        with pytest.raises((ConnectionResetError, ssl.SSLError)):
            _received(other, _soon())


def test_wake(streams: Streams, pool: ThreadPoolExecutor) -> None:
    one, other = streams
    receiving = pool.submit(_ended, one)
    one.wake()
    assert receiving.result(PATIENCE)
    with pytest.raises(OSError, match=r"pipe|EOF|length"):
        one.send([b"x"], None)
    one.close()
    assert _ended(other)


def _ended(stream: Stream) -> bool:
    """Receive, and say whether it was the end; TLS tells an end without its goodbye from one with it."""
    try:
        return _received(stream, _soon()) == b""
    except OSError:
        return isinstance(stream, TLSStream)


def test_close_reads_what_nobody_will(streams: Streams) -> None:
    """Or the connection would be reset, and what was sent before might not arrive."""
    one, other = streams
    other.send([b"x" * 50_000], None)
    select.select([one.socket], [], [], PATIENCE)
    one.send([b"last"], None)
    one.close()
    assert _received(other, _soon()) == b"last"
    assert _received(other, _soon()) == b""


def test_close_does_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[float] = []

    def always(sock: socket.socket, buffer: bytearray, size: int, flags: int) -> int:
        reads.append(time.monotonic())
        return 1

    one, other = socket.socketpair()
    with other:
        stream = PlainStream(one)
        monkeypatch.setattr(socket.socket, "recv_into", always)
        stream.close()
    assert reads[-1] - reads[0] < 1


class Closing(socket.socket):
    """A socket that another thread closes when this one is about to wait for it."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        try:
            return super().recv_into(buffer, nbytes, flags)
        except BlockingIOError:
            self.close()
            raise


def test_a_socket_that_is_closed_before_the_wait(tcp: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mezha.blocking.wire.compiled", False)  # what is compiled holds the GIL until it waits
    stream = PlainStream(Closing(fileno=tcp[0].detach()))
    with pytest.raises(OSError, match="Bad file descriptor"):
        _received(stream, _soon())


# -- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [None, 0.0, 2.5])
def test_the_mode_it_came_in(mode: float | None, tcp: Sockets) -> None:
    tcp[0].settimeout(mode)
    stream = open_stream(tcp[0])
    assert stream.had_timeout == mode
    assert stream.socket.gettimeout() is None
    assert isinstance(stream, PlainStream)


# -- TLS --------------------------------------------------------------------------------------------------------------


def test_an_abort_does_not_unveil_what_is_sent_later(tcp: Sockets, pool: ThreadPoolExecutor) -> None:
    """``SSLSocket.shutdown`` forgets the keys first, and shuts down then: a send in between would be in the clear."""

    stream, other = _tls(*tcp, pool)
    with other.socket, stream.socket:
        stream.abort()
        # Nothing has been forgotten, so that nothing can go out in the clear.
        assert isinstance(stream.socket, ssl.SSLSocket)
        assert stream.socket.version() is not None
        assert isinstance(stream, TLSStream)


def test_a_refused_handshake(tcp: Sockets, pool: ThreadPoolExecutor) -> None:
    serving = pool.submit(open_tls_stream, tcp[1], certificates.server(), server_side=True, timeout=PATIENCE)
    with pytest.raises(ssl.SSLCertVerificationError):
        open_tls_stream(tcp[0], certificates.stranger(), server_hostname="localhost", timeout=PATIENCE)
    with pytest.raises(OSError, match=r"SSL|EOF"):
        serving.result(PATIENCE)
    assert (tcp[0].fileno(), tcp[1].fileno()) == (-1, -1)


def test_a_handshake_out_of_time(tcp: Sockets) -> None:
    with pytest.raises(TimeoutError, match=r"^the TLS handshake took too long \(Timeouts\.connect\)$"):
        open_tls_stream(tcp[0], certificates.client(), server_hostname="localhost", timeout=0.01)
    assert tcp[1].recv(5)[:2] == b"\x16\x03"
    until(lambda: not tcp[1].recv(65536))


def test_a_handshake_that_cannot_begin(tcp: Sockets) -> None:
    with pytest.raises(ValueError, match="server_hostname"):
        open_tls_stream(tcp[0], certificates.client(), timeout=1)
    assert tcp[0].fileno() == -1


class Turning:
    """An SSLSocket in the middle of an exchange of new keys: to read it may have to write, and the other way round."""

    def __init__(self, sock: ssl.SSLSocket, *obstacles: ssl.SSLError) -> None:
        self._sock = sock
        self._obstacles = list(obstacles)

    def __getattr__(self, name: str) -> Any:
        if self._obstacles and name in ("recv_into", "send", "do_handshake"):
            raise self._obstacles.pop(0)
        return getattr(self._sock, name)


@pytest.mark.parametrize("obstacle", [ssl.SSLWantWriteError, ssl.SSLWantReadError])
@under_tls
def test_exchange_of_keys(obstacle: type[ssl.SSLError], streams: Streams) -> None:
    one, other = streams
    other.send([b"Hello!"], None)  # so that one can be read from, as well as written to
    select.select([one.socket], [], [], PATIENCE)
    sock: Any = one.socket
    for call, result in ((lambda: _received(one, _soon()), b"Hello!"), (lambda: one.send([b"World!"], _soon()), 6)):
        one.socket = Turning(sock, obstacle())  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
        if obstacle is ssl.SSLWantReadError and result == 6:
            other.send([b"more"], None)
        assert call() == result
    assert not one.committed
    one.socket = sock


@under_tls
def test_a_handshake_that_has_to_write(streams: Streams) -> None:
    one, _ = streams
    assert isinstance(one, TLSStream)
    sock: Any = one.socket
    one.socket = Turning(sock, ssl.SSLWantWriteError())  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    one.handshake(_soon())  # it has been done: nothing more to do
    one.socket = sock


def test_a_stream_is_abstract(tcp: Sockets) -> None:
    stream = Stream(tcp[0])
    with pytest.raises(NotImplementedError):
        stream.receive(None, None)
    with pytest.raises(NotImplementedError):
        stream.send([], None)
