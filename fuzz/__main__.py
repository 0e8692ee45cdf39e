"""``python -m fuzz``: fuzz the targets one after another, and say how far it came.

Needs atheris (``pip install 'mezha[fuzz]'``). Without ``--keep`` nothing in the checkout changes.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from fuzz.corpus import load, path, save
from fuzz.targets import TARGETS

ROOT = Path(__file__).parent.parent
#: So that a run with the same number of executions is the same run.
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
#: Seconds for one input and MiB for all: a promise of mezha is that neither is needed.
LIMITS = ["-timeout=20", "-rss_limit_mb=1024"]


class Outcome(NamedTuple):
    """How far the fuzzing of a target came."""

    executions: int
    #: Branches of mezha's Python that were taken, in both copies; and with how often each was taken, roughly.
    edges: int
    features: int
    #: How many inputs show all that was seen.
    inputs: int


def main() -> int:
    """Fuzz; return how many targets broke their promise."""
    options = _options()
    broken = 0
    print(
        f"{'target':12}{'executions':>12}{'edges':>8}{'features':>10}{'inputs':>8}{'kept':>6}{'bytes':>8}", flush=True
    )
    for target in options.target or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            outcome = _fuzz(target, Path(folder), options.seed, options.runs, options.seconds)
            if outcome is None:
                broken += 1
                continue
            if options.keep:
                _keep(target, Path(folder))
        kept = load(target)
        print(f"{target:12}" + "{:>12}{:>8}{:>10}{:>8}".format(*outcome) + f"{len(kept):>6}{sum(map(len, kept)):>8}")
    return broken


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help=f"all if none is named: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--runs", type=int, help="executions of each target instead: always the same ones")
    parser.add_argument("--seed", type=int, default=1, help="other executions (default: 1)")
    parser.add_argument("--keep", action="store_true", help="write the corpus anew: the fewest inputs that show it all")
    options = parser.parse_args()
    if unknown := set(options.target) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    return options


def _fuzz(target: str, folder: Path, seed: int, runs: int | None, seconds: int) -> Outcome | None:
    """Fuzz one target; print what it found and return None if its promise is broken."""
    kept, new, seeds = folder / "kept", folder / "new", folder / "seeds"
    kept.mkdir()
    new.mkdir()
    for number, data in enumerate(load(target)):
        (kept / str(number)).write_bytes(data)
    seeds.write_text(",".join(str(kept / str(number)) for number in range(len(load(target)))))  # in an order of its own
    length = f"-max_total_time={seconds}" if runs is None else f"-runs={runs}"
    log = _child(
        target, f"-seed={seed}", length, *LIMITS, f"-artifact_prefix={folder}/found-", f"-seed_inputs=@{seeds}", new
    )
    done = re.search(r"^#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)/", log, re.MULTILINE)
    if done:
        return Outcome(*map(int, done.groups()))
    print(log, file=sys.stderr)
    for found in folder.glob("found-*"):
        print(f"-- {target} broke its promise for the input {found.read_bytes().hex()}")
        print(f"-- add that line to {path('found', target).relative_to(ROOT)}: the tests fail until it is mended")
    return None


def _keep(target: str, folder: Path) -> None:
    (folder / "merged").mkdir()
    log = _child(target, "-set_cover_merge=1", *LIMITS, folder / "merged", folder / "kept", folder / "new")
    merged = [path.read_bytes() for path in (folder / "merged").iterdir()]
    if not merged:
        raise SystemExit(f"nothing was merged:\n{log}")
    save(target, merged)


def _child(target: str, *arguments: str | Path) -> str:
    """Run libFuzzer, and return what it said."""
    command = [sys.executable, "-W", "error", "-m", "fuzz.child", target, *map(str, arguments)]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
