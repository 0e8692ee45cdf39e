"""Run the tests of what is compiled under AddressSanitizer and UndefinedBehaviorSanitizer; arguments go to pytest.

Needs gcc on Linux. The first error ends the run.
"""

import os
import subprocess
import sys
from pathlib import Path

from interpreters import supported

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".envs" / "sanitize"
TESTS = ["tests/framing", "tests/test_engine.py", "tests/blocking"]
BUILD = {
    "MEZHA_BUILD": "native",
    "CC": "gcc",
    "CFLAGS": "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g -O1",
    "LDFLAGS": "-fsanitize=address,undefined",
}
RUN = {
    "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter leaks at its end; the tests count references
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "PYTHONMALLOC": "malloc",  # each object in memory of its own, so that nothing hides behind the interpreter's pools
    "HYPOTHESIS_PROFILE": os.environ.get("HYPOTHESIS_PROFILE") or "light",
}


def library(name: str) -> str:
    """Return the path of a library of gcc's."""
    asked = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def main() -> int:
    """Build everything anew, apart from the checkout, and run the tests on it."""
    python = HOME / "bin" / "python"
    subprocess.run([supported()[0], "-m", "venv", "--clear", HOME], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    extra = HOME / "build.cfg"
    extra.write_text(f"[build]\nbuild_base = {HOME / 'build'}\n")  # not what was compiled without the sanitizers
    subprocess.run([*pip, f"{ROOT}[test]"], check=True, env={**os.environ, **BUILD, "DIST_EXTRA_CONFIG": str(extra)})
    arguments = sys.argv[1:] or TESTS
    preload = f"{library('libasan.so')} {library('libubsan.so')}"
    command = [str(python), "-m", "pytest", "-q", "--timeout=300", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **RUN, "LD_PRELOAD": preload}).returncode


if __name__ == "__main__":
    sys.exit(main())
