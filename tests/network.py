"""Hypothesis strategies for the network of a wire."""

from hypothesis import strategies as st

from mezha.testing.line import Line

__all__ = ["lines"]


def lines(*, breaks: bool = False) -> st.SearchStrategy[Line]:
    """Every kind of line, for streams of some hundred bytes; one that breaks only if so asked."""
    seconds = st.floats(0, 5, allow_subnormal=False)
    return st.builds(
        Line,
        latency=seconds | st.tuples(seconds, seconds).map(lambda some: (min(some), max(some))),
        bandwidth=st.none() | st.floats(10, 1e6),
        cut=st.sampled_from(("random", "never")) | st.integers(1, 50) | st.lists(st.integers(0, 300), max_size=8),
        glue=st.just(0.0) | seconds,
        window=st.integers(1, 20) | st.just(64 << 10),
        break_at=st.none() | st.integers(0, 300) if breaks else st.none(),
    )
