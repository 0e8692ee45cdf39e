"""Many connections at once on one asyncio server, each exchanging messages: ``python -m fire.load``.

The server is one process, the clients are another. All connections are opened before the first message is sent, and
none is closed before the last has come back.
"""

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise

from fire.forker import Forker, Job, Line
from fire.parties import FRAMING, HOST, PARTIES, Side
from fire.traffic import Traffic
from fire.usage import Usage, raise_limit_of_descriptors, system, usage
from waiting import until

import mezha.asyncio
from mezha import ClosedByPeer

__all__ = ["Load", "measure"]

#: Connections that are being opened at the same time: no more than the system's backlog holds.
_OPENING = 100
#: Bytes of the largest message, and messages under way on a connection.
_MOST = 4096
_WINDOW = 4


@dataclass(frozen=True)
class Load:
    """What came out; times in seconds, of the clients."""

    connections: int
    #: Messages that came back, each checked.
    messages: int
    opening: float
    exchanging: float
    closing: float
    #: The server's: before the first connection, with all of them idle, after the messages, and after the last.
    before: Usage
    idle: Usage
    busy: Usage
    after: Usage

    def __str__(self) -> str:
        each = [(usage.memory - self.before.memory) / self.connections / 1024 for usage in (self.idle, self.busy)]
        return (
            f"{self.connections} connections, {self.messages} messages, none lost\n"
            f"opened in {self.opening:.1f} s, exchanged in {self.exchanging:.1f} s, closed in {self.closing:.1f} s\n"
            f"memory of the server for each: {each[0]:.1f} KiB idle, {each[1]:.1f} KiB after its messages\n"
            f"file descriptors of the server: {self.before.descriptors}, with all {self.busy.descriptors}, "
            f"after {self.after.descriptors}"
        )


def measure(connections: int, messages: int, *, loop: str = "asyncio") -> Load:
    """Open so many connections, and send so many messages over each."""
    with Forker() as forker, forker.start(_serves, loop, connections) as server:
        load = PARTIES[loop].run(_visits(server, connections, messages))
        server.go_on()
        server.result()
        return load


async def _visits(server: Job, connections: int, messages: int) -> Load:
    port = server.hear()
    gate = asyncio.Semaphore(_OPENING)
    async with mezha.asyncio.connect(HOST, port, framing=FRAMING):
        pass  # what is opened once is open
    before = await _ask(server, 0)
    async with AsyncExitStack() as stack:

        async def connect() -> mezha.asyncio.Peer:
            async with gate:
                return await stack.enter_async_context(mezha.asyncio.connect(HOST, port, framing=FRAMING))

        times = [time.monotonic()]
        peers = await asyncio.gather(*(connect() for _ in range(connections)))
        times.append(time.monotonic())
        idle = await _ask(server, connections)
        times.append(time.monotonic())
        counts = await asyncio.gather(*(_exchange(peer, seed, messages) for seed, peer in enumerate(peers)))
        times.append(time.monotonic())
        busy = await _ask(server, connections)
        times.append(time.monotonic())
        await asyncio.gather(*(peer.close() for peer in peers))
    after = await _ask(server, 0)
    times.append(time.monotonic())
    opening, _, exchanging, _, closing = (end - begin for begin, end in pairwise(times))
    return Load(connections, sum(counts), opening, exchanging, closing, before, idle, busy, after)


async def _exchange(peer: mezha.asyncio.Peer, seed: int, messages: int) -> int:
    traffic = Traffic(seed, most=_MOST)
    for begin in range(0, messages, _WINDOW):
        some = traffic.messages(min(_WINDOW, messages - begin), begin)
        await peer.send_many(some)
        for _ in some:
            traffic.check(await peer.recv())
    return traffic.checked


async def _ask(server: Job, connections: int) -> Usage:
    """Ask what the server uses, once it serves so many."""
    server.go_on(connections)
    answer: Usage = await asyncio.to_thread(server.hear, 60)
    return answer


def _serves(line: Line, loop: str, connections: int) -> None:
    raise_limit_of_descriptors()
    party = PARTIES[loop]

    async def echo(peer: Side) -> None:
        try:
            while True:
                await peer.send(await peer.recv())
        except ClosedByPeer:
            pass

    async def side() -> None:
        async with party.serve(echo, max_connections=connections, backlog=_OPENING) as server:
            line.say(server.port)
            while (expected := await party.aside(line.wait)) is not None:
                await party.aside(lambda: until(lambda: server.connections == expected))
                line.say(usage(party.tasks()))

    party.run(side())


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m fire.load", description="Open many connections at once on one asyncio server."
    )
    parser.add_argument("--connections", type=int, default=5000, help="default: %(default)s")
    parser.add_argument("--messages", type=int, default=20, help="for each connection; default: %(default)s")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio", help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.connections + 100 > (most := raise_limit_of_descriptors()):
        parser.error(f"the system gives this process {most} file descriptors only")
    print(f"-- {arguments.loop}, {system()}")
    print(measure(arguments.connections, arguments.messages, loop=arguments.loop))


if __name__ == "__main__":
    main()
