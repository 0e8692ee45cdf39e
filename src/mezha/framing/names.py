r"""The string form of each framing, for the command line and for configuration.

======================  ==================================================================================
``length:4:big``        ``LengthPrefixed``: width, byte order, then ``offset=`` ``adjust=`` ``strip=`` ``fixed=``
``varint``              ``VarintPrefixed``
``netstring``           ``Netstring``
``delimited:\r\n``      ``Delimited``: the marker, with Python's escapes
``lines``               ``Lines``; ``lines:crlf`` writes CR LF
``fixed:512``           ``FixedSize``
``skip:lines``          ``Skipping`` another one
``resync:delimited:a``  ``Resyncing`` another one
``checked:crc32:lines`` ``Checked`` another one, with a checksum of that name
======================  ==================================================================================

``str(framing)`` gives the form back: ``parse_framing(str(framing)) == framing``.
"""

from collections.abc import Callable

from mezha.framing.base import Framing
from mezha.framing.checked import Checked
from mezha.framing.delimited import Delimited, Lines
from mezha.framing.fixed import FixedSize
from mezha.framing.length import LengthPrefixed
from mezha.framing.netstring import Netstring
from mezha.framing.tolerant import Resyncing, Skipping
from mezha.framing.varint import VarintPrefixed

__all__ = ["NAMES", "PREFIXES", "parse_framing"]

#: The framings that have a string form, by its first word.
NAMES: dict[str, type[Framing]] = {
    "length": LengthPrefixed,
    "varint": VarintPrefixed,
    "netstring": Netstring,
    "delimited": Delimited,
    "lines": Lines,
    "fixed": FixedSize,
}

#: What goes in front of the form of another framing, and makes one of it.
PREFIXES: dict[str, Callable[..., Framing]] = {
    "skip": Skipping,
    "resync": Resyncing,
    "checked": Checked,
}
#: How many words of its own such a prefix has.
_OPTIONS = {"checked": 1}


def parse_framing(text: str) -> Framing:
    """Return the framing that ``text`` names, as ``"length:4:big"`` or ``"lines"``.

    Raises:
        ValueError: it names none; the text says what is known.

    """
    words = text.split(":")
    prefixes: list[list[str]] = []
    while words[0] in PREFIXES and len(words) > (own := 1 + _OPTIONS.get(words[0], 0)):
        prefixes.append(words[:own])
        del words[:own]
    name, *options = words
    if name not in NAMES:
        raise ValueError(
            f"no framing is called {name!r}; there are {', '.join(NAMES)}, and in front of these {', '.join(PREFIXES)}"
        )
    try:
        framing = NAMES[name].parse(options)
        for prefix, *its_options in reversed(prefixes):
            framing = PREFIXES[prefix](framing, *its_options)
    except ValueError as error:
        raise ValueError(f"{text!r} names no framing: {error}") from error
    return framing
