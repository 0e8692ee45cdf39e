"""The terminal: lines in colour where there is colour, and a progress bar where there is somebody to watch it.

Both come from rich. Without it, or where the output is no terminal, the text is the same, and plain.
"""

import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

from mezha.cli.picture import Line, Style, text_of

__all__ = ["progress", "show", "width"]

_STYLES: dict[Style, str] = {
    "plain": "",
    "title": "bold",
    "heading": "bold",
    "dim": "dim",
    "good": "bold green",
    "bad": "bold red",
    "first": "bold #3d85d9",
    "second": "bold #c2600c",
    "first box": "#ffffff on #1f5fa8",
    "second box": "#3a2200 on #ffc56b",
}
_WIDEST = 100
#: For an output that knows no such letters, a file on Windows say.
_PLAINER = str.maketrans("┌┬┐└┴┘─│█▏▎▍▌▋▊▉✓✗↵←·—…", "++++++-|########+x$<.-~")


def width() -> int:
    """Return how many columns to use."""
    return min(shutil.get_terminal_size().columns, _WIDEST)


def show(lines: Iterable[Line]) -> None:
    """Print lines on the standard output, in colour if it is a terminal and NO_COLOR is not set."""
    paint = _painter()
    for line in lines:
        paint(line)
    sys.stdout.flush()


@contextmanager
def progress(label: str, total: int) -> Generator[Callable[[int], object]]:
    """Show a bar on the standard error while something goes on; yield what to tell how many more steps are done."""
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        bars = None
    else:
        bars = Progress(console=Console(stderr=True), transient=True) if sys.stderr.isatty() else None
    if bars is None:
        yield lambda _: None
        return
    with bars:
        task = bars.add_task(label, total=total)
        yield lambda steps: bars.advance(task, steps)


def _painter() -> Callable[[Line], None]:
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return _print
    console = Console(highlight=False, soft_wrap=True)
    if console.color_system is None or console.no_color:
        return _print
    return lambda line: console.print(Text.assemble(*((span.text, _STYLES[span.style]) for span in line)))


def _print(line: Line) -> None:
    text = text_of(line).rstrip()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = re.sub("[⁰¹²³⁴-⁹]+", lambda digits: "^" + unicodedata.normalize("NFKC", digits[0]), text)
        text = text.translate(_PLAINER)
    print(text)
