"""Run the tests on every supported interpreter found, the default one first; arguments go to pytest.

The laws are tried with many examples on the default interpreter, and with fewer on the others, which leave out what
tells systems apart rather than interpreters. What can be compiled has to be; where there is no compiler, say
``MEZHA_BUILD=pure``. Without arguments, the tests of what has a compiled twin run a second time on the default
interpreter, in plain Python, and it is measured there whether the lower floors are covered. The tests that talk to real
programs run on the default interpreter only; what they need of Debian is installed first.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import debian
from interpreters import supported

ROOT = Path(__file__).parent.parent
#: What the installation is made from, beside the modules themselves.
SOURCES = [ROOT / "pyproject.toml", ROOT / "setup.py", *ROOT.glob("src/**/*.py[xd]")]
#: The tests of what has a compiled twin, and of what stands right on it.
TWINS = ["tests/framing", "tests/test_engine.py", "tests/blocking"]
#: The tests that talk to real programs, which need the extra of that name.
PEERS = "tests/peers"
#: Tests of systems, networks, other programs, and tools of ours: once is enough.
ONCE = [PEERS, "tests/fire", "tests/benchmarks", "tests/fuzz", "tests/test_build.py", "tests/test_docs.py"]
#: Seconds after which a run is taken to hang, in spite of the time limit of each test.
PATIENCE = 1200


def environment(interpreter: str, extras: str) -> Path:
    """Return the Python of a virtual environment for the tests, made if need be; it is new when a source of it is."""
    version = subprocess.run(
        [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    folder = ROOT / ".envs" / version
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "ready"
    if not stamp.exists() or stamp.stat().st_mtime < max(path.stat().st_mtime for path in SOURCES):
        print(f"-- setting up {folder.relative_to(ROOT)}", flush=True)
        subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        build = {"MEZHA_BUILD": "native", **os.environ}
        subprocess.run([*pip, "--editable", f"{ROOT}[{extras}]"], check=True, env=build)
        stamp.touch()
    return python


def passes(python: Path, name: str, arguments: list[str], **settings: str) -> bool:
    """Run pytest, with these settings in the environment, and say whether all is well."""
    print(f"-- {name}", flush=True)
    begun = time.monotonic()
    # Tests of sockets wait for half of their time: two for each core keep it busy.
    workers = f"--numprocesses={2 * (os.cpu_count() or 1)}"
    command = [str(python), "-m", "pytest", "-q", workers, "--dist=worksteal", *arguments]
    # Hundreds of processes are started: what each has compiled is of use to the next.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.Popen(command, cwd=ROOT, env={**kept, **settings}, start_new_session=True)
    try:
        status = run.wait(PATIENCE)
    except BaseException as error:  # a Ctrl-C does not reach another session by itself
        if os.name == "posix":
            os.killpg(run.pid, signal.SIGKILL)  # and whatever the tests have started
        else:
            run.kill()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        print(f"-- {name}: hangs", flush=True)
        return False
    print(f"-- {name}: {time.monotonic() - begun:.0f} s", flush=True)
    return not status


def main() -> int:
    """Run pytest on each interpreter, all of them even if one fails; return the number of failures."""
    if debian.main() and os.environ.get("CI"):
        return 1
    arguments = sys.argv[1:]
    failed: list[str] = []
    quick = {"HYPOTHESIS_PROFILE": os.environ.get("HYPOTHESIS_PROFILE") or "light"}
    for place, interpreter in enumerate(supported()):
        if place and any(argument.startswith(PEERS) for argument in arguments):
            break
        python = environment(interpreter, "test" if place else "peers,test")
        name = f"CPython {python.parent.parent.name}"
        there, settings = ([f"--ignore={path}" for path in ONCE if path not in arguments], quick) if place else ([], {})
        if not passes(python, name, [*arguments, *there], **settings):
            failed.append(name)
        if place or arguments:
            continue
        if not passes(python, f"{name}, plain", TWINS, MEZHA_PURE="1", **quick):
            failed.append(f"{name}, plain")
        print("-- coverage", flush=True)
        if subprocess.run([python, ROOT / "tools" / "coverage_by_module.py"]).returncode:
            failed.append("coverage")
    if failed:
        print(f"-- failed on {', '.join(failed)}", flush=True)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
