"""What the lab shows in a terminal: sections of lines, drawn from what was measured."""

import textwrap

from mezha.cli.experiment import MESSAGES, WIRE, Alternation, Cutting, Flood, Lab, Rounds
from mezha.cli.picture import Line, Span, Style, boxes, literals, owners, text_of
from mezha.cli.summary import summary
from mezha.cli.texts import Texts

__all__ = [
    "cutting_section",
    "mezha_section",
    "picture_section",
    "plain_section",
    "result_section",
    "title_section",
]

_INDENT = "    "
_BLOCKS = "▏▎▍▌▋▊▉█"
_MOST_OUTCOMES = 5
_LONGEST = 34
_WIDE = 100


def title_section(texts: Texts, *, width: int, system: str, python: str) -> list[Line]:
    """Say what this is."""
    return [
        [],
        [Span(f" {texts.title}", "title")],
        *_paragraph(texts.machine.format(system=system, python=python), width, " "),
    ]


def plain_section(plain: Rounds, texts: Texts, *, width: int) -> list[Line]:
    """Show what recv returned on plain TCP: a histogram, the first rounds, and those around the first surprise."""
    rounds = texts.number(plain.count)
    lines = _heading(1, texts.plain.format(rounds=rounds))
    shown = plain.outcomes[:_MOST_OUTCOMES]
    bars = [(_repr(outcome), count) for outcome, count in shown]
    if rest := plain.count - sum(count for _, count in shown):
        bars.append((texts.anything_else, rest))
    lines += _histogram(bars, plain.count, texts, width)
    lines.append([])
    left: list[Line] = [[Span(texts.first_rounds, "dim")]]
    left += [[Span(_repr(outcome), _surprising(outcome))] for outcome in plain.first]
    right: list[Line] = []
    if plain.count > len(plain.first):
        left.append([Span(texts.and_so_on, "dim")])
    if plain.surprise is not None and plain.surprise > len(plain.first):
        right.append([Span(texts.surprise, "dim")])
        right += [
            [Span(f"{texts.number(number):>{len(rounds)}}  ", "dim"), Span(_repr(outcome), _surprising(outcome))]
            for number, outcome in plain.around
        ]
    lines += _columns(left, right, gap=8)
    if plain.surprise is None:
        lines += [[], *_paragraph(texts.no_surprise, width)]
    verdict = texts.plain_verdict.format(single=texts.number(plain.single), rounds=rounds)
    return [*lines, [], *_verdict(verdict, width, good=plain.single == plain.count)]


def mezha_section(mezha: Alternation, texts: Texts, *, width: int) -> list[Line]:
    """Show the same rounds with mezha."""
    total = texts.number(mezha.received)
    lines = _heading(2, texts.mezha)
    lines += _paragraph(texts.mezha_note, width)
    lines.append([])
    for number, message in enumerate(mezha.first):
        lines.append([Span(_INDENT), *literals([message], [number] * len(message), width=width, more="")])
    lines += [[Span(_INDENT + texts.and_so_on, "dim")], []]
    verdict = texts.mezha_verdict.format(right=texts.number(mezha.right), total=total)
    lines += _verdict(verdict, width, good=mezha.right == mezha.received)
    reads = texts.mezha_reads.format(both=texts.number(mezha.reads_both), reads=texts.number(mezha.reads))
    return [*lines, *_paragraph(reads, width)]


def cutting_section(cutting: Cutting, flood: Flood, texts: Texts, *, width: int) -> list[Line]:
    """Say how the rare case was forced, and its opposite."""
    gaps = len(WIRE) - 1
    pieces = texts.number(cutting.pieces)
    note = texts.cutting_note.format(size=len(WIRE), gaps=gaps, ways=texts.power(gaps), pieces=pieces)
    lines = [*_heading(3, texts.cutting), *_paragraph(note, width)]
    if unreal := cutting.ways - cutting.real:
        lines += _verdict(texts.unreal.format(count=texts.number(unreal)), width, good=False)
    glued = texts.flood_note.format(
        messages=texts.number(flood.messages),
        reads=texts.number(flood.plain_reads),
        right=texts.number(flood.mezha_right),
    )
    return [*lines, *_paragraph(glued, width)]


def picture_section(cutting: Cutting, texts: Texts, *, width: int) -> list[Line]:
    """Draw some of the ways: what was sent, how the reads cut it, what was handed out."""
    wire = WIRE.splitlines(keepends=True)
    owner = owners(wire)
    cell = 3 if width >= _WIDE else 2
    beside = width - len(text_of(boxes(wire, owner, cell=cell)[0])) - len(_INDENT) - 2

    def drawing(pieces: tuple[bytes, ...], *notes: Line) -> list[Line]:
        drawn = boxes(pieces, owner, cell=cell)
        return [[Span(_INDENT), *line, Span("  "), *note] for line, note in zip(drawn, notes, strict=True)]

    def handed_out(who: str, pieces: tuple[bytes, ...], owner: list[int], *, right: bool) -> Line:
        start: Line = [Span(f"{who:<6}"), Span("✓ " if right else "✗ ", "good" if right else "bad"), Span(" ")]
        return [*start, *literals(pieces, owner, width=beside - len(text_of(start)), more=texts.pieces)]

    lines = _heading(4, texts.picture)
    sends = literals(MESSAGES, owners(MESSAGES), width=beside, more=texts.pieces)
    lines += drawing(tuple(wire), [Span(texts.sent, "dim")], sends, [Span(texts.line_feed, "dim")])
    lines.append([])
    for name, way in cutting.telling.items():
        lines += drawing(
            way.reads,
            [Span(texts.ways[name], "dim")],
            handed_out("recv", way.plain, owner, right=way.plain_right),
            handed_out("mezha", way.mezha, owners(way.mezha), right=way.mezha_right),
        )
    return lines


def result_section(lab: Lab, texts: Texts) -> list[Line]:
    """Sum up: how much each got right."""
    table = [("", texts.plain_column, "mezha")]
    table += [(row.what, row.of(row.plain, texts), row.of(row.mezha, texts)) for row in summary(lab, texts)]
    first, second, third = (max(len(row[column]) for row in table) for column in range(3))
    lines = _heading(5, texts.result)
    for place, (what, one, other) in enumerate(table):
        style: tuple[Style, Style] = ("bad", "good") if place else ("dim", "dim")
        lines.append(
            [
                Span(f"{_INDENT}{what:<{first}}   "),
                Span(f"{one:>{second}}   ", style[0]),
                Span(f"{other:>{third}}", style[1]),
            ]
        )
    closing = texts.all_right if lab.right else texts.not_all_right
    seconds = texts.seconds.format(seconds=texts.decimal(lab.seconds))
    return [*lines, [], [Span(f" {closing}", "good" if lab.right else "bad"), Span(f"  ({seconds})", "dim")]]


def _heading(number: int, text: str) -> list[Line]:
    return [[], [Span(f" {number}  {text}", "heading")], []]


def _paragraph(text: str, width: int, indent: str = _INDENT) -> list[Line]:
    return [[Span(line)] for line in textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)]


def _verdict(text: str, width: int, *, good: bool) -> list[Line]:
    mark = Span("  ✓ " if good else "  ✗ ", "good" if good else "bad")
    first, *others = textwrap.wrap(text, width - len(_INDENT))
    return [[mark, Span(first)], *([Span(_INDENT + line)] for line in others)]


def _histogram(bars: list[tuple[str, int]], total: int, texts: Texts, width: int) -> list[Line]:
    labels = max(len(label) for label, _ in bars)
    numbers = max(len(texts.number(count)) for _, count in bars)
    space = width - len(_INDENT) - labels - numbers - 4
    return [
        [
            Span(f"{_INDENT}{label:<{labels}}  "),
            Span(f"{texts.number(count):>{numbers}}  ", "dim"),
            Span(_bar(count / total, space), "first"),
        ]
        for label, count in bars
    ]


def _bar(share: float, space: int) -> str:
    """Draw a bar, in eighths of a column; what is not nothing is at least one of them."""
    eighths = max(round(share * space * 8), 1)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + _BLOCKS[rest - 1] * (rest > 0)


def _columns(left: list[Line], right: list[Line], *, gap: int) -> list[Line]:
    wide = max(len(text_of(line)) for line in left) + gap
    height = max(len(left), len(right))
    left = left + [[]] * (height - len(left))
    right = right + [[]] * (height - len(right))
    return [
        [Span(_INDENT), *one, Span(" " * (wide - len(text_of(one)))), *other]
        for one, other in zip(left, right, strict=True)
    ]


def _repr(outcome: bytes) -> str:
    """Write what a recv returned as the lab prints it; leave out the middle of what is long."""
    text = repr(outcome)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 9]} … {text[-6:]}"


def _surprising(outcome: bytes) -> Style:
    return "plain" if outcome == b"".join(MESSAGES) else "bad"
