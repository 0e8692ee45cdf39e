"""The fenced blocks of a document, and the marks in front of them, which say what each block must agree with.

A mark is the line right before the fence. Paths count from the root of the repository::

    <!-- file: examples/echo.py -->                  the whole file
    <!-- excerpt of: examples/echo.py -->            lines of it
    <!-- change: examples/a.py examples/b.py -->     what to change in the first to get the second, docstrings apart
    <!-- output of: examples/echo.py -->             what the program prints
    <!-- output on Linux of: examples/echo.py -->    what it prints there, if the machine is left in peace
    <!-- diagram of: STREAM from GREETING -->        a table of states, drawn
    <!-- scene: closing, the side closes -->         a scene of the protocol, drawn

A line ``...`` in an excerpt or an output stands for lines left out. A block in a language that nobody runs (``text``,
``console``) needs no mark.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import pytest

from mezha.session import states
from mezha.testing.scenes import draw, scenes

__all__ = ["ROOT", "Block", "blocks", "change", "check", "drawing", "run", "scene"]

ROOT = Path(__file__).resolve().parent.parent

_QUICKLY = Path(__file__).with_name("quickly.py")
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[\w ]+): (?P<subject>.+) -->\n)?```(?P<language>\w*)\n(?P<text>(?s:.*?))^```$", re.MULTILINE
)
_NEEDS_NO_MARK = ("console", "text")
_DOCSTRING = re.compile(r'"""[^"]*"""\n\n')
_PEACE = 5


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; mark and subject are empty where it has none."""

    document: str
    line: int
    mark: str
    subject: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: str) -> list[Block]:
    """Return the fenced blocks of a document."""
    text = _read(document)
    return [
        Block(document, text.count("\n", 0, match.start()) + 1, *(match[name] or "" for name in _BLOCK.groupindex))
        for match in _BLOCK.finditer(text)
    ]


def check(block: Block) -> None:
    """Assert that the block is true."""
    match block.mark:
        case "file":
            assert block.text == _read(block.subject)
        case "excerpt of":
            assert re.search("(?m)^" + _pattern(block.text), _read(block.subject)), f"no such lines:\n{block.text}"
        case "change":
            assert block.text == change(*block.subject.split())
        case "output of":
            printed = run(block.subject)
            assert re.fullmatch(_pattern(block.text), printed), f"it printed:\n{printed}"
        case "output on Linux of":
            if sys.platform != "linux":
                pytest.skip("the document speaks of Linux")
            # It depends on how soon the system acts, and there may be other work for it.
            assert block.text in [run(block.subject) for _ in range(_PEACE)]
        case "diagram of":
            assert block.text == drawing(*block.subject.split(" from "))
        case "scene":
            assert block.text == scene(*block.subject.split(", ", maxsplit=1))
        case "":
            assert block.language in _NEEDS_NO_MARK, "nothing says what proves this block"
        case unknown:
            raise AssertionError(f"no mark is called {unknown!r}")


def run(program: str) -> str:
    """Run a program without its waiting, on a free port, and return what it printed; it must do nothing else."""
    done = subprocess.run(
        [sys.executable, _QUICKLY, ROOT / program], capture_output=True, encoding="utf-8", timeout=30, check=False
    )
    assert not done.stderr, done.stderr
    assert done.returncode == 0
    return done.stdout


def change(before: str, after: str) -> str:
    """Return the lines to change, with those next to them; an empty line separates the places."""
    old, new = (_DOCSTRING.sub("", _read(file), count=1).splitlines(keepends=True) for file in (before, after))
    lines = list(unified_diff(old, new, n=1))[2:]  # without the names of the files
    text = "".join("\n" if line == " \n" or line.startswith("@@") else line for line in lines)
    return re.sub("\n{3,}", "\n\n", text).strip("\n") + "\n"


def drawing(table: str, first: str) -> str:
    """Draw a table of states by its name, from the state of that name."""
    arrows: states.Table[states.Stream] = getattr(states, table)
    (state,) = {state for state, _ in arrows if state.name == first}
    return states.diagram(arrows, state)


def scene(file: str, name: str) -> str:
    """Draw a scene by its file and name."""
    (found,) = (scene for scene in scenes(file) if scene.name == name)
    return draw(found)


def _read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def _pattern(shown: str) -> str:
    lines = shown.splitlines(keepends=True)
    return "".join("(?:.*\n)*?" if line.strip() == "..." else re.escape(line) for line in lines)
