"""The figure: valid, complete, inside its frame, and readable without colour."""

from xml.etree import ElementTree as ET

import pytest

from mezha.cli import svg
from mezha.cli.experiment import Lab
from mezha.cli.texts import TEXTS

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=list(TEXTS))
def drawn(request: pytest.FixtureRequest, lab: Lab) -> ET.Element:
    return ET.fromstring(svg.figure(lab, TEXTS[request.param], system="A & <B>", python="3.13.1"))


def _texts(drawn: ET.Element) -> list[str]:
    return [(element.text or "").replace("\N{NO-BREAK SPACE}", " ") for element in drawn.iter(f"{_SVG}text")]


def _number(element: ET.Element, name: str) -> float:
    return float(element.get(name, "0"))


def test_it_is_a_figure_with_a_title(drawn: ET.Element) -> None:
    assert drawn.tag == f"{_SVG}svg"
    assert drawn.get("role") == "img"
    assert drawn.findtext(f"{_SVG}title")
    assert drawn.findtext(f"{_SVG}desc")


def test_text_is_text(drawn: ET.Element) -> None:
    texts = _texts(drawn)
    assert {"Hel", "Hello!", "World!\\n", "lo!\\n", "Wor"} <= set(texts)
    assert texts.count("H") >= 7  # sent, and in each of the six ways
    assert any("2¹³ = 8" in text for text in texts)
    assert any("A & <B>" in text for text in texts)
    numbers = {text.replace(",", " ").replace("of", "з") for text in texts}
    assert {"2 з 20 000", "20 000 з 20 000", "1 з 8 192", "8 192 з 8 192", "0 з 16 384", "16 384 з 16 384"} <= numbers


def test_nothing_leaves_the_frame(drawn: ET.Element) -> None:
    width, height = (float(number) for number in drawn.get("viewBox", "").split()[2:])
    for box in drawn.findall(f"{_SVG}rect")[1:]:
        assert _number(box, "x") >= 48
        assert _number(box, "x") + _number(box, "width") <= width - 48
        assert _number(box, "y") >= 0
        assert _number(box, "y") + _number(box, "height") <= height
    for text in drawn.iter(f"{_SVG}text"):
        size, start = _number(text, "font-size"), _number(text, "x")
        letters = len(text.text or "") * size * 0.56  # of a usual sans-serif, and more
        assert start + (letters / 2 if text.get("text-anchor") else letters) <= width - 20, text.text
        assert size <= _number(text, "y") <= height - 20


def test_columns_do_not_overlap(drawn: ET.Element) -> None:
    marks = [element.get("d", "") for element in drawn.iter(f"{_SVG}path")]
    assert len(marks) == 12
    frames = [box for box in drawn.iter(f"{_SVG}rect") if box.get("stroke")]
    for path in marks:
        x, y = (float(number) for number in path[1:].split()[:2] if number)
        row = [box for box in frames if _number(box, "y") <= y <= _number(box, "y") + _number(box, "height")]
        assert len(row) >= 4
        assert all(not _number(box, "x") - 6 <= x <= _number(box, "x") + _number(box, "width") for box in row)


def _lightness(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_lightness(one), _lightness(other)))
    return (light + 0.05) / (dark + 0.05)


def test_it_can_be_read_in_shades_of_grey() -> None:
    first, second = svg._FIRST, svg._SECOND  # pyright: ignore[reportPrivateUsage]
    assert _contrast(*first) >= 4.5
    assert _contrast(*second) >= 4.5
    assert _contrast(first[0], second[0]) >= 3
