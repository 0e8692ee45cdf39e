"""The picture of a stream, as text."""

import ast
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mezha.cli.picture import boxes, glyph, literals, owners, text_of

_MESSAGES = [b"Hello!\n", b"World!\n"]
_WIRE = b"".join(_MESSAGES)
_OWNERS = owners(_MESSAGES)


def _cut(cuts: set[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(_WIRE)]
    return [_WIRE[start:stop] for start, stop in pairwise(edges)]


_CUTS = st.sets(st.integers(1, len(_WIRE) - 1)).map(_cut)


def test_each_byte_belongs_to_its_message() -> None:
    assert _OWNERS == [0] * 7 + [1] * 7


@given(_CUTS, st.integers(2, 5))
def test_every_way_to_cut_is_drawn_on_the_same_grid(pieces: list[bytes], cell: int) -> None:
    top, middle, bottom = (text_of(line) for line in boxes(pieces, _OWNERS, cell=cell))
    assert len(top) == len(middle) == len(bottom) == len(_WIRE) * cell + 1
    walls = {place for place, letter in enumerate(middle) if letter == "│"}
    assert walls == {sum(map(len, pieces[:count])) * cell for count in range(len(pieces) + 1)}
    assert {place for place, letter in enumerate(top) if letter != "─"} == walls
    assert {place for place, letter in enumerate(bottom) if letter != "─"} == walls
    assert [part.replace(" ", "") for part in middle[1:-1].split("│")] == [
        "".join(map(glyph, piece)) for piece in pieces
    ]


@given(_CUTS, st.integers(2, 5))
def test_each_box_has_the_colour_of_its_message(pieces: list[bytes], cell: int) -> None:
    middle = boxes(pieces, _OWNERS, cell=cell)[1]
    first = "".join(span.text for span in middle if span.style == "first box")
    second = "".join(span.text for span in middle if span.style == "second box")
    assert (first.replace(" ", ""), second.replace(" ", "")) == ("Hello!↵", "World!↵")


def test_boxes() -> None:
    assert [text_of(line) for line in boxes([b"Hel", b"lo!\nWor", b"ld!\n"], _OWNERS)] == [
        "┌─────┬─────────────┬───────┐",
        "│H e l│l o ! ↵ W o r│l d ! ↵│",
        "└─────┴─────────────┴───────┘",
    ]


@given(_CUTS)
def test_literals_are_what_python_writes(pieces: list[bytes]) -> None:
    line = literals(pieces, _OWNERS, width=200, more="")
    assert text_of(line) == " ".join(map(repr, pieces))
    first = "".join(span.text for span in line if span.style == "first")
    assert ast.literal_eval(f"b'{first}'") == b"Hello!\n"


@given(_CUTS, st.integers(12, 90))
def test_literals_fit(pieces: list[bytes], width: int) -> None:
    text = text_of(literals(pieces, _OWNERS, width=width, more="… {count} in all"))
    assert len(text) <= width
    assert text == " ".join(map(repr, pieces)) or text.endswith(f"… {len(pieces)} in all")


def test_a_glyph_is_one_column() -> None:
    glyphs = [glyph(byte) for byte in range(256)]
    assert all(len(letter) == 1 and letter.isprintable() for letter in glyphs)
    assert "".join(glyphs[byte] for byte in b" aZ~\r\n\0\xff") == "·aZ~←↵··"
