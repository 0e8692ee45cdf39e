"""Run the tests on every supported interpreter found, the default one first; arguments go to pytest.

The laws are tried with many examples on the default interpreter, and with fewer on the others.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from interpreters import supported

ROOT = Path(__file__).parent.parent


def environment(interpreter: str) -> Path:
    """Return the Python of a virtual environment for the tests, made if need be; it is new when pyproject.toml is."""
    version = subprocess.run(
        [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    folder = ROOT / ".envs" / version
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "ready"
    if not stamp.exists() or stamp.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        print(f"-- setting up {folder.relative_to(ROOT)}", flush=True)
        subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--editable", f"{ROOT}[test]"], check=True)
        stamp.touch()
    return python


def main() -> int:
    """Run pytest on each interpreter, all of them even if one fails; return the number of failures."""
    failed: list[str] = []
    quick = {**os.environ, "HYPOTHESIS_PROFILE": os.environ.get("HYPOTHESIS_PROFILE") or "light"}
    for place, interpreter in enumerate(supported()):
        python = environment(interpreter)
        name = python.parent.parent.name
        print(f"-- CPython {name}", flush=True)
        begun = time.monotonic()
        pytest = [str(python), "-m", "pytest", "-q", "--numprocesses=auto", "--dist=worksteal", *sys.argv[1:]]
        if subprocess.run(pytest, cwd=ROOT, env=quick if place else None).returncode:
            failed.append(name)
        print(f"-- CPython {name}: {time.monotonic() - begun:.0f} s", flush=True)
    if failed:
        print(f"-- failed on CPython {', '.join(failed)}", flush=True)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
