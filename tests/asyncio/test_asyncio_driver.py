"""Tests of mezha.asyncio.driver, but for what the conformance suite tests on every flavour."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from mezha import ClosedByPeer, ConnectionLost, Limits, MessageTooSlow, Timeouts
from mezha.asyncio import Peer, connect, listen, wrap
from mezha.asyncio.driver import Driver
from mezha.engine import Framed
from mezha.framing import Lines
from mezha.testing.conformance import certificates


@asynccontextmanager
async def _tls_pair(**options: Any) -> AsyncGenerator[tuple[Peer, Peer]]:
    async with listen("localhost", 0, framing=Lines(), tls=certificates.server(), **options) as listener:
        async with asyncio.TaskGroup() as group:
            accepting = group.create_task(listener.accept())
            client = await connect("localhost", listener.port, framing=Lines(), tls=certificates.client(), **options)
        async with client, accepting.result() as peer:
            yield client, peer


class Transport:
    """A transport that writes nowhere, and says what it was told."""

    def __init__(self, tls: object = None) -> None:
        self.written: list[bytes] = []
        self.reading = True
        self._tls = tls

    def get_extra_info(self, name: str) -> object:
        return self._tls if name == "ssl_object" else None

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))


def _driver(limits: Limits | None = None, tls: object = None) -> tuple[Driver, Transport]:
    limits = limits or Limits()
    driver, transport = Driver(Framed(Lines(), limits=limits), limits), Transport(tls)
    driver.connection_made(cast("asyncio.Transport", transport))
    return driver, transport


def _arrive(driver: Driver, data: bytes) -> None:
    driver.get_buffer(-1)[: len(data)] = data
    driver.buffer_updated(len(data))


# -- sending ----------------------------------------------------------------------------------------------------------


async def test_sends_of_one_tick_are_written_together() -> None:
    driver, transport = _driver()
    for message in (b"1", b"2", b"3"):
        driver.engine.send(message)
        driver.flush_soon()
    assert transport.written == [b"1\n"]  # an idle connection does not wait
    await asyncio.sleep(0)
    assert transport.written == [b"1\n", b"2\n3\n"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    driver.engine.send(b"4")
    driver.flush_soon()
    assert transport.written == [b"1\n", b"2\n3\n", b"4\n"]


async def test_large_buffers_are_not_joined() -> None:
    driver, transport = _driver()
    driver.engine.send(b"x" * 100_000)
    driver.engine.send(b"y" * 100_000)
    driver.flush()
    assert [len(data) for data in transport.written] == [100_000, 1, 100_000, 1]


async def test_the_limit_is_that_of_the_transport_too() -> None:
    _, transport = _driver(Limits(outbox=12345))
    assert transport.high == 12345


async def test_room_is_waited_for_until_the_transport_has_some() -> None:
    driver, transport = _driver(Limits(outbox=1))
    driver.pause_writing()
    assert driver.congested

    async def send(message: bytes) -> None:
        async with driver.turn() as turn:
            await turn.until(driver.has_room)
            driver.engine.send(message)
            driver.flush()

    sending = [asyncio.create_task(send(message)) for message in (b"1", b"2", b"3")]
    await asyncio.sleep(0)
    driver.resume_writing()
    driver.pause_writing()  # before anybody could use it
    await asyncio.sleep(0)
    assert not transport.written
    sending[1].cancel()
    await asyncio.sleep(0)
    assert not driver.free
    driver.resume_writing()
    assert not driver.free  # there is room, and somebody waits
    await asyncio.wait(sending)
    assert transport.written == [b"1\n", b"3\n"]
    assert driver.free
    assert not driver.congested


async def test_nobody_overtakes_who_waits_when_another_gives_up() -> None:
    driver, _ = _driver(Limits(outbox=1))
    driver.engine.send(b"in the way")
    assert driver.congested

    async def wait() -> None:
        async with driver.turn() as turn:
            await turn.until(driver.has_room)

    first, second = (asyncio.create_task(wait()) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not driver.free
    driver.flush()
    driver.wake_line()
    await first
    assert driver.free


# -- receiving --------------------------------------------------------------------------------------------------------


async def test_a_message_that_is_too_slow() -> None:
    one, other = socket.socketpair()
    with other:
        async with wrap(one, Lines(), timeouts=Timeouts(message=0.02)) as peer:
            other.sendall(b"unfini")
            with pytest.raises(MessageTooSlow):
                await peer.recv()
            with pytest.raises(MessageTooSlow):
                await peer.recv()


async def test_a_message_that_is_not_too_slow() -> None:
    """Its timer goes with the connection."""
    one, other = socket.socketpair()
    with other:
        async with wrap(one, Lines(), timeouts=Timeouts(message=100)) as peer:
            other.sendall(b"Hello!\nWor")
            assert await peer.recv() == b"Hello!"
            receiving = asyncio.create_task(peer.recv())
            await asyncio.sleep(0)
            other.sendall(b"ld!\n")
            assert await receiving == b"World!"


async def test_every_reader_is_woken() -> None:
    one, other = socket.socketpair()
    with other:
        async with wrap(one, Lines()) as peer:
            receiving = [asyncio.create_task(peer.recv()) for _ in range(3)]
            await asyncio.sleep(0)
            other.sendall(b"1\n2\n3\n")
            assert sorted([await each for each in receiving]) == [b"1", b"2", b"3"]


async def test_a_reader_lets_the_transport_read_on() -> None:
    driver, transport = _driver(Limits(inbox=1))
    _arrive(driver, b"one\n")
    assert not transport.reading
    assert driver.paused
    driver.read_on()  # nobody has taken anything
    assert not transport.reading
    assert driver.engine.take() == [b"one"]
    await driver.readable()
    assert transport.reading


async def test_a_transport_that_is_gone_reads_no_more() -> None:
    driver, transport = _driver(Limits(inbox=1))
    _arrive(driver, b"one\n")
    driver.connection_lost(None)
    assert driver.engine.take() == [b"one"]
    driver.read_on()
    assert not transport.reading


async def test_what_had_arrived_is_handed_out_though_writing_failed() -> None:
    one, other = socket.socketpair()
    async with wrap(one, Lines(), limits=Limits(inbox=1)) as peer:
        other.sendall(b"one\n")
        assert await peer.recv() == b"one"
        other.sendall(b"two\n")
        while not peer._driver.paused:  # noqa: ASYNC110  # pyright: ignore[reportPrivateUsage]
            await asyncio.sleep(0)
        other.sendall(b"three\nfour\n")
        other.close()
        await peer.send(b"nobody will hear this")
        assert [await peer.recv() for _ in range(3)] == [b"two", b"three", b"four"]
        with pytest.raises(ConnectionLost):
            await peer.recv()
        with pytest.raises(ConnectionLost):
            await peer.send(b"nor this")


# -- TLS --------------------------------------------------------------------------------------------------------------


async def test_a_reader_slower_than_tls() -> None:
    """What arrived before the goodbye is handed out before it, however little is asked for at a time."""
    async with _tls_pair(limits=Limits(inbox=10_000)) as (peer, far):
        messages = [b"%d" % n * 250 for n in range(1000)]

        async def send_and_close() -> None:
            await far.send_many(messages)
            await far.close()

        closing = asyncio.create_task(send_and_close())
        for message in messages:
            assert await peer.recv() == message
            await asyncio.sleep(0)
        with pytest.raises(ClosedByPeer):
            await peer.recv()
        await peer.close()
        await closing


class Session:
    """A TLS session that has received something, and decrypts it when it is asked to; then a goodbye."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def read(self, size: int, buffer: memoryview | None = None) -> int | bytes:
        data = self._pieces.pop(0) if self._pieces else b""
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)


async def test_what_tls_has_comes_before_the_end() -> None:
    driver, _ = _driver(tls=Session(b"on", b"e\ntwo\n"))
    assert not driver.eof_received()
    assert driver.engine.take(9) == [b"one", b"two"]
    with pytest.raises(ClosedByPeer):
        driver.engine.take()


async def test_a_stream_that_was_cut_is_no_goodbye() -> None:
    async with _tls_pair() as (peer, far):
        await far.send(b"Hello!")
        assert await peer.recv() == b"Hello!"
        far.abort()
        with pytest.raises(ConnectionLost):
            await peer.recv()


async def test_goodbye_waits_for_the_peers_over_what_it_still_says() -> None:
    async with _tls_pair() as (peer, far):
        await far.send_many([b"x" * 1000] * 50)
        await peer.send(b"last")
        closing = asyncio.create_task(peer.close())
        assert await far.recv() == b"last"
        with pytest.raises(ClosedByPeer):
            await far.recv()
        await far.close()
        await closing
