"""``mezha framings``: the catalogue, with pictures of the bytes."""

import inspect
import re
from collections.abc import Sequence

from mezha.cli.options import FRAMINGS, Parser
from mezha.framing.names import NAMES, PREFIXES

__all__ = ["run"]


def run(words: Sequence[str]) -> int:
    """Show all framings, or all that is known of some."""
    parser = Parser(
        "framings",
        usage="mezha framings [NAME ...]",
        description="List the framings, each with a picture of its bytes; with a NAME, show all that\n"
        "is to be known of it: what its message is, its limits, its specification.",
        epilog="""\
examples:
  mezha framings
  mezha framings mllp
  mezha framings --names""",
    )
    parser.arguments.add_argument("names", metavar="NAME", nargs="*", help="the first word of a string form")
    parser.arguments.add_argument("--names", dest="only_names", action="store_true", help="list the names, a line each")
    options = parser.parse(words)
    known = {**NAMES, **PREFIXES}
    for name in options.names:
        if name not in known:
            parser.error(f"no framing is called {name!r}; there are {', '.join(known)}")
    for place, name in enumerate(options.names or known):
        form, meaning = FRAMINGS[name]
        if options.only_names:
            print(f"{form:<17} {meaning}")
            continue
        print(("\n" if place else "") + f"{form}: {meaning}\n")
        text = inspect.getdoc(known[name]) or ""
        print(_indented(_plain(text) if options.names else _picture(text)))
    return 0


def _picture(text: str) -> str:
    """Return the first picture in a docstring, or its first sentence if it has none."""
    found = re.search(r"::\n\n((?:    .*\n|\n)+)", text + "\n")
    return inspect.cleandoc(found[1]) if found else _plain(text.partition("\n\n")[0])


def _plain(text: str) -> str:
    """Take the marks out that a docstring has for other readers."""
    return re.sub(r"::$", ":", text, flags=re.MULTILINE).replace("``", "").strip().removesuffix("\n:")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
