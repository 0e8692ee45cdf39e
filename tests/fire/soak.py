"""Connections come and go for hours, and nothing may grow: ``python -m fire.soak --seconds 3600``.

For each flavour there is a server, and a process of clients. They go on in rounds. In a round, clients at once open one
connection after another and have messages of all sizes echoed; they lose patience now and then, in ``send`` and in
``recv``, and end in order or by cutting the connection. Every message is checked. After a round all connections are
closed, and both processes say what they use.
"""

import argparse
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from fire.forker import Forker, Job, Line
from fire.parties import HOST, PARTIES, Party, Side
from fire.traffic import Traffic
from fire.usage import Usage, raise_limit_of_descriptors, system, usage
from waiting import PATIENCE

from mezha import SendTimeout, Timeouts

__all__ = ["Soak", "soak"]

#: Clients at once, and connections that each opens in a round, one after another.
_CLIENTS = 16
_VISITS = 8
#: Seconds that are too few, as a rule.
_HASTE = (0.0, 0.0001, 0.001)
#: The share of calls that have no more than that.
_SHARE = 0.2
#: Rounds before everything that is kept once is there.
_WARM = 4


@dataclass
class Soak:
    """What came out for one flavour."""

    flavour: str
    rounds: int = 0
    connections: int = 0
    messages: int = 0
    #: Calls that lost patience, and connections that were cut.
    impatient: int = 0
    cut: int = 0
    #: What the server and the clients used after each round.
    server: list[Usage] = field(default_factory=list[Usage])
    clients: list[Usage] = field(default_factory=list[Usage])

    def growth(self, of: Callable[[Usage], int]) -> list[float]:
        """Return by how much the server's and the clients' use grows with each connection, over all rounds but few."""
        each = self.connections / self.rounds
        rows = [[of(one) for one in side[_WARM:]] for side in (self.server, self.clients)]
        return [statistics.linear_regression(range(len(row)), row).slope / each for row in rows]

    def steady(self) -> bool:
        """Say whether file descriptors, threads and tasks are as many in the end as in the beginning."""
        return not any(side[-1].leaves(side[_WARM]) for side in (self.server, self.clients))

    def __str__(self) -> str:
        first, last = self.server[_WARM], self.server[-1]
        memory = ", ".join(f"{each:+.1f}" for each in self.growth(lambda used: used.memory))
        blocks = ", ".join(f"{each:+.3f}" for each in self.growth(lambda used: used.blocks))
        return (
            f"{self.flavour}: {self.connections} connections, {self.messages} messages, "
            f"{self.impatient} calls given up, {self.cut} connections cut\n"
            f"    server: memory {first.memory >> 10} -> {last.memory >> 10} KiB, "
            f"blocks {first.blocks} -> {last.blocks}, "
            f"file descriptors {first.descriptors} -> {last.descriptors}, threads {first.threads} -> {last.threads}, "
            f"tasks {first.tasks} -> {last.tasks}\n"
            f"    growth with each connection (server, clients): bytes {memory}, blocks {blocks}"
        )


def soak(
    seconds: float, *, flavours: list[str], seed: int = 0, say: Callable[[str], None] = lambda text: None
) -> list[Soak]:
    """Go on for so long with all flavours in turn, and at least for a few rounds."""
    soaks = [Soak(flavour) for flavour in flavours]
    until_then = time.monotonic() + seconds
    said = time.monotonic()
    with ExitStack() as stack:
        forker = stack.enter_context(Forker())
        jobs: list[tuple[Job, Job]] = []
        for flavour in flavours:
            server = stack.enter_context(forker.start(_serves, flavour))
            jobs.append((server, stack.enter_context(forker.start(_visits, flavour, server.hear()))))
        while time.monotonic() < until_then or soaks[0].rounds < 2 * _WARM:
            for one, (server, clients) in zip(soaks, jobs, strict=True):
                _round(one, server, clients, seed + one.rounds)
            if time.monotonic() > said + 60:
                said = time.monotonic()
                for one in soaks:
                    say(str(one))
        for server, clients in jobs:
            for job in (clients, server):
                job.go_on()
                job.result()
    return soaks


def _round(one: Soak, server: Job, clients: Job, seed: int) -> None:
    clients.go_on(seed)
    messages, impatient, cut, used = clients.hear(10 * PATIENCE)
    server.go_on("usage")
    one.clients.append(used)
    one.server.append(server.hear(2 * PATIENCE))
    one.rounds += 1
    one.connections += _CLIENTS * _VISITS
    one.messages += messages
    one.impatient += impatient
    one.cut += cut


# -- the server --------------------------------------------------------------------------------------------------------


def _serves(line: Line, flavour: str) -> None:
    logging.disable()  # of connections that were cut
    party = PARTIES[flavour]

    async def echo(peer: Side) -> None:
        while True:
            await peer.send(await peer.recv())

    async def side() -> None:
        async with party.serve(echo) as server:
            tasks = party.tasks()
            line.say(server.port)
            while await party.aside(line.wait):
                await party.rest(tasks, server)
                line.say(usage(party.tasks()))

    party.run(side())


# -- the clients -------------------------------------------------------------------------------------------------------


@dataclass
class _Tally:
    messages: int = 0
    impatient: int = 0
    cut: int = 0


def _visits(line: Line, flavour: str, port: int) -> None:
    party = PARTIES[flavour]

    async def side() -> None:
        tasks = party.tasks()
        while (seed := await party.aside(line.wait)) is not None:
            tally = _Tally()
            await party.together(partial(_client, party, port, f"{seed} {number}", tally) for number in range(_CLIENTS))
            await party.rest(tasks)
            line.say((tally.messages, tally.impatient, tally.cut, usage(party.tasks())))

    party.run(side())


async def _client(party: Party, port: int, seed: str, tally: _Tally) -> None:
    choice = random.Random(seed)
    for _ in range(_VISITS):
        peer = await party.connect(HOST, port, timeouts=Timeouts(close=PATIENCE))
        # Who sends much before it listens, to somebody who does the same, waits for ever.
        most, window = choice.choice(((1 << 8, 20), (1 << 12, 10), (1 << 18, 1)))
        traffic = Traffic(choice.getrandbits(30), most=most)
        for _ in range(choice.randrange(10)):
            messages = traffic.messages(choice.randint(1, window), traffic.checked)
            for message in messages:
                await _send(peer, message, choice, tally)
            for _ in messages:
                traffic.check(await _recv(peer, choice, tally))
        if choice.random() < 0.3:
            tally.cut += 1
            await peer.send(traffic.message(traffic.checked))  # and it is gone before the answer comes
            peer.abort()
        await peer.close()
        tally.messages += traffic.checked


async def _send(peer: Side, message: bytes, choice: random.Random, tally: _Tally) -> None:
    if choice.random() < _SHARE:
        try:
            await peer.send(message, choice.choice(_HASTE))
        except SendTimeout as late:  # of the blocking flavour, which may have begun it
            tally.impatient += 1
            if late.sent:
                return
        except TimeoutError:
            tally.impatient += 1
        else:
            return
    await peer.send(message, PATIENCE)


async def _recv(peer: Side, choice: random.Random, tally: _Tally) -> bytes:
    if choice.random() < _SHARE:
        try:
            return await peer.recv(choice.choice(_HASTE))
        except TimeoutError:
            tally.impatient += 1
    return await peer.recv(PATIENCE)


def main() -> None:
    """Soak, and print what came of it each minute."""
    parser = argparse.ArgumentParser(
        prog="python -m fire.soak", description="Let connections come and go, and see that nothing grows."
    )
    parser.add_argument("--seconds", type=float, default=60, help="default: %(default)s")
    parser.add_argument("--flavours", nargs="+", choices=PARTIES, default=list(PARTIES), metavar="FLAVOUR")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    arguments = parser.parse_args()
    raise_limit_of_descriptors()
    soaks = soak(arguments.seconds, flavours=arguments.flavours, seed=arguments.seed, say=partial(print, flush=True))
    print(f"-- {system()}")
    print(*soaks, sep="\n")
    sys.exit(not all(one.steady() for one in soaks))


if __name__ == "__main__":
    main()
