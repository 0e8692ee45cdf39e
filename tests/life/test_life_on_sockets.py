"""A connection's life on real sockets, in every flavour: anything, in any order, on either side, against a model.

What has to wait is under way while other things happen. Nothing may hang: each step has a limit.
"""

import asyncio
import gc
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flavours import FLAVOURS
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from life.model import Sent, Stream

from mezha import ClosedByPeer, ClosedByUs, ConnectionLost, Limits, MezhaError, Timeouts, TruncatedMessage
from mezha.testing.conformance.flavour import PATIENCE, Flavour, Peer
from mezha.testing.conformance.net import U32, Net, open_net

LIMITS = Limits(max_message=100_000, inbox=5_000, outbox=5_000)
#: What the system holds between the two, more or less; some messages are larger.
BUFFERS = 8192
SIZES = st.integers(0, 300) | st.sampled_from((0, 2_000, 60_000))
SIDES = st.sampled_from((0, 1))
MOMENTS = st.sampled_from((0, 1, 2, 3, 5, 9, 30))
#: Of some things, one in a life is enough.
RARELY = st.integers(0, 14).map(lambda number: not number)
#: Seconds that something has before other things happen, too.
SHORT = 0.002


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Generator[None]:
    """Let the garbage collector, which runs after every life, look at nothing older (see ``open_net``)."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Party:
    """One side, what it has under way, and what the model knows of it."""

    def __init__(self, name: str, peer: Peer) -> None:
        self.peer = peer
        self.stream = Stream(name)
        #: What it is doing: at most one thing of each kind.
        self.doing: dict[str, asyncio.Task[object]] = {}
        #: It has begun to end its stream; and to end the connection: "closed" or "cut".
        self.ended = False
        self.gone = ""
        #: How receiving ended.
        self.told: type[MezhaError] | None = None


class LifeOnSockets(RuleBasedStateMachine):
    """Two peers of a flavour, connected."""

    flavour: ClassVar[Flavour]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.net: Net = self.stack.enter_context(open_net(self.flavour, "tcp", Path()))

    @initialize()
    def begin(self) -> None:
        self.client, self.server = self.net.run(self.connect())

    async def connect(self) -> list[Party]:
        options: dict[str, Any] = {"limits": LIMITS, "timeouts": Timeouts(message=None, close=PATIENCE)}
        listener = await self.net.listen(U32, **options)
        listener.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFERS)
        try:
            peers = await asyncio.gather(self.net.connect(listener, U32, **options), self.net.accept(listener))
        finally:
            await listener.close()
        for peer in peers:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFERS)
        return [Party(name, peer) for name, peer in zip(("client", "server"), peers, strict=True)]

    def sides(self, place: int) -> tuple[Party, Party]:
        """Return one side, and the other."""
        return (self.client, self.server) if place else (self.server, self.client)

    def do(self, party: Party, kind: str, work: Coroutine[Any, Any, object]) -> None:
        """Begin something, and see how far it gets, together with what is under way."""

        async def begin() -> None:
            party.doing[kind] = asyncio.ensure_future(work)
            await asyncio.wait([party.doing[kind]], timeout=SHORT)

        self.net.run(begin())
        for each in (self.client, self.server):
            for name, task in [*each.doing.items()]:
                if task.done():
                    del each.doing[name]
                    task.result()

    # -- sending ------------------------------------------------------------------------------------------------------

    @rule(place=SIDES, size=SIZES)
    def send(self, place: int, size: int) -> None:
        party, other = self.sides(place)
        if "sending" not in party.doing:
            sent = party.stream.new(size)
            self.do(party, "sending", self.sending(party, other, [sent], lambda: party.peer.send(sent.message)))

    @rule(place=SIDES, sizes=st.lists(SIZES, max_size=8))
    def send_many(self, place: int, sizes: list[int]) -> None:
        party, other = self.sides(place)
        if "sending" not in party.doing:
            sent = [party.stream.new(size) for size in sizes]
            messages = [each.message for each in sent]
            self.do(party, "sending", self.sending(party, other, sent, lambda: party.peer.send_many(messages)))

    @rule(place=SIDES, sizes=st.lists(SIZES, min_size=1, max_size=8), moment=MOMENTS)
    def give_up_sending(self, place: int, sizes: list[int], moment: int) -> None:
        party, other = self.sides(place)
        if "sending" not in party.doing:
            sent = [party.stream.new(size) for size in sizes]

            async def send() -> None:
                count = await party.peer.send_for([each.message for each in sent], moment)
                for each in sent[: count.start]:
                    each.promised = True
                for each in sent[count.stop - 1 :]:
                    party.stream.refuse(each)
                sent.clear()

            self.do(party, "sending", self.sending(party, other, sent, send))

    @rule(place=SIDES, rarely=RARELY)
    def send_eof(self, place: int, rarely: bool) -> None:
        party, other = self.sides(place)
        if rarely and "sending" not in party.doing and not party.ended:
            self.do(party, "sending", self.ending(party, other))

    async def ending(self, party: Party, other: Party) -> None:
        async def end() -> None:
            party.ended = True
            await party.peer.send_eof()

        await self.sending(party, other, [], end)

    async def sending(self, party: Party, other: Party, sent: list[Sent], call: Callable[[], Awaitable[None]]) -> None:
        """Send: these messages have been promised when it returns, and may arrive in any case."""
        over = party.ended or party.gone
        try:
            await call()
        except ClosedByUs:
            assert party.ended or party.gone
        except ConnectionLost:
            assert other.gone, "the connection was lost, and nobody had cut it"
        else:
            assert not over or not sent, "sent after the end"
            for each in sent:
                each.promised = True

    # -- receiving ----------------------------------------------------------------------------------------------------

    @rule(place=SIDES)
    def recv(self, place: int) -> None:
        party, other = self.sides(place)

        async def recv() -> list[bytes]:
            return [await party.peer.recv()]

        if "receiving" not in party.doing:
            self.do(party, "receiving", self.receiving(party, other, recv))

    @rule(place=SIDES, count=st.sampled_from((None, 1, 3)))
    def recv_many(self, place: int, count: int | None) -> None:
        party, other = self.sides(place)
        if "receiving" not in party.doing:
            self.do(party, "receiving", self.receiving(party, other, lambda: party.peer.recv_many(count)))

    @rule(place=SIDES, moments=st.lists(MOMENTS, min_size=1, max_size=4))
    def give_up_receiving(self, place: int, moments: list[int]) -> None:
        party, other = self.sides(place)

        async def recv() -> list[bytes]:
            message = await party.peer.recv_for(moments.pop())
            return [] if message is None else [message]

        async def recv_all() -> None:
            while moments:
                await self.receiving(party, other, recv)

        if "receiving" not in party.doing:
            self.do(party, "receiving", recv_all())

    async def receiving(self, party: Party, other: Party, call: Callable[[], Awaitable[list[bytes]]]) -> None:
        """Receive, and check the messages, or how receiving ended."""
        try:
            messages = await call()
        except MezhaError as error:
            self.told(party, other, type(error))
        else:
            assert not messages or not party.told, f"{len(messages)} messages after the end"
            for message in messages:
                other.stream.arrive(message)

    def told(self, party: Party, other: Party, kind: type[MezhaError]) -> None:
        """Check how receiving ended: with a reason, again the same, and not before everything has arrived."""
        reasons: dict[type[MezhaError], bool] = {
            ClosedByUs: bool(party.gone),
            ClosedByPeer: other.ended or bool(other.gone),
            ConnectionLost: bool(other.gone),
            TruncatedMessage: other.gone == "cut",
        }
        assert reasons.get(kind), f"{kind.__name__} without a reason"
        assert party.gone or party.told in (None, kind), f"{kind.__name__}, after {party.told}"
        party.told = kind
        if kind is ClosedByPeer and other.gone != "cut":
            other.stream.end()

    # -- the end ------------------------------------------------------------------------------------------------------

    @rule(place=SIDES, rarely=RARELY)
    def close(self, place: int, rarely: bool) -> None:
        party, _ = self.sides(place)
        if rarely and "closing" not in party.doing:
            party.gone = party.gone or "closed"
            self.do(party, "closing", party.peer.close())

    @rule(place=SIDES, rarely=RARELY, reset=st.booleans())
    def abort(self, place: int, rarely: bool, reset: bool) -> None:
        party, _ = self.sides(place)
        # A blocking abort() shuts the socket down, and a peer that waits for room hears of that only after minutes.
        reset = reset or self.flavour.name == "blocking"

        async def abort() -> None:
            if reset:
                with suppress(OSError, ValueError):  # it is lost already
                    party.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            party.gone = "cut"
            party.peer.abort()

        if rarely:
            self.do(party, "aborting", abort())

    def teardown(self) -> None:
        """Let both hear each other out, and end; or leave nothing behind, if something has failed."""
        with self.stack:
            if hasattr(self, "client"):
                self.net.run(self.finish() if sys.exception() is None else self.give_up())

    async def give_up(self) -> None:
        self.client.peer.abort()
        self.server.peer.abort()
        left = [*self.client.doing.values(), *self.server.doing.values()]
        await asyncio.gather(*left, return_exceptions=True)

    async def finish(self) -> None:
        async def finish(party: Party, other: Party) -> None:
            if party.gone:  # a connection that was cut is there until it is closed
                await party.peer.close()
            else:
                await asyncio.gather(hear(party, other), say_goodbye(party, other))
            await asyncio.gather(*party.doing.values())

        async def hear(party: Party, other: Party) -> None:
            if "receiving" in party.doing:
                await party.doing["receiving"]
            while not party.told:
                await self.receiving(party, other, party.peer.recv_many)

        async def say_goodbye(party: Party, other: Party) -> None:
            if "sending" in party.doing:
                await party.doing["sending"]
            if not party.ended:
                await self.ending(party, other)

        await asyncio.gather(finish(self.client, self.server), finish(self.server, self.client))
        await asyncio.gather(self.client.peer.close(), self.server.peer.close())


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_life_on_sockets(flavour: Flavour) -> None:
    class Life(LifeOnSockets):
        pass

    Life.flavour = flavour
    some = settings(max_examples=max(settings().max_examples // 2, 1), stateful_step_count=40)
    run_state_machine_as_test(Life, settings=some)
