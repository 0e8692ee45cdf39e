"""Tests of mezha.trio.driver, writer, reader and stream, but for what the conformance suite tests on every flavour."""

import gc
import socket
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from trio_pairs import PAIRS, Calls, Rude, memory_pair, rude_pair, socket_pair, tcp, tls_pair

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, MessageTooSlow, Timeouts
from mezha.engine import State
from mezha.framing import Data, Lines
from mezha.observe import Observer
from mezha.trio import Peer, wrap
from mezha.trio.stream import SocketStream, system_error

#: More than the system takes from a sender nobody listens to.
LARGE = bytes(200) * (1 << 16)
MUCH = Limits(max_message=len(LARGE))

every_pair = pytest.mark.parametrize("pair", PAIRS)


class Stub(trio.abc.Stream):
    """A stream that notes what is asked of it, and fails where it is told to."""

    def __init__(self, **failures: BaseException | Callable[[], Any]) -> None:
        self._failures = failures
        self.sent: list[bytes] = []
        self.closed = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await self._fail("receive_some")
        await trio.sleep_forever()
        raise AssertionError

    async def send_all(self, data: Data) -> None:
        self.sent.append(bytes(data))
        await trio.lowlevel.checkpoint()
        await self._fail("send_all")

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self.closed += 1
        await self._fail("aclose")

    async def _fail(self, name: str) -> None:
        match self._failures.get(name):
            case None:
                pass
            case BaseException() as error:
                raise error
            case call:
                await call()


# -- sending ----------------------------------------------------------------------------------------------------------


async def test_sends_of_one_tick_are_written_together() -> None:
    """But for the first, which does not wait on an idle socket."""
    one, other = socket.socketpair()
    other.setblocking(False)
    with other:
        async with wrap(one, Lines()) as peer:
            for message in (b"1", b"2", b"3"):
                await peer.send(message)
            assert other.recv(100) == b"1\n"
            with pytest.raises(BlockingIOError):
                other.recv(100)
            await trio.testing.wait_all_tasks_blocked()
            assert other.recv(100) == b"2\n3\n"
            await peer.send(b"4")  # and now it is idle again
            assert other.recv(100) == b"4\n"
            await peer.send(b"5")  # but now it is not
            with pytest.raises(BlockingIOError):
                other.recv(100)
            await trio.testing.wait_all_tasks_blocked()
            assert other.recv(100) == b"5\n"


async def test_what_is_asked_for_after_an_answer_goes_out_at_once() -> None:
    one, other = socket.socketpair()
    other.setblocking(False)
    with other:
        async with wrap(one, Lines()) as peer:
            for number in range(5):
                await peer.send(b"%d" % number)
                assert other.recv(100) == b"%d\n" % number
                other.send(b"answer\n")
                assert await peer.recv() == b"answer"


async def test_sends_of_one_tick_are_one_for_somebody_elses_stream() -> None:
    stream = Stub()
    async with wrap(stream, Lines()) as peer:
        for message in (b"1", b"2", b"3"):
            await peer.send(message)
        assert stream.sent == []
        await trio.testing.wait_all_tasks_blocked()
        assert stream.sent == [b"1\n2\n3\n"]


async def test_large_messages_go_in_pieces_to_somebody_elses_stream() -> None:
    stream = Stub()
    async with wrap(stream, Lines()) as peer:
        await peer.send(b"x" * 200_000)
    assert b"".join(stream.sent) == b"x" * 200_000 + b"\n"
    assert max(map(len, stream.sent)) == 64 << 10


async def test_who_sends_waits_in_line() -> None:
    """Whoever gives up leaves the place to the next."""
    async with (
        socket_pair(limits=Limits(max_message=len(LARGE), outbox=1)) as (peer, far),
        trio.open_nursery() as nursery,
    ):
        calls, scopes = Calls(nursery), [trio.CancelScope() for _ in range(6)]

        async def send(number: int) -> None:
            with scopes[number]:
                await peer.send(b"%d" % number)

        await peer.send(LARGE)
        for number in range(6):
            calls.start(partial(send, number))
            await trio.testing.wait_all_tasks_blocked()
        for number in (0, 3, 5):
            scopes[number].cancel()
        assert [await far.recv() for _ in range(4)] == [LARGE, b"1", b"2", b"4"]
        await calls.finished()
        assert not any(calls.outcomes)


async def test_little_that_is_sent_waits_while_much_is_under_way() -> None:
    async with socket_pair(limits=MUCH) as (peer, far), trio.open_nursery() as nursery:
        calls = Calls(nursery)
        await peer.send(LARGE)
        calls.start(lambda: peer.send(b"little"))
        await trio.testing.wait_all_tasks_blocked()
        assert not peer._driver.writer.free  # pyright: ignore[reportPrivateUsage]
        assert await far.recv() == LARGE
        await calls.finished()
        assert peer._driver.writer.free  # pyright: ignore[reportPrivateUsage]
        assert await far.recv() == b"little"


@pytest.mark.parametrize(
    "error",
    [
        trio.BrokenResourceError("broken"),
        OSError(5, "I/O error"),
        RuntimeError("never thought of"),
        ExceptionGroup("several", [ValueError("one")]),
    ],
)
async def test_a_stream_that_fails_in_writing(error: Exception) -> None:
    async with wrap(Stub(send_all=error), Lines()) as peer, trio.open_nursery() as nursery:
        calls = Calls(nursery)
        await peer.send(b"x" * 100_000)
        calls.start(lambda: peer.send(b"waits for room"))
        await calls.finished()
        for call in (*calls.outcomes, *[await _outcome(peer.send(b"more")) for _ in range(2)]):
            assert isinstance(call, ConnectionLost)
            assert call.__cause__ is error
        assert peer.state is State.FAILED


@pytest.mark.parametrize("error", [trio.BrokenResourceError("broken"), RuntimeError("never thought of")])
async def test_a_stream_that_fails_in_reading(error: Exception) -> None:
    async with wrap(Stub(receive_some=error), Lines()) as peer:
        for _ in range(2):
            with pytest.raises(ConnectionLost) as caught:
                await peer.recv()
            assert caught.value.__cause__ is error
        with pytest.raises(ConnectionLost):
            await peer.send(b"more")


def test_an_error_of_the_system_is_the_cause() -> None:
    reset, broken, again = ConnectionResetError("reset"), trio.BrokenResourceError(), trio.BrokenResourceError()
    assert system_error(again) is again
    again.__cause__ = broken
    assert system_error(again) is again
    broken.__cause__ = reset
    assert system_error(again) is system_error(reset) is reset


async def test_a_socket_that_is_reset_while_much_is_under_way() -> None:
    one, other = tcp()
    async with wrap(one, Lines(), limits=MUCH) as peer:
        await peer.send(LARGE)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        other.close()
        with pytest.raises(ConnectionLost):
            await peer.send(b"more")


# -- receiving --------------------------------------------------------------------------------------------------------


async def _pair_of_streams(kind: str) -> tuple[Any, Any]:
    if kind == "memory":
        return trio.testing.memory_stream_pair()
    one, other = trio.socket.socketpair()
    stream = trio.SocketStream(one)
    return (Rude(stream) if kind == "rude" else stream), trio.SocketStream(other)


@pytest.mark.parametrize("kind", ["socket", "memory", "rude"])
@pytest.mark.parametrize("seconds", [0.1, 10.0, 1 / 3])
async def test_a_message_that_is_too_slow(kind: str, seconds: float, clock: trio.testing.MockClock) -> None:
    one, other = await _pair_of_streams(kind)
    async with wrap(one, Lines(), timeouts=Timeouts(message=seconds, min_rate=7)) as peer, other:
        await other.send_all(b"first\nunfini")
        assert await peer.recv() == b"first"
        began = clock.current_time()
        for _ in range(3):
            with pytest.raises(MessageTooSlow) as caught:
                await peer.recv()
            assert caught.value.received == 6
        assert clock.current_time() - began == pytest.approx(seconds + 6 / 7)


@pytest.mark.parametrize("kind", ["socket", "memory", "rude"])
async def test_time_in_which_nobody_receives_is_not_the_peers(kind: str, clock: trio.testing.MockClock) -> None:
    one, other = await _pair_of_streams(kind)
    async with wrap(one, Lines(), timeouts=Timeouts(message=1, min_rate=1e9)) as peer, other:
        await other.send_all(b"first\nunfini")
        assert await peer.recv() == b"first"
        for seconds in (0.1, 100, 0.3):
            with trio.move_on_after(0.2):
                await peer.recv()
            await trio.sleep(seconds)
        await other.send_all(b"shed\n")
        assert await peer.recv() == b"unfinished"


async def test_recv_given_up_at_the_moment_of_the_deadline(clock: trio.testing.MockClock) -> None:
    one, other = trio.testing.memory_stream_pair()
    async with wrap(one, Lines(), timeouts=Timeouts(message=1, min_rate=1e9)) as peer, other:
        for word in (b"one", b"two", b"three"):
            await other.send_all(word[:2])
            with trio.move_on_after(0.5):
                await peer.recv()
            with trio.move_on_after(0.5) as scope:
                await peer.recv()
            assert scope.cancelled_caught
            await other.send_all(word[2:] + b"\n")
            assert await peer.recv() == word


async def test_nothing_is_read_before_somebody_asks() -> None:
    one, other = tcp()
    with other:
        async with wrap(one, Lines()):
            other.sendall(b"1\n")
            await trio.testing.wait_all_tasks_blocked(0.001)
            assert one.recv(100, socket.MSG_PEEK) == b"1\n"
    async with wrap(Stub(receive_some=AssertionError("nobody asked")), Lines()):
        await trio.testing.wait_all_tasks_blocked()


# -- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [trio.BrokenResourceError(), RuntimeError("never thought of"), OSError(5, "I/O")])
async def test_a_stream_that_fails_in_closing(error: Exception) -> None:
    stream = Stub(aclose=error)
    async with wrap(stream, Lines()) as peer:
        await peer.send(b"Hello!")
    assert stream.sent == [b"Hello!\n"]
    assert stream.closed


async def test_a_stream_that_does_not_end_closing(clock: trio.testing.MockClock) -> None:
    stream = Stub(aclose=trio.sleep_forever)
    async with wrap(stream, Lines(), timeouts=Timeouts(close=3)):
        began = clock.current_time()
    assert clock.current_time() - began == pytest.approx(3)
    assert stream.closed


@every_pair
async def test_abort_needs_nobody_to_wait_for_it(pair: Any) -> None:
    async with pair() as (peer, far):
        peer.abort()
        peer.abort()
        with pytest.raises((ClosedByPeer, ConnectionLost)):
            await far.recv()
        with pytest.raises(ClosedByUs):
            await peer.recv()


async def test_abort_of_a_stream_that_is_somebody_elses() -> None:
    """Also where it is being read and written."""
    stream = Stub(send_all=trio.sleep_forever)
    async with wrap(stream, Lines()) as peer, trio.open_nursery() as nursery:
        calls = Calls(nursery)
        calls.start(peer.recv)
        await peer.send(b"Hello!")
        await trio.testing.wait_all_tasks_blocked()
        peer.abort()
        await calls.finished()
        await trio.testing.wait_all_tasks_blocked()
        assert stream.closed
        assert list(map(type, calls.outcomes)) == [ClosedByUs]


@pytest.mark.parametrize("pair", [socket_pair, memory_pair, rude_pair, tls_pair])
def test_the_run_may_end_in_the_middle_of_everything(pair: Any) -> None:
    """With messages half sent, and a receiver that has given up; a peer may still be closed afterwards, or not."""
    kept: list[Peer] = []

    async def main() -> None:
        async with pair(limits=MUCH) as (peer, _):
            kept.append(peer)
            with trio.move_on_after(0.001):
                await peer.recv()
            await peer.send(LARGE)
            raise KeyError("enough")

    with pytest.raises(KeyError):
        trio.run(main)
    assert kept[0].state is State.CLOSED


@pytest.mark.parametrize("kind", ["socket", "memory", "rude"])
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
def test_a_peer_in_a_generator_that_nobody_ends(kind: str) -> None:
    """Trio ends it when nothing runs any more, where no task can be started."""
    generators: list[AsyncGenerator[Peer]] = []

    async def peers() -> AsyncGenerator[Peer]:
        one, other = await _pair_of_streams(kind)
        async with other, wrap(one, Lines(), limits=MUCH) as peer:
            with trio.move_on_after(0.001):
                await peer.recv()
            await peer.send(LARGE.replace(b"\0", b" "))
            yield peer

    async def main() -> Peer:
        generators.append(peers())
        return await anext(generators[0])

    assert trio.run(main).state is State.CLOSED


def test_a_peer_that_nobody_closes_is_told_of() -> None:
    async def main() -> None:
        one, other = tcp()
        with other:
            peer = await wrap(one, Lines())
            await peer.send_many([b"1", b"2", b"3"])

    gc.disable()  # or it may be collected, and warn, too early
    try:
        trio.run(main)
        with pytest.warns(ResourceWarning, match="unclosed <socket"):
            gc.collect()
    finally:
        gc.enable()


# -- observers --------------------------------------------------------------------------------------------------------


class Clumsy(Observer):
    """Fails at everything of one kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def bytes_sent(self, data: Data) -> None:
        self._fail("sent")

    def bytes_received(self, data: Data, now: float) -> None:
        self._fail("received")

    def state_changed(self, old: State, new: State) -> None:
        self._fail("changed")

    def _fail(self, kind: str) -> None:
        if kind == self._kind:
            raise ZeroDivisionError(kind)


@pytest.mark.parametrize("kind", ["socket", "memory", "rude"])
async def test_what_an_observer_raises_in_receiving_reaches_who_receives(kind: str) -> None:
    one, other = await _pair_of_streams(kind)
    async with wrap(one, Lines(), observer=Clumsy("received")) as peer, other:
        await other.send_all(b"Hello!\n")
        with pytest.raises(ZeroDivisionError):
            await peer.recv()


async def test_what_an_observer_raises_in_sending_breaks_the_connection() -> None:
    async with wrap(Stub(), Lines(), observer=Clumsy("sent")) as peer:
        await peer.send(b"Hello!")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ConnectionLost) as caught:
            await peer.send(b"Hello!")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_what_an_observer_raises_of_a_failure_is_no_failure_of_trios() -> None:
    stream = Stub(send_all=OSError(5, "I/O error"))
    peer = await wrap(stream, Lines(), observer=Clumsy("changed"))
    await peer.send(b"Hello!")
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(ConnectionLost):
        await peer.send(b"Hello!")
    with pytest.raises(ZeroDivisionError):
        await peer.close()
    peer.abort()


# -- the stream -------------------------------------------------------------------------------------------------------


async def test_our_stream_is_one_of_trios() -> None:
    one, other = map(SocketStream, tcp())
    async with one, other, trio.open_nursery() as nursery:
        with trio.testing.assert_checkpoints():
            await one.send_all(b"Hello!")
        with trio.testing.assert_checkpoints():
            assert await other.receive_some(3) == b"Hel"
        assert await other.receive_some() == b"lo!"
        with trio.testing.assert_checkpoints():
            await one.wait_send_all_might_not_block()
        nursery.start_soon(one.send_all, LARGE)
        size = 0
        while size < len(LARGE):
            size += len(await other.receive_some())
        with trio.testing.assert_checkpoints():
            await one.send_eof()
        assert await other.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError) as caught:
            await one.send_all(b"more")
        assert isinstance(caught.value.__cause__, OSError)
    for call in (one.send_all(b""), one.receive_some(), one.send_eof(), one.wait_send_all_might_not_block()):
        with pytest.raises(trio.ClosedResourceError):
            await call
    with trio.testing.assert_checkpoints():
        await one.aclose()


async def test_our_stream_wakes_who_waits_when_it_is_closed() -> None:
    one, other = map(SocketStream, tcp())
    async with other, trio.open_nursery() as nursery:
        calls = Calls(nursery)
        calls.start(one.receive_some)
        calls.start(lambda: one.send_all(LARGE))
        await trio.testing.wait_all_tasks_blocked()
        one.cut()
        await calls.finished()
        assert list(map(type, calls.outcomes)) == [trio.ClosedResourceError] * 2


async def _outcome(call: Any) -> object:
    try:
        return await call
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error
