"""The hot loops, compiled or in plain Python: the one place that chooses.

They are compiled when mezha is installed, where there is a compiler. ``MEZHA_PURE=1`` in the environment forces plain
Python, which does the same, slower.
"""

import os

__all__ = ["accelerated", "delimited_kernel", "length_kernel", "varint_run"]

#: Whether the hot loops run compiled.
accelerated: bool = os.environ.get("MEZHA_PURE", "0") in ("", "0")

if accelerated:
    try:
        from mezha.framing._native import delimited_kernel, length_kernel, varint_run
    except ModuleNotFoundError:  # it was not compiled; that it was and does not load should be known
        accelerated = False
if not accelerated:
    from mezha.framing._plain import delimited_kernel, length_kernel, varint_run
