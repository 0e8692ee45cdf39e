"""The framings that forgive, compiled and in plain Python: whatever is wrong, they go on, count, and tell.

Invariant: of a stream cut anywhere, both twins make the same as of the whole stream: messages, faults in their places,
how many bytes were dropped, and how it ends. Up to the first fault it is what ``split`` alone says, and that fault is
told, or raised again and again.

Allowed: FramingError, TruncatedMessage and MessageTooLarge, from ``take``, where they are not forgiven.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from fuzz.choices import LIMITS, Choices, framing
from fuzz.copies import COPIES
from fuzz.model import Fault, Model, agreed, attempt, fault_of
from mezha.framing import Forgiving, Framing, parse_framing

__all__ = ["check"]

ALLOWED = ("FramingError", "TruncatedMessage", "MessageTooLarge")


class Outcome(NamedTuple):
    """What a decoder makes of a stream."""

    #: Messages, and the faults that were told.
    found: list[bytes | Fault]
    end: Fault | None
    dropped: int
    forgiven: int


def check(data: bytes) -> None:
    """Read the bytes in one piece and in many."""
    choices = Choices(data)
    form, limit = framing(choices), choices.one_of(LIMITS)
    form = choices.one_of(("skip:", "resync:", "skip:checked:sum8:", "resync:checked:xor8:")) + form
    try:
        some = [copy.parse_framing(form) for copy in COPIES]
        model = Model(parse_framing(form), limit)
        _ = [one.decoder(limit=limit) for one in some]
    except ValueError:  # there is no such framing, it cannot forgive, or none has such a limit
        return
    sizes = [1 + choices.below(9) for _ in range(1 + choices.below(4))]
    stream = choices.piece(1 << 12)
    whole = agreed(some, lambda one: _read(one, limit, [stream]))
    assert agreed(some, lambda one: _read(one, limit, _cut(stream, sizes))) == whole
    model.feed(stream)
    model.feed(b"")
    expected: list[bytes] = []
    while isinstance(run := model.take(100), list) and run:
        expected += run
    assert whole.found[: len(expected)] == expected
    fault = run if isinstance(run, Fault) else None
    if fault and fault.name != "TruncatedMessage":
        assert fault in (*whole.found[len(expected) :][:1], whole.end)
    else:
        assert whole == Outcome([*expected], fault, 0, 0)


def _cut(stream: bytes, sizes: Sequence[int]) -> list[bytes]:
    pieces: list[bytes] = []
    while stream:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


def _read(framing: Framing, limit: int, pieces: Sequence[bytes]) -> Outcome:
    decoder = cast("Forgiving", framing.decoder(limit=limit))
    found: list[bytes | Fault] = []
    decoder.tell = lambda error: found.append(fault_of(error))
    for piece in (*pieces, b""):
        decoder.feed(piece)
        while run := attempt(lambda: decoder.take(3)):
            if isinstance(run, Fault):
                assert run.name in ALLOWED
                assert attempt(decoder.take) == run
                return Outcome(found, run, decoder.dropped, decoder.forgiven)
            found += run
    assert not decoder.ready
    assert not decoder.buffered
    return Outcome(found, None, decoder.dropped, decoder.forgiven)
