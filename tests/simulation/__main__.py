"""Simulate many worlds: a client, a server and a network in each. The same seed makes the same world."""

import argparse
import random
import sys
import time
import traceback

from simulation.running import commit, run
from simulation.world import World

_PROGRESS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="see one world again: print all that happens in it")
    parser.add_argument("--first", type=int, default=random.randrange(10**9), help="the first of the seeds")
    parser.add_argument("--worlds", type=int, default=10_000, help="how many seeds (%(default)s)")
    arguments = parser.parse_args()
    try:
        if arguments.seed is None:
            _many(arguments.first, arguments.worlds)
        else:
            _again(arguments.seed)
    except Exception:  # noqa: BLE001 - whatever it is, it is what was looked for
        traceback.print_exc()
        return 1
    return 0


def _many(first: int, count: int) -> None:
    print(f"-- {count} worlds, from seed {first}, at {commit()}", flush=True)
    begun = last = time.monotonic()
    figures = None
    for figures in run(range(first, first + count)):
        if (now := time.monotonic()) - last > _PROGRESS:
            last = now
            print(f"-- {figures.worlds} worlds, {figures.seconds / 3600:.0f} virtual hours", flush=True)
    print(f"-- {figures}")
    print(f"-- all that was to hold held, in {time.monotonic() - begun:.1f} s")


def _again(seed: int) -> None:
    world = World(seed, remember=None)
    print(world)
    try:
        world.live()
    finally:
        print(*world.wire.trace, sep="\n")
    print(f"-- all that was to hold held: {', '.join(world.outcomes)}")


if __name__ == "__main__":
    sys.exit(main())
