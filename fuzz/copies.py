"""mezha twice in one process, as it is compiled and in plain Python, so that one can be held against the other."""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple
from unittest.mock import patch

from mezha.engine import Framed
from mezha.framing import Framing, kernels, parse_framing
from mezha.limits import Limits
from mezha.session import Session

__all__ = ["COPIES", "Copy"]


class Copy(NamedTuple):
    """What there is once in each copy. Their types are their own: of two copies, values can be compared, and names."""

    parse_framing: Callable[[str], Framing]
    framed: type[Framed]
    session: type[Session]
    limits: type[Limits]


def _plain() -> Copy:
    """Import mezha once more, without what is compiled."""
    with patch.dict(sys.modules), patch.dict(os.environ, MEZHA_PURE="1"):
        for name in [name for name in sys.modules if name.split(".")[0] == "mezha"]:
            del sys.modules[name]
        return Copy(
            import_module("mezha.framing").parse_framing,
            import_module("mezha.engine").Framed,
            import_module("mezha.session").Session,
            import_module("mezha.limits").Limits,
        )


#: Both copies where mezha is compiled; where it is not, the plain one alone.
COPIES = [Copy(parse_framing, Framed, Session, Limits), *([_plain()] if kernels.accelerated else [])]
