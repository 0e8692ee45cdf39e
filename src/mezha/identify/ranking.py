"""All framings of the catalogue beside each other: which of them explain a stream, the best first."""

from collections.abc import Iterator

from mezha.framing import Framing, LengthPrefixed
from mezha.framing.names import NAMES, parse_framing
from mezha.identify.evidence import Explanation, explain
from mezha.limits import Limits

__all__ = ["candidates", "identify"]

#: Forms with words of their own, beside the names that mean something alone.
_FORMS = (
    *(f"length:{width}:{order}" for width in (2, 3, 4, 8) for order in ("big", "little")),
    "length:1",
    *(rf"delimited:{marker}" for marker in (r"\0", r"\r\n\r\n", r"\x03", r"\x04", r"\x1e", r"\xff")),
)
#: Headers of protocols that nobody has named: bytes in front of a length, and what it counts.
_OFFSETS = range(9)
_HEADERS = 2 * 3 * len(_OFFSETS) * 3
#: Less evidence than this may be chance.
_ENOUGH = 12.0
#: The most of a stream that is looked at.
_MOST = 1 << 20


def identify(data: bytes, *, limit: int = Limits().max_message, ended: bool = True) -> list[Explanation]:
    """Return the framings that explain a stream, the best first; none, if nothing does.

    Those that explain all of it come before those that leave something over; then the one with more evidence is the
    better: a framing that checks more, as a length, a marker, or a sum, is less likely to have been right by chance. A
    message that is unfinished at the end of a stream that had not ended is no fault. ``limit`` is the largest message
    to believe in, in bytes. The first MiB decides.
    """
    ended = ended and len(data) <= _MOST
    data = data[:_MOST]
    found = [each for form, framing in candidates() if (each := explain(framing, data, limit=limit, form=form)).count]
    found = [each for each in found if each.bits > _ENOUGH]
    best = max((each.bits for each in found), default=0.0)
    for form, framing in _unnamed():
        each = explain(framing, data, limit=limit, form=form)
        # so many have been tried that some fit by chance; and one that merely says the same as a named one says less
        if each.bits - _ENOUGH > _HEADERS.bit_length() and each.bits > 1.25 * best and not each.fault:
            found.append(each)
    return sorted(found, key=lambda each: (each.fault is not None, bool(each.rest) and ended, -each.bits, each.form))


def candidates() -> Iterator[tuple[str, Framing]]:
    """Return the framings of the catalogue that can be tried without knowing more, by their string forms."""
    for form in (*NAMES, *_FORMS):
        try:
            yield form, parse_framing(form)
        except ValueError:
            continue  # it wants words of its own


def _unnamed() -> Iterator[tuple[str, Framing]]:
    """Return framings with a length somewhere in a header that is kept."""
    for width in (2, 3, 4):
        for order in ("big", "little"):
            for offset in _OFFSETS:
                for adjust in dict.fromkeys((0, -width, -(offset + width))):
                    if (offset, adjust) != (0, 0):
                        form = f"length:{width}:{order}:offset={offset}:adjust={adjust}:strip=0"
                        yield form, LengthPrefixed(width, order, offset=offset, adjust=adjust, strip=0)
