"""The picture of a stream: its bytes, the boxes that the reads made of them, and what was handed out. Text only.

A line is a list of spans, each with a style; without the styles it is still readable, so that colour is never needed.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

__all__ = ["Line", "Span", "Style", "boxes", "glyph", "literals", "owners", "text_of"]

#: ``first`` and ``second`` mark the bytes of the first and of the second message; messages take turns.
Style = Literal["plain", "title", "heading", "dim", "good", "bad", "first", "second", "first box", "second box"]


class Span(NamedTuple):
    """Letters of one style."""

    text: str
    style: Style = "plain"


Line = list[Span]


def text_of(line: Iterable[Span]) -> str:
    """Return a line without its styles."""
    return "".join(span.text for span in line)


def owners(messages: Iterable[bytes]) -> list[int]:
    """Say for each byte of these messages, as they stand on the wire, to which of them it belongs."""
    return [number for number, message in enumerate(messages) for _ in message]


def glyph(byte: int) -> str:
    """Return one letter for a byte."""
    return {10: "↵", 13: "←"}.get(byte) or (chr(byte) if 32 < byte < 127 else "·")


def boxes(pieces: Sequence[bytes], owner: Sequence[int], *, cell: int = 2) -> list[Line]:
    """Draw the pieces of a stream as boxes, three lines high; each byte is ``cell`` columns wide, from 2 up.

    All drawings of the same stream have the same width, and each byte stands at the same place in all of them.
    """
    walls = set(accumulate(map(len, pieces), initial=0))
    last = max(walls)

    def edge(left: str, between: str, right: str) -> Line:
        corners = {0: left, last: right}
        letters = [
            (corners.get(place, between) if place in walls else "─") + "─" * (cell - 1) * (place < last)
            for place in range(last + 1)
        ]
        return [Span("".join(letters), "dim")]

    middle: Line = []
    before = (cell - 1) // 2
    for place, byte in enumerate(b"".join(pieces)):
        style = _box(owner[place])
        if place in walls:
            middle.append(Span("│", "dim"))
        else:
            middle.append(Span(" ", style))
        middle.append(Span(f"{' ' * before}{glyph(byte)}{' ' * (cell - 2 - before)}", style))
    middle.append(Span("│", "dim"))
    return [edge("┌", "┬", "┐"), middle, edge("└", "┴", "┘")]


def literals(pieces: Sequence[bytes], owner: Sequence[int], *, width: int, more: str) -> Line:
    """Write pieces as Python does, ``b'Hello!'``, as many as fit; ``more`` stands for the others, with their number."""
    tokens: list[Line] = []
    start = 0
    for piece in pieces:
        tokens.append(_literal(piece, owner[start : start + len(piece)]))
        start += len(piece)
    line = _joined(tokens)
    shown = len(tokens)
    while shown and len(text_of(line)) > width:
        shown -= 1
        line = [*_joined(tokens[:shown]), Span(" " * (shown > 0) + more.format(count=len(pieces)), "dim")]
    return line


def _literal(piece: bytes, owner: Sequence[int]) -> Line:
    line = [Span("b'", "dim")]
    for byte, who in zip(piece, owner, strict=True):
        line.append(Span(repr(bytes([byte]))[2:-1], "second" if who % 2 else "first"))
    return [*line, Span("'", "dim")]


def _joined(tokens: Iterable[Line]) -> Line:
    line: Line = []
    for token in tokens:
        line += [Span(" "), *token] if line else token
    return line


def _box(owner: int) -> Style:
    return "second box" if owner % 2 else "first box"
