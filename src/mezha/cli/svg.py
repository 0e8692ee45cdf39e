"""The figure of the lab, in SVG: the picture of the cuts, and what was measured. Text stays text.

It is for a page as well as for paper: on white, and in shades of grey the two messages differ as dark and light, right
and wrong as a tick and a cross.
"""

import textwrap
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from mezha.cli.experiment import WIRE, Lab
from mezha.cli.picture import owners
from mezha.cli.summary import summary
from mezha.cli.texts import Texts

__all__ = ["figure"]

_SANS = "'Source Sans 3', 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_MONO = "'JetBrains Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
#: The width of a letter of a monospaced font, in units of its size.
_LETTER = 0.6

_INK = "#1c2733"
_GREY = "#5b6774"
_RULE = "#d5dbe1"
_TRACK = "#edf0f3"
_GOOD = "#1b7a3d"
_BAD = "#b3261e"
#: The bytes of the two messages: background and letters. As shades of grey, dark and light.
_FIRST = ("#1f5fa8", "#ffffff")
_SECOND = ("#ffc56b", "#3a2200")

_WIDTH = 1200
_MARGIN = 48
_EDGE = _WIDTH - _MARGIN
_CELL = 28
_GRID = 300
_PLAIN = _GRID + len(WIRE) * _CELL + 20
_MEZHA = _EDGE - 155
_ROW = 52
_BAR = 300
#: More strings than this in a row are drawn closer together.
_CROWD = 6


def figure(lab: Lab, texts: Texts, *, system: str, python: str) -> str:
    """Return the figure as the text of an SVG file."""
    wire = WIRE.splitlines(keepends=True)
    owner = owners(wire)
    canvas = _Canvas(texts.figure_title, texts.figure_subtitle)
    canvas.text(_MARGIN, 74, texts.figure_title, size=32, weight="bold")
    y = canvas.paragraph(_MARGIN, 108, texts.figure_subtitle, size=17, letters=115)

    y += 56
    canvas.text(_MARGIN, y + 5, texts.sent, size=15, weight="bold")
    canvas.boxes(_GRID, y, wire, owner)
    canvas.legend(_PLAIN, y, texts.figure_legend)
    y += 40
    canvas.line(y)
    y += 32
    for x, heading in ((_GRID, texts.figure_reads), (_PLAIN, texts.figure_plain), (_MEZHA, texts.figure_mezha)):
        canvas.text(x, y, heading, size=15, weight="bold")
    y += 34
    for name, way in lab.cutting.telling.items():
        canvas.label(_MARGIN, y, texts.ways[name])
        canvas.boxes(_GRID, y, way.reads, owner)
        for x, pieces, whose, right in (
            (_PLAIN, way.plain, owner, way.plain_right),
            (_MEZHA, way.mezha, owners(way.mezha), way.mezha_right),
        ):
            canvas.mark(x + 8, y, good=right)
            canvas.strings(x + 26, y, pieces, whose)
        y += _ROW

    y += 2
    canvas.line(y)
    y += 40
    plain_bars, mezha_bars = _EDGE - 2 * _BAR - 32, _EDGE - _BAR
    for x, heading in ((_MARGIN, texts.figure_result), (plain_bars, texts.plain_column), (mezha_bars, "mezha")):
        canvas.text(x, y, heading, size=15, weight="bold")
    for row in summary(lab, texts):
        y += 33
        canvas.text(_MARGIN, y, row.what, size=15)
        for x, count in ((plain_bars, row.plain), (mezha_bars, row.mezha)):
            canvas.bar(x, y - 5, count, row.total, row.of(count, texts))
    caption = texts.figure_caption.format(
        system=system,
        python=python,
        seconds=texts.decimal(lab.seconds),
        rounds=texts.number(lab.plain.count),
        ways=texts.power(len(WIRE) - 1),
        size=len(WIRE),
    )
    y = canvas.paragraph(_MARGIN, y + 50, caption, size=13, letters=140, fill=_GREY)
    return canvas.finish(y + 36)


class _Canvas:
    """An SVG document. Coordinates are pixels; ``y`` is the baseline of a text, and the middle of anything else."""

    def __init__(self, title: str, description: str) -> None:
        self._root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "font-family": _SANS})
        ET.SubElement(self._root, "title").text = title
        ET.SubElement(self._root, "desc").text = description
        ET.SubElement(self._root, "rect", width="100%", height="100%", fill="#ffffff")

    def finish(self, height: float) -> str:
        size = {"width": f"{_WIDTH}", "height": f"{height:.0f}"}
        self._root.attrib |= {"viewBox": f"0 0 {size['width']} {size['height']}", **size}
        ET.indent(self._root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(self._root, encoding="unicode") + "\n"

    def text(self, x: float, y: float, text: str, *, size: int, fill: str = _INK, weight: str = "") -> None:
        element = self._add("text", x=x, y=y, font_size=size, fill=fill)
        if weight:
            element.set("font-weight", weight)
        element.text = text

    def letters(self, x: float, y: float, text: str, *, size: int, fill: str) -> None:
        """Write bytes, in a monospaced font, around ``x``: then another font than expected does little harm."""
        self._add(
            "text", x=x, y=y + size * 0.34, font_size=size, fill=fill, font_family=_MONO, text_anchor="middle"
        ).text = text

    def paragraph(self, x: float, y: float, text: str, *, size: int, letters: int, fill: str = _INK) -> float:
        """Write lines of so many letters at most, and return the baseline of the last."""
        first, *others = textwrap.wrap(text, letters)
        self.text(x, y, first, size=size, fill=fill)
        for line in others:
            y += size * 1.45
            self.text(x, y, line, size=size, fill=fill)
        return y

    def label(self, x: float, y: float, text: str) -> None:
        """Name a row, in two lines if need be."""
        lines = [line for part in text.replace(": ", ":\n").splitlines() for line in textwrap.wrap(part, 30)]
        for place, line in enumerate(lines):
            self.text(x, y + 5 + (place - (len(lines) - 1) / 2) * 19, line, size=15)

    def line(self, y: float) -> None:
        self._add("line", x1=_MARGIN, y1=y, x2=_EDGE, y2=y, stroke=_RULE)

    def boxes(self, x: float, y: float, pieces: Sequence[bytes], owner: Sequence[int]) -> None:
        """Draw each piece as a box around its bytes, on the grid that all rows share."""
        place = 0
        for piece in pieces:
            width = len(piece) * _CELL
            self._frame(x + 1.5, y, width - 3, 34)
            for offset, byte in enumerate(piece):
                fill, ink = _colours(owner[place + offset])
                left = x + offset * _CELL + (5 if offset == 0 else 0.5)
                right = x + (offset + 1) * _CELL - (5 if offset == len(piece) - 1 else 0.5)
                self._block(left, y, right - left, 26, fill)
                self.letters((left + right) / 2, y, _letters(byte), size=15, fill=ink)
            x += width
            place += len(piece)

    def strings(self, x: float, y: float, pieces: Sequence[bytes], owner: Sequence[int]) -> None:
        """Draw each piece as the string that a program gets."""
        crowded = len(pieces) > _CROWD
        pad, edge, gap, stroke = (1.0, 2.0, 2.5, 1.0) if crowded else (4.0, 2.5, 5.0, 1.5)
        size = 13
        place = 0
        for piece in pieces:
            start = x
            x += edge
            bytes_of = groupby(zip(piece, owner[place : place + len(piece)], strict=True), key=lambda pair: pair[1])
            for who, run in bytes_of:
                text = "".join(_letters(byte) for byte, _ in run)
                fill, ink = _colours(who)
                width = len(text) * size * _LETTER + 2 * pad
                self._block(x, y, width, 20, fill)
                self.letters(x + width / 2, y, text, size=size, fill=ink)
                x += width
            x += edge
            self._frame(start, y, x - start, 20 + 2 * edge, stroke=stroke)
            x += gap
            place += len(piece)

    def mark(self, x: float, y: float, *, good: bool) -> None:
        """Draw a tick or a cross."""
        path = f"M{x - 6:g} {y:g} l4 5 l8 -10" if good else f"M{x - 5:g} {y - 5:g} l10 10 m0 -10 l-10 10"
        self._add("path", d=path, fill="none", stroke=_GOOD if good else _BAD, stroke_width=2.5)

    def legend(self, x: float, y: float, labels: tuple[str, str, str]) -> None:
        """Explain the two colours, and the box."""
        for place, label in enumerate(labels):
            middle = y + (place - 1) * 22
            if place < 2:
                self._block(x, middle, 18, 14, _colours(place)[0])
            else:
                self._frame(x + 1, middle, 16, 13)
            self.text(x + 28, middle + 4.5, label, size=13, fill=_GREY)

    def bar(self, x: float, y: float, count: int, total: int, label: str) -> None:
        """Draw how much of a total; what is not nothing can be seen."""
        right = count == total
        filled = max(count / total * _BAR, 2 if count else 0)
        self._block(x, y, _BAR, 22, _TRACK)
        if count:
            self._block(x, y, filled, 22, _GOOD if right else _BAD)
        inside = filled > _BAR / 2
        self.text(
            x + 10 if inside else x + max(filled, 2) + 10, y + 5, label, size=14, fill="#ffffff" if inside else _INK
        )

    def _block(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        self._add("rect", x=x, y=y - height / 2, width=width, height=height, fill=fill)

    def _frame(self, x: float, y: float, width: float, height: float, *, stroke: float = 1.5) -> None:
        frame = self._add("rect", x=x, y=y - height / 2, width=width, height=height, rx=4, fill="none")
        frame.set("stroke", _INK)
        frame.set("stroke-width", f"{stroke:g}")

    def _add(self, tag: str, **attributes: str | float) -> ET.Element:
        written = {
            name.replace("_", "-"): value if isinstance(value, str) else f"{round(value, 2):g}"
            for name, value in attributes.items()
        }
        return ET.SubElement(self._root, tag, written)


def _colours(owner: int) -> tuple[str, str]:
    return _SECOND if owner % 2 else _FIRST


def _letters(byte: int) -> str:
    """Return how Python writes a byte in a string."""
    return repr(bytes([byte]))[2:-1]
