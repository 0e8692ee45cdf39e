"""The results as curves, in SVG: throughput by size, round trips, and cost as work grows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from xml.etree import ElementTree as ET

from benchmarks.schedule import Results

__all__ = ["figure"]

_INK, _GREY, _RULE = "#1c2733", "#5b6774", "#d5dbe1"
#: mezha's are dark and thick, the others' light and thin: seen at a glance, also without colours.
_OURS = ("#b3261e", "#1f5fa8", "#1b7a3d", "#7b3fa0", "#c46a00", "#00707a", "#5b2b00", "#8c1a6a")
_OTHERS = ("#8a949e", "#b4a06a", "#7fa7c9", "#a98bb8", "#86b38c", "#c99a8a", "#9aa0d0", "#9fb7b0")
_FONT = "'Source Sans 3', 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_WIDTH, _PLOT_WIDTH, _PLOT_HEIGHT, _LEFT, _ROW = 1200, 720, 380, 80, 19

Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Panel:
    """A chart with two logarithmic axes."""

    title: str
    across: str
    up: str
    curves: Mapping[str, Curve]

    @property
    def height(self) -> float:
        """How much room it takes."""
        return max(_PLOT_HEIGHT, len(self.curves) * _ROW) + 130


def figure(results: Results, ours: frozenset[str]) -> str:
    """Return the text of an SVG file; what was not measured is not in it."""
    panels = [panel for panel in _panels(results) if panel.curves]
    names = list(dict.fromkeys(name for panel in panels for name in panel.curves))
    palettes = {True: cycle(_OURS), False: cycle(_OTHERS)}
    colours = {name: next(palettes[name in ours]) for name in names}
    height = sum(panel.height for panel in panels) + 20
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "role": "img",
            "font-family": _FONT,
            "viewBox": f"0 0 {_WIDTH} {height:.0f}",
        },
    )
    ET.SubElement(root, "title").text = "Results of the benchmarks"
    ET.SubElement(root, "rect", width="100%", height="100%", fill="#ffffff")
    top = 10.0
    for panel in panels:
        _draw(ET.SubElement(root, "g", transform=f"translate(0 {top:g})"), panel, ours, colours)
        top += panel.height
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _panels(results: Results) -> list[_Panel]:
    sizes: dict[str, float] = {}
    for column in results.columns("one-way"):
        number, unit = column.removesuffix(", MB/s").split()
        sizes[column] = float(number) * {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]
    one_way: dict[str, Curve] = {}
    for peer in results.runs.get("one-way", {}):
        points = [(size, results.median("one-way", peer, column), column) for column, size in sizes.items()]
        one_way[peer] = [
            (size, value * 1e6 if column.endswith("MB/s") else value * 1e3 * size)
            for size, value, column in points
            if value is not None
        ]
    panels = [_Panel("One way: bytes a second, by size of the message", "bytes a message", "bytes/s", one_way)]
    for case, across in (("messages", "messages"), ("connections", "connections")):
        curves: dict[str, Curve] = {
            peer: [
                (float(column.replace(",", "")), value)
                for column in results.columns(case)
                if (value := results.median(case, peer, column)) is not None
            ]
            for peer in results.runs.get(case, {})
        }
        panels.append(_Panel(f"Time of a message, by number of {across}", across, "µs", curves))
    return panels


def _draw(group: ET.Element, panel: _Panel, ours: frozenset[str], colours: Mapping[str, str]) -> None:
    points = [point for curve in panel.curves.values() for point in curve]
    if not points:
        return
    across = _Axis([x for x, _ in points], _LEFT, _LEFT + _PLOT_WIDTH)
    up = _Axis([y for _, y in points], 50 + _PLOT_HEIGHT, 50)
    _text(group, _LEFT, 24, panel.title, size=20, weight="bold")
    _text(group, _LEFT, 42, panel.up, size=13)
    for tick in up.ticks:
        y = up.place(tick)
        _line(group, (_LEFT, y), (_LEFT + _PLOT_WIDTH, y))
        _text(group, _LEFT - 8, y + 4, _short(tick), size=13, anchor="end")
    for tick in across.ticks:
        x = across.place(tick)
        _line(group, (x, 50), (x, 50 + _PLOT_HEIGHT))
        _text(group, x, 50 + _PLOT_HEIGHT + 20, _short(tick), size=13, anchor="middle")
    _text(group, _LEFT + _PLOT_WIDTH / 2, 50 + _PLOT_HEIGHT + 42, panel.across, size=13, anchor="middle")
    last = {name: curve[-1][1] for name, curve in panel.curves.items() if curve}
    for row, name in enumerate(sorted(last, key=lambda name: -last[name])):
        mine = name in ours
        style = {"stroke": colours[name], "stroke-width": "3" if mine else "1.5", "fill": "none"}
        places = [(across.place(x), up.place(y)) for x, y in panel.curves[name]]
        ET.SubElement(group, "polyline", style, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places))
        for x, y in places:
            ET.SubElement(group, "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3" if mine else "2", fill=style["stroke"])
        left, y = _LEFT + _PLOT_WIDTH + 30, 60 + row * _ROW
        ET.SubElement(group, "path", style, d=f"M{left} {y} h28")
        _text(group, left + 38, y + 4, name, size=13, fill=_INK, weight="bold" if mine else "normal")


class _Axis:
    """A logarithmic axis between two places, marked at the powers of ten."""

    def __init__(self, values: Sequence[float], start: float, stop: float) -> None:
        positive = [value for value in values if value > 0] or [1.0]
        self._low = math.floor(math.log10(min(positive)))
        self._high = max(math.ceil(math.log10(max(positive))), self._low + 1)
        self._start, self._stop = start, stop
        self.ticks = [10.0**power for power in range(self._low, self._high + 1)]

    def place(self, value: float) -> float:
        part = (math.log10(max(value, 10.0**self._low)) - self._low) / (self._high - self._low)
        return self._start + part * (self._stop - self._start)


def _text(
    group: ET.Element,
    x: float,
    y: float,
    text: str,
    *,
    size: int,
    fill: str = _GREY,
    weight: str = "normal",
    anchor: str = "start",
) -> None:
    attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "font-size": str(size), "fill": fill, "font-weight": weight}
    ET.SubElement(group, "text", attributes | {"text-anchor": anchor}).text = text


def _line(group: ET.Element, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x1, y1), (x2, y2) = start, end
    ET.SubElement(group, "line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", stroke=_RULE)


def _short(value: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:g}"
