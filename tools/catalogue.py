"""Write the catalogue of docs/framings.md anew, from the docstrings of the framings: ``make catalogue``."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

from mezha.cli.options import FRAMINGS
from mezha.framing import Framing
from mezha.framing.names import NAMES, PREFIXES

__all__ = ["PAGE", "catalogue", "written"]

PAGE = Path(__file__).parent.parent / "docs" / "framings.md"
_BEGIN, _END = "<!-- catalogue: written by make catalogue -->\n", "<!-- catalogue: end -->\n"


def catalogue() -> str:
    """Return the section of each framing: its string form and what its docstring says."""
    sections: list[str] = []
    kinds: dict[str, Callable[..., Framing]] = {**NAMES, **PREFIXES}
    for name, kind in kinds.items():
        form, meaning = FRAMINGS[name]
        text = _markdown(inspect.getdoc(kind) or "")
        sections.append(f"### `{name}`: {getattr(kind, '__name__', name)}\n\n`{form}`: {meaning}.\n\n{text}\n")
    return "\n".join(sections)


def written(page: str) -> str:
    """Return the page with the catalogue as it is now."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise SystemExit(f"{PAGE.name} has no place for the catalogue, between {_BEGIN!r} and {_END!r}")
    return f"{before}{begin}\n{catalogue()}\n{end}{after}"


def _markdown(text: str) -> str:
    """Turn a docstring into Markdown: pictures in fences, names in single backticks, ``Raises:`` in a sentence."""
    lines: list[str] = []
    picture = False
    for line in text.splitlines():
        if picture and line and not line.startswith("    "):
            while not lines[-1]:
                del lines[-1]
            lines += ["```", ""]
            picture = False
        if not picture and line.endswith("::"):
            lines += [line[:-2] + ":" if line != "::" else "", "", "```text"]
            picture = True
        elif not (picture and not line and lines[-1] == "```text"):
            lines.append(line[4:] if picture else line)
    if picture:
        while not lines[-1]:
            del lines[-1]
        lines.append("```")
    joined = re.sub(r"``(.+?)``", r"`\1`", re.sub(r":\w+:`(.+?)`", r"`\1`", "\n".join(lines)))
    joined = re.sub(r"\n\nRaises:\n((?:    .*\n?|\n)+)", _raises, joined + "\n")
    return re.sub(r"\n{3,}", "\n\n", joined).strip()


def _raises(match: re.Match[str]) -> str:
    words = re.sub(r"\b([A-Z]\w+Error): ", r"`\1`: ", " ".join(match[1].split()))
    return f"\n\nRaises {words}\n"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
