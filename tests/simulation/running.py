"""Run simulated worlds, count what was in them, and say of one that fails how to see it again."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from simulation.world import Make, World, blurting

__all__ = ["Figures", "run"]

_ROOT = Path(__file__).parent.parent.parent
#: How much of the history a failure shows.
_SHOWN = 30


@dataclass
class Figures:
    """What has been simulated."""

    worlds: int = 0
    steps: int = 0
    #: Virtual seconds.
    seconds: float = 0.0
    messages: int = 0
    bytes: int = 0
    #: How receiving ended, and how often.
    outcomes: Counter[str] = field(default_factory=Counter[str])

    def add(self, world: World) -> None:
        """Count a world."""
        self.worlds += 1
        self.steps += world.steps
        self.seconds += world.wire.now
        self.messages += len(world.received)
        self.bytes += sum(map(len, world.received))
        self.outcomes.update(world.outcomes)

    def __str__(self) -> str:
        outcomes = ", ".join(f"{name} {count}" for name, count in self.outcomes.most_common())
        return (
            f"{self.worlds} worlds, {self.seconds / 3600:.1f} virtual hours, {self.steps} steps, "
            f"{self.messages} messages received of {self.bytes} bytes; the end was {outcomes}"
        )


def run(seeds: Iterable[int], make: Make = blurting) -> Iterator[Figures]:
    """Simulate a world for each seed; yield the figures after each.

    Raises:
        Exception: what went wrong in a world, with a note that says in which, and how to see it again.

    """
    figures = Figures()
    for seed in seeds:
        world = World(seed, make)
        try:
            world.live()
        except Exception as error:
            last = "\n".join(map(str, list(world.wire.trace)[-_SHOWN:]))
            error.add_note(
                f"It was in the world of seed {seed}, at {commit()}. The last that happened there:\n{last}\n"
                f"To see it again: make simulate SEED={seed}"
            )
            raise
        figures.add(world)
        yield figures


def commit() -> str:
    """Say which commit this is."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.strip()

    try:
        changed = " and changes that are not committed" if git("status", "--porcelain") else ""
        return f"commit {git('rev-parse', 'HEAD')}{changed}"
    except (OSError, subprocess.SubprocessError):
        return "a commit that git does not tell"
