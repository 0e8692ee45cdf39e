"""What is said of a message over the limit: its size as far as it is known, and whose limit it is."""

from mezha.framing import oversize


def test_a_size_that_was_announced() -> None:
    error = oversize.announced(11, 10)
    assert str(error) == "the peer announced a message of 11 bytes; this side takes at most 10 (max_message)"
    assert (error.size, error.limit) == (11, 10)


def test_a_size_that_may_still_grow() -> None:
    error = oversize.at_least(11, 10)
    assert str(error) == "the peer announced a message of 11 bytes or more; this side takes at most 10 (max_message)"
    assert (error.size, error.limit) == (None, 10)


def test_no_end_in_sight() -> None:
    error = oversize.unended(10)
    assert str(error) == (
        "the peer sent more than 10 bytes without ending the message; this side takes at most 10 (max_message)"
    )
    assert (error.size, error.limit) == (None, 10)
