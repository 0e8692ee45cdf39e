"""Laws of requests: each gets its own answer, whatever else is under way, and whoever gives up."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from mezha import ClosedByPeer, ClosedByUs, Limits, LocalProtocolError, MezhaError, RequestFailed
from mezha.session import Code
from mezha.testing.conformance.flavour import until
from mezha.testing.conformance.net import Net, law


async def _shout(body: bytes) -> bytes:
    return body.upper()


@contextmanager
def _quiet() -> Generator[None]:
    """Say nothing of the handlers that fail on purpose."""
    log = logging.getLogger("mezha")
    log.addFilter(_nothing)
    for flavour in ("asyncio", "blocking", "trio"):
        log.getChild(flavour).addFilter(_nothing)
    yield
    for flavour in ("asyncio", "blocking", "trio"):
        log.getChild(flavour).removeFilter(_nothing)
    log.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


@law(only="session")
async def a_request_gets_its_answer(net: Net) -> None:
    async with net.pair(answer=_shout) as (ours, theirs):
        for body in (b"one", b"", b"x" * 70_000, b"y" * 200_000):
            assert await ours.request(body) == body.upper()
        assert await theirs.request(b"and back") == b"AND BACK"
        await ours.send(b"messages")
        assert await theirs.recv() == b"messages"


@law(only="session")
async def answers_come_in_any_order_and_each_to_its_own(net: Net) -> None:
    """Both sides ask, and nobody is answered before all have asked."""
    count = net.flavour.calls // 4
    waiting = 0
    all_here = asyncio.Event()

    async def answer(body: bytes) -> bytes:
        nonlocal waiting
        waiting += 1
        if waiting >= 2 * count:
            all_here.set()
        await all_here.wait()
        for _ in range(int(body.split()[1]) * 7 % 11):
            await asyncio.sleep(0)
        return b"for " + body

    async with net.pair(answer=answer, limits=Limits(requests=1000)) as (ours, theirs):
        bodies = [b"us %d" % number for number in range(count)]
        others = [b"them %d" % number for number in range(count)]
        got = await asyncio.gather(*map(ours.request, bodies), *map(theirs.request, others))
        assert got == [b"for " + body for body in bodies + others]


@law(only="session")
async def more_than_the_peer_takes_wait_their_turn(net: Net) -> None:
    most = 0
    now = 0

    async def answer(body: bytes) -> bytes:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return body

    async with net.pair(answer=answer, limits=Limits(requests=16)) as (ours, _):
        bodies = [b"%d" % number for number in range(40)]
        assert await asyncio.gather(*map(ours.request, bodies)) == bodies
        assert 1 <= most <= 16


@law(only="session")
async def what_fails_says_only_what_is_public(net: Net) -> None:
    async def answer(body: bytes) -> bytes:
        if body == b"public":
            raise RequestFailed("there is no such order", code=404)
        raise RuntimeError("secret: the password is swordfish")

    with _quiet():
        async with net.pair(answer=answer) as (ours, _):
            with pytest.raises(RequestFailed, match=r"^there is no such order$") as failed:
                await ours.request(b"public")
            assert failed.value.code == 404
            with pytest.raises(RequestFailed, match=r"^the handler failed$") as failed:
                await ours.request(b"private")
            assert failed.value.code == Code.HANDLER_FAILED


@law(only="session")
async def what_a_handler_returns_must_be_an_answer(net: Net) -> None:
    async def answer(body: bytes) -> bytes:
        return None if body == b"nothing" else bytes(2000)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    with _quiet():
        async with net.pair(answer=answer, limits=Limits(max_message=1000)) as (ours, _):
            with pytest.raises(RequestFailed, match=r"^the handler failed$"):
                await ours.request(b"nothing")
            with pytest.raises(RequestFailed, match=r"2000 bytes.* 1000"):
                await ours.request(b"too much")


@law(only="session")
async def who_does_not_answer_says_so(net: Net) -> None:
    async with net.pair() as (ours, theirs):
        with pytest.raises(RequestFailed, match="not answered here") as failed:
            await ours.request(b"anybody?")
        assert failed.value.code == Code.NO_HANDLER
        await theirs.send(b"unharmed")
        assert await ours.recv() == b"unharmed"


@law(only="session")
async def what_the_peer_would_refuse_is_refused_here(net: Net) -> None:
    async with net.pair(answer=_shout, limits=Limits(max_message=1000)) as (ours, _):
        with pytest.raises(LocalProtocolError, match=r"1001 bytes.*1000") as refused:
            await ours.request(bytes(1001))
        assert (refused.value.size, refused.value.limit) == (1001, 1000)
        assert await ours.request(b"unharmed") == b"UNHARMED"


@law(only="session")
async def who_gives_up_is_answered_no_more(net: Net) -> None:
    """Nor do the others get what was meant for it."""
    go_on = asyncio.Event()
    told: list[bytes] = []

    async def answer(body: bytes) -> bytes:
        if body.startswith(b"slow"):
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                told.append(body)
                raise
        return b"for " + body

    async with net.pair(answer=answer) as (ours, _):
        with pytest.raises(TimeoutError, match=r"within 0.05 s"):
            await ours.request(b"slow 1", timeout=0.05)
        assert await ours.request(b"quick") == b"for quick"
        if net.flavour.cancels:
            await until(lambda: told == [b"slow 1"])
        go_on.set()
        assert await asyncio.gather(*(ours.request(b"slow %d" % number) for number in range(9))) == [
            b"for slow %d" % number for number in range(9)
        ]


@law(only="session")
async def requests_given_up_at_any_moment_leave_the_others_theirs(net: Net) -> None:
    async def answer(body: bytes) -> bytes:
        for _ in range(int(body) % 5):
            await asyncio.sleep(0)
        return b"for " + body

    async with net.pair(answer=answer) as (ours, _):

        async def ask(number: int) -> None:
            try:
                seconds = 0.0005 * (number % 7) if number % 3 else None
                assert await ours.request(b"%d" % number, seconds) == b"for %d" % number
            except TimeoutError:
                assert number % 3

        for start in range(0, 200, 20):
            await asyncio.gather(*map(ask, range(start, start + 20)))
        assert await ours.request(b"0") == b"for 0"


@law(only="session")
async def the_end_of_the_connection_ends_every_wait(net: Net) -> None:
    async def answer(_: bytes) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    cases: list[tuple[str, type[MezhaError]]] = [("ours", ClosedByUs), ("theirs", ClosedByPeer)]
    if not net.flavour.cancels:  # a thread that answers cannot be stopped
        return
    for side, error in cases:
        async with net.pair(answer=answer) as (ours, theirs):
            waiting = [asyncio.create_task(ours.request(b"%d" % number)) for number in range(5)]
            await asyncio.sleep(0.01)
            await asyncio.gather(*((ours if side == "ours" else theirs).close() for _ in range(2)))
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [error] * 5
            with pytest.raises(error):
                await ours.request(b"more")
