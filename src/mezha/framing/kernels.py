"""The hot loops, compiled or in plain Python: the one place that chooses.

They are compiled when mezha is installed, where there is a compiler. ``MEZHA_PURE=1`` in the environment forces plain
Python, which does the same, slower.
"""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

__all__ = [
    "Buffer",
    "Outgoing",
    "accelerated",
    "delimited_kernel",
    "fixed_kernel",
    "length_kernel",
    "netstring_run",
    "varint_run",
]

#: Whether the hot loops run compiled.
accelerated: bool = os.environ.get("MEZHA_PURE", "0") in ("", "0") and find_spec("mezha.framing._native") is not None

if TYPE_CHECKING or not accelerated:
    from mezha.framing._plain import (
        Buffer,
        Outgoing,
        delimited_kernel,
        fixed_kernel,
        length_kernel,
        netstring_run,
        varint_run,
    )
else:
    from mezha.framing._native import (
        Buffer,
        Outgoing,
        delimited_kernel,
        fixed_kernel,
        length_kernel,
        netstring_run,
        varint_run,
    )
