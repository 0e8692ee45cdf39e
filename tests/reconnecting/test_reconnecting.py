"""Clients that connect again, on real sockets: every message is received once, or told of."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from reconnecting.far import FLAVOURS, QUICK, Client, Far, Flavour
from waiting import PATIENCE

from mezha import (
    ClosedByPeer,
    ClosedByUs,
    ConnectionLost,
    Limits,
    LocalProtocolError,
    Loss,
    Reconnect,
    SendTimeout,
    Timeouts,
)
from mezha.framing import Lines
from mezha.testing.chaos import Chaos, Plan, Reset

every_flavour = pytest.mark.parametrize("flavour", FLAVOURS, ids=str)


def run(work: Coroutine[Any, Any, object]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await work

    asyncio.run(bounded())


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - nobody says when
        await asyncio.sleep(0.001)


def check(sent: list[bytes], far: Far, client: Client) -> None:
    """Check the law: each message was received once, or told of; and none of these was called never sent."""
    ending = client.peer.ending
    unknown = [message for loss in client.losses for message in loss.unknown]
    never = [message for loss in client.losses if loss.final for message in loss.never_sent]
    taken = far.taken
    assert len(set(taken)) == len(taken), "one was received twice"
    assert taken == sorted(taken), "the order was not kept"
    assert set(sent) == set(taken) | set(unknown) | set(never), "one was lost in silence"
    assert not set(taken) & set(never), "one was called never sent, and was received"
    assert len(set(unknown)) == len(unknown)
    assert ending.unknown == len(unknown)
    assert ending.never_sent == len(never)
    assert ending.sent + ending.never_sent == len(sent)
    assert ending.delivered == len(set(sent) - set(unknown) - set(never)) <= len(taken)


# -- broken at every byte ----------------------------------------------------------------------------------------------

MESSAGES = [b"%02d" % number for number in range(6)]


async def converse(flavour: Flavour, plan: Plan, policy: Reconnect) -> list[Loss]:
    """Send some messages over a connection that breaks, and see the law hold."""
    far = Far()
    await far.start()
    with Chaos("127.0.0.1", far.port, plans=[plan]) as proxy:
        async with flavour.connect(proxy.address[1], reconnect=policy) as client:
            for message in MESSAGES:
                await client.send(message)
                if message == b"02":
                    with suppress(ConnectionLost):  # it is, if it broke meanwhile
                        await client.ping()
            ending = await client.close()
            assert ending.sent == len(MESSAGES)
    if policy.unknown == "report":
        check(MESSAGES, far, client)
    else:
        last = {message for loss in client.losses if loss.final for message in loss.unknown}
        assert {*far.taken, *last} == {*MESSAGES}, "one was lost, though it was to be sent again"
    await far.kill()
    return client.losses


@every_flavour
@pytest.mark.parametrize("way", ["up", "down"])
def test_wherever_it_breaks_each_message_is_received_once_or_told_of(flavour: Flavour, way: str) -> None:
    async def at_every_byte() -> None:
        told = 0
        for place in range(1, 170, 3):
            told += len(await converse(flavour, Plan(**{way: [Reset(place)]}), QUICK))
        assert told, "it never broke"

    run(at_every_byte())


@every_flavour
def test_what_is_unknown_is_sent_again_if_one_wants_that(flavour: Flavour) -> None:
    async def at_some_bytes() -> None:
        again = 0
        policy = Reconnect(first=0.001, most=0.05, unknown="resend")
        for place in range(80, 150, 6):
            losses = await converse(flavour, Plan(up=[Reset(place)]), policy)
            again += sum(len(loss.unknown) for loss in losses if loss.resent)
        assert again, "nothing was ever unknown"

    run(at_some_bytes())


# -- servers that come and go ------------------------------------------------------------------------------------------


@every_flavour
@pytest.mark.parametrize("orderly", [True, False])
def test_a_server_that_is_started_again_is_found_again(flavour: Flavour, orderly: bool) -> None:
    async def restart() -> None:
        far = Far(echo=True)
        await far.start()
        async with flavour.connect(far.port) as client:
            sent: list[bytes] = []
            for number in range(3):
                for message in (b"%d a" % number, b"%d b" % number):
                    await client.send(message)
                    sent.append(message)
                    assert await client.recv() == message
                assert await client.request(b"2+2") == b"2+2!"
                await (far.stop() if orderly else far.kill())
                await far.start()
            await client.send(b"last")
            assert await client.recv() == b"last"
            assert client.peer.state.value == "open"
            ending = await client.close()
        check([*sent, b"last"], far, client)
        assert ending.how == "closed"
        assert ending.delivered == 7 - ending.unknown
        assert len(client.losses) == 3
        await far.stop()

    run(restart())


@every_flavour
def test_what_is_sent_meanwhile_waits_for_the_next_connection(
    flavour: Flavour, caplog: pytest.LogCaptureFixture
) -> None:
    async def be_gone() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port) as client:
            await client.send(b"0")
            await until(lambda: far.taken == [b"0"])
            await client.ping()
            await far.kill()
            await until(lambda: client.losses)
            assert not client.peer.connected
            assert "not connected" in repr(client.peer)
            for message in (b"1", b"2", b"3"):
                await client.send(message)
            asked = asyncio.ensure_future(client.request(b"2+2"))
            await until(lambda: "no connection" in caplog.text)
            assert not asked.done()
            await far.start()
            assert await asked == b"2+2!"
            await client.close()
        check([b"0", b"1", b"2", b"3"], far, client)
        assert far.taken == [b"0", b"1", b"2", b"3"]
        assert [(loss.delivered, loss.unknown, loss.never_sent) for loss in client.losses] == [(1, (), ())]
        assert isinstance(client.losses[0].cause, ConnectionLost)
        await far.stop()

    caplog.set_level(logging.INFO, "mezha")
    run(be_gone())
    assert "messages: 1 delivered, 0 unknown, 0 never sent" in caplog.text


@every_flavour
def test_a_close_sees_sent_what_was_on_its_way_when_the_connection_broke(flavour: Flavour) -> None:
    """A message of which a part had gone is sent anew, over the next connection, before the goodbye."""
    message = bytes(300_000)

    async def break_while_closing() -> None:
        far = Far()
        far.takes.clear()
        await far.start(limits=Limits(inbox=1))
        async with flavour.connect(far.port) as client:
            sending = asyncio.ensure_future(client.send(message))
            await until(lambda: client.peer.stats.sending > 0)
            closing = asyncio.ensure_future(client.close())
            await until(lambda: client.peer._carrier.closed)
            killing = asyncio.ensure_future(far.kill())
            await until(lambda: far.killed)
            far.takes.set()  # its handler is to end
            await killing
            await far.start()
            ending = await closing
            with suppress(ClosedByUs):  # where it waits until all has gone
                await sending
        assert far.taken == [message]
        assert (ending.how, ending.sent, ending.delivered, ending.never_sent) == ("closed", 1, 1, 0)
        await far.stop()

    run(break_while_closing())


@every_flavour
def test_messages_that_wait_are_bounded(flavour: Flavour) -> None:
    async def fill() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port, limits=Limits(outbox=1000)) as client:
            await far.kill()
            await until(lambda: client.losses)
            messages = [b"%03d" % number + bytes(100) for number in range(30)]

            async def send() -> None:
                for message in messages:
                    await client.send(message)

            sending = asyncio.ensure_future(send())
            ledger = client.peer._carrier.ledger
            await until(lambda: not ledger.room)
            assert ledger.waiting == 10
            await far.start()
            await sending
            await client.close()
        check(messages, far, client)
        assert far.taken == messages
        await far.stop()

    run(fill())


@every_flavour
def test_messages_that_are_not_confirmed_are_bounded(flavour: Flavour) -> None:
    """Bytes that the peer's window holds are kept here as well, and no more; there is room when some were taken."""

    async def fill() -> None:
        far = Far()
        far.takes.clear()
        await far.start(limits=Limits(inbox=1 << 20))
        async with flavour.connect(far.port, limits=Limits(outbox=4000, inbox=8000)) as client:
            messages = [b"%03d" % number + bytes(100) for number in range(300)]

            async def send() -> None:
                for message in messages:
                    await client.send(message)

            sending = asyncio.ensure_future(send())
            ledger = client.peer._carrier.ledger
            await until(lambda: ledger.full)
            assert not sending.done()
            assert ledger.delivered == 0
            far.takes.set()
            await sending
            assert ledger.delivered > 100
            await client.close()
        check(messages, far, client)
        assert far.taken == messages
        await far.stop()

    run(fill())


@every_flavour
def test_after_so_many_attempts_the_last_error_is_raised(flavour: Flavour) -> None:
    async def give_up() -> None:
        far = Far()
        await far.start()
        policy = Reconnect(first=0.001, most=0.01, attempts=3)
        async with flavour.connect(far.port, reconnect=policy) as client:
            receiving = asyncio.ensure_future(client.recv())
            await client.send(b"0")
            await until(lambda: far.taken)
            await client.ping()
            far.takes.clear()
            await far.kill()
            await until(lambda: client.losses)
            await client.send(b"1")
            with pytest.raises(ConnectionRefusedError):
                await receiving
            for call in (client.send(b"2"), client.recv(), client.request(b"2+2"), client.ping()):
                with pytest.raises(ConnectionRefusedError):
                    await call
            assert client.peer.state.value == "failed"
            _, last = client.losses
            assert isinstance(last.cause, ConnectionRefusedError)
            assert (last.never_sent, last.final) == ((b"1",), True)
            ending = await client.close()
            assert (ending.how, ending.sent, ending.delivered, ending.never_sent) == ("lost", 1, 1, 1)
        check([b"0", b"1"], far, client)

    run(give_up())


@every_flavour
def test_what_was_asked_when_it_broke_is_not_asked_again(flavour: Flavour) -> None:
    async def ask() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port) as client:
            for end in (far.kill, far.stop):
                asked = asyncio.ensure_future(client.request(b"never"))
                await far.asked.wait()
                far.asked.clear()
                await end()
                with pytest.raises(ConnectionLost):
                    await asked
                await far.start()
                assert await client.request(b"2+2") == b"2+2!"
                far.asked.clear()
        await far.stop()

    run(ask())


@every_flavour
def test_requests_of_the_other_side_are_answered_over_each_connection(flavour: Flavour) -> None:
    async def ask() -> None:
        far = Far()
        await far.start()
        peers: list[object] = []

        def reply(peer: object, body: bytes) -> bytes:
            peers.append(peer)
            return body + b"?"

        async def reply_soon(peer: object, body: bytes) -> bytes:
            return reply(peer, body)

        answer = reply if flavour.name == "blocking" else reply_soon
        async with flavour.connect(far.port, answer=answer) as client:
            for _ in range(2):
                await until(lambda: far.peers)
                assert await far.peers[0].request(b"you") == b"you?"
                await far.kill()
                await far.start()
        assert peers == [client.peer, client.peer]
        await far.stop()

    run(ask())


# -- ends --------------------------------------------------------------------------------------------------------------


@every_flavour
def test_a_peer_that_closes_in_order_means_it(flavour: Flavour) -> None:
    async def close() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port) as client:
            await until(lambda: far.peers)
            peer = far.peers[0]
            await peer.send(b"bye")
            closing = asyncio.ensure_future(peer.close(300, "enough"))
            assert await client.recv() == b"bye"
            await closing
            for call in (client.recv(), client.send(b"0"), client.request(b"2+2")):
                with pytest.raises(ClosedByPeer, match="enough"):
                    await call
            assert client.peer.state.value == "failed"
            assert [loss.final for loss in client.losses] == [True]
        await far.stop()

    run(close())


@every_flavour
def test_after_close_nothing_goes_on(flavour: Flavour) -> None:
    async def close() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port) as client:
            receiving = asyncio.ensure_future(client.recv())
            await client.send(b"0")
            assert client.peer.ending is None
            ending = await client.close()
            assert (ending.how, ending.delivered) == ("closed", 1)
            assert await client.close() == ending
            with pytest.raises(ClosedByUs):
                await receiving
            for call in (client.recv(), client.send(b"0"), client.request(b"2+2"), client.ping()):
                with pytest.raises(ClosedByUs):
                    await call
            assert client.peer.state.value == "closed"
            assert not client.losses
        await far.stop()

    run(close())


@every_flavour
def test_close_waits_for_a_connection_and_tells_what_never_went(flavour: Flavour) -> None:
    async def close() -> None:
        far = Far()
        await far.start()
        policy = Reconnect(first=5, jitter=0)
        async with flavour.connect(far.port, reconnect=policy, timeouts=Timeouts(close=0.2)) as client:
            await far.kill()
            await until(lambda: client.losses)
            await client.send(b"1")
            ending = await client.close()
            assert (ending.how, ending.sent, ending.never_sent) == ("lost", 0, 1)
            assert client.losses[-1].never_sent == (b"1",)
            assert client.losses[-1].final
        check([b"1"], far, client)

    run(close())


@every_flavour
def test_what_is_here_of_a_lost_connection_is_received_first(flavour: Flavour) -> None:
    async def receive() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port) as client:
            for number in range(3):
                await until(lambda: far.peers)
                await far.peers[0].send(b"%d" % number)
                await far.peers[0].ping()
                await far.kill()
                await until(lambda number=number: len(client.losses) == number + 1)
                await far.start()
                if number == 1:  # two connections wait to be received from: there is no third before that
                    await asyncio.sleep(0.05)
                    assert not far.peers
                    assert await client.recv() == b"0"
            assert [await client.recv(), await client.recv()] == [b"1", b"2"]
        await far.stop()

    run(receive())


# -- the rest of what a peer can do ------------------------------------------------------------------------------------

awaited = pytest.mark.parametrize("flavour", [flavour for flavour in FLAVOURS if flavour.name != "blocking"], ids=str)


@every_flavour
def test_it_can_do_what_a_peer_can(flavour: Flavour) -> None:
    async def talk() -> None:
        far = Far(echo=True)
        await far.start()
        async with flavour.connect(far.port) as client:
            await client.call("send_many", [b"0", b"1", b"2"])
            received: list[bytes] = []
            while len(received) < 3:
                received += await client.call("recv_many", 2)
            assert received == [b"0", b"1", b"2"]
            assert client.peer.remote_address == f"127.0.0.1:{far.port}"
            assert client.peer.local_address.startswith("127.0.0.1:")
            assert client.peer.tls is None
            await client.ping()
            assert client.peer.connected
            await client.send(b"3")
            await until(lambda: far.taken[3:])
            await far.kill()
            await until(lambda: client.losses)
            await far.start()
            await client.call("send_many", [b"4", b"5"])
            while received[-1] != b"5":
                received += await client.call("recv_many")
        assert set(received) >= {b"0", b"1", b"2", b"4", b"5"}
        await far.stop()

    run(talk())


@awaited
def test_try_send_and_iterating(flavour: Flavour) -> None:
    async def talk() -> None:
        far = Far(echo=True)
        await far.start()
        async with flavour.connect(far.port, limits=Limits(outbox=100, max_message=1000)) as client:

            async def iterate() -> list[bytes]:
                return [message async for message in client.peer]

            await client.ping()
            assert await client.call("try_send", b"0")
            await client.ping()
            iterating = asyncio.ensure_future(client.run(iterate))
            await until(lambda: far.taken)
            with pytest.raises(LocalProtocolError):
                await client.call("try_send", bytes(1001))
            await client.ping()
            await far.kill()
            await until(lambda: client.losses)
            assert await client.call("try_send", bytearray(99)), "it waits for the next connection"
            assert not await client.call("try_send", b"too much waits")
            await far.start()
            await until(lambda: len(far.taken) == 2)
            await until(lambda: far.peers)
            await client.ping()
            await far.peers[0].close()
            assert await iterating == [b"0", bytes(99)]
        await far.stop()

    run(talk())


@awaited
def test_a_cancelled_send_has_sent_nothing(flavour: Flavour) -> None:
    async def cancel() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port, limits=Limits(outbox=10)) as client:
            await client.ping()
            await far.kill()
            await until(lambda: client.losses)
            await client.send(b"0" * 10)
            sending = [asyncio.ensure_future(client.send(message)) for message in (b"1", b"2", b"3")]
            await asyncio.sleep(0.01)
            for task in sending[:2]:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await far.start()
            await sending[2]
            ending = await client.close()
            assert (ending.sent, ending.delivered) == (2, 2)
        assert far.taken == [b"0" * 10, b"3"]
        await far.stop()

    run(cancel())


def test_blocking_calls_run_out_of_time() -> None:
    async def wait() -> None:
        far = Far()
        await far.start()
        async with FLAVOURS[0].connect(far.port, limits=Limits(outbox=10)) as client:
            await client.ping()
            with pytest.raises(TimeoutError, match="within 0 s"):
                await client.call("recv", timeout=0)
            await far.kill()
            await until(lambda: client.losses)
            await client.call("flush")
            for name in ("request", "ping"):
                with pytest.raises(TimeoutError, match=r"within 0\.01 s; there was no connection"):
                    await client.call(name, *([b"2+2"] if name == "request" else []), timeout=0.01)
            with pytest.raises(TimeoutError, match="within 0 s; there was no connection"):
                await client.call("recv", timeout=0)
            with pytest.raises(SendTimeout, match="too much waits") as raised:
                await client.call("send_many", [b"0" * 5, b"1", b"2"], timeout=0.01)
            assert raised.value.sent == 1
            with pytest.raises(LocalProtocolError):
                await client.call("fileno")
            await far.start()
            ending = await client.close()
            assert (ending.sent, ending.delivered) == (1, 1)
        assert far.taken == [b"0" * 5]
        await far.stop()

    run(wait())


@every_flavour
def test_a_stream_is_received_over_one_connection(flavour: Flavour) -> None:
    async def receive() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port) as client:
            await until(lambda: far.peers)
            await far.peers[0].send(b"Hello!")

            async def read() -> bytes:
                async with client.peer.recv_stream() as stream:
                    whole: bytes = await stream.read()
                    return whole

            def read_here() -> bytes:
                with client.peer.recv_stream() as stream:
                    whole: bytes = stream.read()
                    return whole

            assert await client.run(read_here if flavour.name == "blocking" else read) == b"Hello!"
            await far.kill()
            await until(lambda: client.losses)
            with pytest.raises(ConnectionLost, match="no connection now"):
                await client.call("recv_stream")

    run(receive())


# -- mistakes ----------------------------------------------------------------------------------------------------------


@every_flavour
def test_what_cannot_be_done_again_is_refused(flavour: Flavour) -> None:
    async def ask() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port, limits=Limits(max_message=10)) as client:
            for name, arguments in (("send_eof", ()), ("send_stream", ([b""],)), ("detach", ())):
                with pytest.raises(LocalProtocolError):
                    await client.call(name, *arguments)
            with pytest.raises(LocalProtocolError, match=r"11 bytes.* 10 "):
                await client.send(bytes(11))
            with pytest.raises(TypeError):
                await client.call("send", "text")
            await client.send(b"0")
            await client.close()
        assert far.taken == [b"0"]
        await far.stop()

    run(ask())


@every_flavour
def test_a_message_that_only_the_next_server_does_not_take_is_told_of(flavour: Flavour) -> None:
    async def shrink() -> None:
        far = Far()
        await far.start()
        async with flavour.connect(far.port, limits=Limits(outbox=1 << 20)) as client:
            await client.ping()
            await far.kill()
            await until(lambda: client.losses)
            messages = [b"1", b"2" * 100_000, b"3"]
            for message in messages:
                await client.send(message)
            await far.start(limits=Limits(max_message=70_000))
            await client.close()
        check(messages, far, client)
        assert far.taken == [b"1", b"3"]
        (loss,) = client.losses[1:]
        assert isinstance(loss.cause, LocalProtocolError)
        assert loss.never_sent == (messages[1],)
        await far.stop()

    run(shrink())


@every_flavour
def test_a_message_that_the_peer_does_not_take_is_refused(flavour: Flavour) -> None:
    async def shrink() -> None:
        far = Far()
        await far.start(limits=Limits(max_message=10))
        async with flavour.connect(far.port) as client:
            await client.ping()
            with pytest.raises(LocalProtocolError, match="the peer takes at most 10"):
                await client.send(bytes(11))
            await client.send(b"0")
            ending = await client.close()
            assert (ending.sent, ending.never_sent) == (1, 0)
        assert far.taken == [b"0"]
        await far.stop()

    run(shrink())


@every_flavour
def test_on_loss_that_fails_is_logged_and_no_more(flavour: Flavour, caplog: pytest.LogCaptureFixture) -> None:
    def fail(loss: Loss) -> None:
        raise RuntimeError("I cannot bear it")

    async def lose() -> None:
        far = Far(echo=True)
        await far.start()
        async with flavour.connect(far.port, on_loss=fail) as client:
            await client.ping()
            await far.kill()
            await far.start()
            await client.send(b"0")
            assert await client.recv() == b"0"
        await far.stop()

    run(lose())
    assert "I cannot bear it" in caplog.text


@every_flavour
def test_the_first_connection_is_not_tried_twice(flavour: Flavour) -> None:
    async def connect() -> None:
        far = Far()
        await far.start()
        await far.kill()
        with pytest.raises(ConnectionRefusedError):
            async with flavour.connect(far.port):
                pass

    run(connect())


@every_flavour
def test_a_bare_framing_cannot_say_what_was_delivered(flavour: Flavour) -> None:
    async def connect() -> None:
        with pytest.raises(TypeError, match="leave framing= out"):
            async with flavour.connect(1, framing=Lines()):
                pass
        with pytest.raises(TypeError, match="reconnect="):
            async with flavour.connect(1, reconnect=None):
                pass

    run(connect())
