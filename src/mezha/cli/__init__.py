"""The command line: ``mezha`` and a verb, as ``mezha lab``."""

import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper

from mezha.cli.options import FRAMINGS_HELP, Failure
from mezha.errors import MezhaError
from mezha.version import __version__

__all__ = ["VERBS", "main"]

#: Each verb is a module of this package.
VERBS = {
    "lab": "watch TCP lose message boundaries, and mezha keep them",
    "listen": "print every message that arrives",
    "send": "send messages, and wait for replies",
    "echo": "send every message back",
    "chaos": "make the rare cut happen every time",
    "framings": "list the framings, with pictures",
    "identify": "say which framing captured or live bytes are in",
}

_VERB_LINES = "\n".join(f"  {verb:<10}  {text}" for verb, text in VERBS.items())
_HELP = f"""\
usage: mezha VERB [options]

mezha gives TCP back its message boundaries: one send is one recv, always whole.

verbs:
{_VERB_LINES}

options:
  -h, --help  show this; `mezha VERB --help` says more about a verb
  --version   show the version

examples:
  mezha lab                                      one minute that explains it all
  mezha listen 9000 --framing lines              in one terminal,
  mezha send 9000 --framing lines Hello! World!  and in another

{FRAMINGS_HELP}
"""

#: As shells count them: 128 and the number of the signal.
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code: 0, 1 for a failure, 2 for a call it does not understand."""
    words = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # never fail for a letter that the terminal does not have
            stream.reconfigure(errors="backslashreplace")
    if not words:
        print(_HELP, end="", file=sys.stderr)
        return 2
    verb, *rest = words
    if verb in ("-h", "--help"):
        return _report("mezha", lambda: print(_HELP, end=""))
    if verb == "--version":
        return _report("mezha", lambda: print(f"mezha {__version__}"))
    if verb not in VERBS:
        print(f"mezha: there is no verb {verb!r}; there are {', '.join(VERBS)} (see mezha --help)", file=sys.stderr)
        return 2
    return _report(f"mezha {verb}", lambda: _verb(verb)(rest))


def _verb(name: str) -> Callable[[Sequence[str]], int]:
    """Import a verb, and only that one."""
    run: Callable[[Sequence[str]], int] = importlib.import_module(f"mezha.cli.{name}").run
    return run


def _report(name: str, run: Callable[[], int | None]) -> int:
    """Run it, and return the exit code; what can be expected to go wrong is told in one line, without a traceback."""
    logging.basicConfig(format=f"{name}: %(message)s")
    try:
        status = run()
        sys.stdout.flush()
        return status or 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return _BROKEN_PIPE
    except (Failure, MezhaError, OSError) as error:
        print(f"{name}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 1
