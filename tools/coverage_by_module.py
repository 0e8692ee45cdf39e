"""Say which lines and branches of floors 0 to 3 are not covered by the module's own tests alone, in plain Python.

``src/mezha/framing/length.py`` has to be covered by ``tests/framing/test_length.py``, whatever else the other tests
happen to run: what is tested only by accident is tested by nobody. Arguments name modules (``framing/length``).
"""

import io
import multiprocessing
import os
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).parent.parent
#: The test modules of those that have another than their own name says, or more than one.
TESTS = {
    "__init__": ["test_surface"],
    "version": ["test_surface"],
    "framing/__init__": ["framing/test_base"],
    "session/__init__": ["session/test_states"],
    "session/events": ["session/test_session"],
    "session/stats": ["session/test_session"],
    "framing/_plain": ["framing/test_kernels", "framing/test_twins", "framing/test_doors"],
}
SETTINGS = {"MEZHA_PURE": "1", "HYPOTHESIS_PROFILE": "few"}
#: What takes a MiB byte by byte is slow, and what takes all memory leaves none to measure with: neither covers more.
LEFT_OUT = "not mib and not without_memory and not all_memory"
#: Without what takes a process longer to load than many a module to test.
PYTEST = ["-q", "--assert=plain", *("-p", "no:cacheprovider"), *("-p", "no:anyio"), *("-p", "no:xdist"), "-k", LEFT_OUT]


def modules() -> list[str]:
    """Return the modules of floors 0 to 3, as paths inside mezha."""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_floors import FLOORS, modules, top

    return [module for module in modules() if FLOORS[top(module)] <= FLOORS["session"]]


def tests_of(module: str) -> tuple[str, ...]:
    """Return the paths of the test modules of a module."""
    folder, _, name = module.rpartition("/")
    return tuple(f"tests/{test}.py" for test in TESTS.get(module, [f"{folder}/test_{name}".lstrip("/")]))


def uncovered(group: tuple[tuple[str, ...], list[str]]) -> dict[str, str]:
    """Run tests; return for each module that they have to cover what went wrong, or what they leave out, or nothing."""
    tests, covered = group
    paths = {module: f"src/mezha/{module}.py" for module in covered}
    text = io.StringIO()
    measured = coverage.Coverage(data_file=None, branch=True, include=[*paths.values()], messages=False)
    with redirect_stdout(text), measured.collect():
        failed = pytest.main([*PYTEST, *tests])
    if failed:
        return dict.fromkeys(covered, text.getvalue())
    return {module: _left_out(measured, path) for module, path in paths.items()}


def _left_out(measured: coverage.Coverage, path: str) -> str:
    text = io.StringIO()
    percent = measured.report(include=[path], file=text, show_missing=True)
    return text.getvalue() if percent < 100 else ""


def main() -> int:
    """Measure the modules named, or all; return how many are not covered."""
    os.chdir(ROOT)
    os.environ.update(SETTINGS)
    failed = 0
    import_module("hypothesis.stateful")  # once, for all of the processes
    # Each group has a process of its own, in which nothing of mezha has been imported yet.
    with multiprocessing.get_context("fork" if os.name == "posix" else "spawn").Pool(maxtasksperchild=1) as pool:
        wanted = sys.argv[1:] or pool.apply(modules)
        groups: dict[tuple[str, ...], list[str]] = {}
        for module in wanted:
            groups.setdefault(tests_of(module), []).append(module)
        for tests, found in zip(groups, pool.imap(uncovered, groups.items(), chunksize=1), strict=True):
            for module, missing in found.items():
                failed += bool(missing)
                print(f"{module}: {'not ' if missing else ''}covered by {' '.join(tests)}", flush=True)
                print(missing, end="")
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
