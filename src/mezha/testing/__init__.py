"""The test kit, for your own code too: it makes the rare cut happen every time.

- :mod:`~mezha.testing.cuts`: every way to cut and glue a stream.
- :func:`check_framing`: the laws of framings, for your own framing; one by one in :mod:`~mezha.testing.laws`.
- :func:`~mezha.testing.vectors.check_vectors`: what streams mean in each framing, in files for any language.
- :func:`assert_split_invariant`: the law of the cut, for a parser that is not ours.
- :func:`~mezha.testing.conformance.check_flavour`: what every flavour promises, for a flavour of your own.
- :class:`Wire`: two engines joined in virtual time, over a :class:`Line` that delays, cuts and breaks.
- :class:`Script`: a peer on a real socket that says and expects what it is told.
- :class:`~mezha.testing.chaos.Chaos`: a TCP proxy that cuts, glues, delays and breaks connections.
- :mod:`~mezha.testing.strategies`: framings, messages and cuts for Hypothesis (``pip install mezha[testing]``).
"""

from mezha.testing.framings import check_framing
from mezha.testing.line import Line
from mezha.testing.parsers import assert_split_invariant
from mezha.testing.script import Script
from mezha.testing.wire import Wire

__all__ = ["Line", "Script", "Wire", "assert_split_invariant", "check_framing"]
