"""All framings of the catalogue beside each other: which of them explain a stream, the best first."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from mezha.framing import Framing, LengthPrefixed
from mezha.framing.names import NAMES, parse_framing
from mezha.identify.evidence import Explanation, explain
from mezha.limits import Limits

__all__ = ["candidates", "identify"]

#: The first words of memcached's requests and responses.
_MEMCACHED = frozenset(
    b"get gets gat gats set add replace append prepend cas delete incr decr touch stats version verbosity quit "
    b"VALUE END STORED NOT_STORED EXISTS NOT_FOUND DELETED TOUCHED OK ERROR CLIENT_ERROR SERVER_ERROR "
    b"mg ms md ma mn me flush_all STAT VERSION RESET HD VA EN NS EX NF MN ME".split()
)
#: What messages look like whose frames others have, too; and how many bits of evidence each that does is worth. A line
#: of text is worth little, as all that is made of lines has some of those.
_LOOKS: dict[str, tuple[Callable[[bytes], bool], float]] = {
    "lines": (lambda message: message.decode("utf-8", "replace").replace("\t", " ").isprintable(), 3.0),
    # RFC 1035, 4.1.1: a head of 12 bytes, a question or a few, a bit that is always zero
    "dns": (lambda message: len(message) >= 12 and message[4:6] in (b"\0\0", b"\0\1") and not message[3] & 0x40, 8.0),
    # Kafka protocol guide, request header: a key, a version, a correlation id, the name of the client
    "kafka": (lambda message: len(message) >= 10 and message[0] == message[2] == 0 and message[3] < 20, 8.0),
    # memcached's protocol.txt: any lines would be cut as its are, but for those that bring a value
    "memcached": (lambda message: message.split(b" ")[0].rstrip() in _MEMCACHED or message.isdigit(), 2.0),
    # SMPP 3.4, 5.1.2.1: the command, and whether it is a response
    "smpp": (lambda message: len(message) >= 16 and message[4] in b"\0\x80" and message[5:7] in b"\0\0\1", 8.0),
}
#: Forms with words of their own, beside the names that mean something alone.
_FORMS = (
    *(f"length:{width}:{order}" for width in (2, 3, 4, 8) for order in ("big", "little")),
    "length:1",
    "erlang:1",
    "erlang:2",
    *(rf"delimited:{marker}" for marker in (r"\0", r"\r\n\r\n", r"\x03", r"\x04", r"\x1e", r"\xff")),
)
#: Headers of protocols that nobody has named: bytes in front of a length, and what it counts.
_OFFSETS = range(9)
_HEADERS = 2 * 3 * len(_OFFSETS) * 3
#: Less evidence than this may be chance: where a framing explains all, and where it leaves something over.
_ENOUGH, _ENOUGH_OF_A_PART = 2.0, 12.0
#: The most of a stream that is looked at.
_MOST = 1 << 20


def identify(data: bytes, *, limit: int = Limits().max_message, ended: bool = True) -> list[Explanation]:
    """Return the framings that explain a stream, the best first; none, if nothing does.

    Where none has evidence for it, those are returned that explain all of two messages or more: it may be chance.

    Those that explain all of it come before those that leave something over; then the one with more evidence is the
    better: a framing that checks more, as a length, a marker, or a sum, is less likely to have been right by chance. A
    message that is unfinished at the end of a stream that had not ended is no fault. ``limit`` is the largest message
    to believe in, in bytes. The first MiB decides.
    """
    ended = ended and len(data) <= _MOST
    data = data[:_MOST]
    found = [explain(framing, data, limit=limit) for framing in candidates()]
    weak = [each for each in found if each.whole and each.count > 1]
    found = [looked for each in found if each.count and (looked := _looked_at(each))] or weak
    best = max((each.bits for each in found), default=0.0)
    for framing in _unnamed():
        each = explain(framing, data, limit=limit)
        # so many have been tried that some fit by chance; and one that merely says the same as a named one says less
        if each.bits - _ENOUGH_OF_A_PART > _HEADERS.bit_length() and each.bits > 1.25 * best and not each.fault:
            found.append(each)
    return _together(sorted(found, key=lambda each: (each.fault is not None, bool(each.rest) and ended, -each.bits)))


def candidates() -> list[Framing]:
    """Return the framings of the catalogue that can be tried without knowing more, the general ones first."""
    found: dict[Framing, None] = {}
    for form in (*_FORMS, *NAMES):
        try:
            found[parse_framing(form)] = None
        except ValueError:
            continue  # it wants words of its own
    return list(found)


def _looked_at(each: Explanation) -> Explanation | None:
    """Take the look of the messages into account, where it is known; None if they cannot be those of this protocol."""
    if each.form in _LOOKS:
        looks, bits = _LOOKS[each.form]
        if not all(map(looks, each.messages)):
            return None
        each = replace(each, bits=each.bits + bits * each.count)
    return each if each.bits > (_ENOUGH if each.whole else _ENOUGH_OF_A_PART) else None


def _together(found: list[Explanation]) -> list[Explanation]:
    """Put those together that say the same of the same bytes: nobody can tell them apart."""
    told: list[Explanation] = []
    for each in found:
        for place, other in enumerate(told):
            if replace(each, form="", also=()) == replace(other, form="", also=()):
                told[place] = replace(other, also=(*other.also, each.form))
                break
        else:
            told.append(each)
    return told


def _unnamed() -> Iterator[Framing]:
    """Return framings with a length somewhere in a header that is kept."""
    for width in (2, 3, 4):
        for order in ("big", "little"):
            for offset in _OFFSETS:
                for adjust in dict.fromkeys((0, -width, -(offset + width))):
                    if (offset, adjust) != (0, 0):
                        yield LengthPrefixed(width, order, offset=offset, adjust=adjust, strip=0)
