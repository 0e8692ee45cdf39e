"""The test kit, for your own code too: it makes the rare cut happen every time.

- :mod:`~mezha.testing.cuts`: every way to cut and glue a stream.
- :func:`check_framing`: the laws of framings, for your own framing; one by one in :mod:`~mezha.testing.laws`.
- :func:`assert_split_invariant`: the law of the cut, for a parser that is not ours.
- :mod:`~mezha.testing.strategies`: the same for Hypothesis (``pip install mezha[testing]``).
"""

from mezha.testing.framings import check_framing
from mezha.testing.parsers import assert_split_invariant

__all__ = ["assert_split_invariant", "check_framing"]
