"""``python -m fuzz.child TARGET ...``: fuzz one target in this process; what follows its name goes to libFuzzer."""

import shlex
import sys
from importlib import import_module


def main() -> None:
    """Hand the target to libFuzzer, which ends the process."""
    target, *arguments = sys.argv[1:]
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["mezha"], exclude=["mezha.testing.laws"]):  # not who judges
        from fuzz.targets import check_of

        check = check_of(target)
    # libFuzzer calls itself by the first word, to merge.
    itself = shlex.join([sys.executable, "-W", "error", "-m", "fuzz.child", target])
    atheris.Setup([itself, *arguments], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
