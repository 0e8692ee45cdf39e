"""What the lab shows in a terminal, drawn from numbers that are given."""

import string
from dataclasses import fields, replace

import pytest

from mezha.cli import report
from mezha.cli.experiment import TELLING, Lab, Rounds
from mezha.cli.picture import Line, text_of
from mezha.cli.texts import TEXTS, Texts, language


def _everything(lab: Lab, texts: Texts, width: int) -> list[Line]:
    return [
        *report.title_section(texts, width=width, system="Windows", python="3.13.11"),
        *report.plain_section(lab.plain, texts, width=width),
        *report.mezha_section(lab.mezha, texts, width=width),
        *report.cutting_section(lab.cutting, lab.flood, texts, width=width),
        *report.picture_section(lab.cutting, texts, width=width),
        *report.result_section(lab, texts),
    ]


def _text(lines: list[Line]) -> str:
    return "\n".join(text_of(line).rstrip() for line in lines)


@pytest.mark.parametrize("lang", TEXTS)
@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_wider_than_the_terminal(lab: Lab, lang: str, width: int) -> None:
    assert max(len(text_of(line)) for line in _everything(lab, TEXTS[lang], width)) <= width


def test_it_says_what_was_measured(lab: Lab) -> None:
    text = _text(_everything(lab, TEXTS["en"], 80))
    for part in (
        "\n    b'Hello!World!'  9,998  ██████",
        "\n    b'Hello!'            1  ▏\n",
        "2 of 10,000 calls of recv",
        "20,000 of 20,000 calls of recv",
        "8 of 19,992 reads",
        "2¹³\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}8,192 ways",
        "1 of 8,192     8,192 of 8,192",
        "0 of 16,384   16,384 of 16,384",
        "mezha got everything right",
        "(2.5 s)",
    ):
        assert part in text


def test_ukrainian_numbers(lab: Lab) -> None:
    text = _text(report.result_section(lab, TEXTS["uk"])).replace("\N{NO-BREAK SPACE}", " ")
    assert "20 000 з 20 000" in text
    assert "(2,5 с)" in text


def test_a_late_surprise_is_shown_beside_the_first_rounds(lab: Lab) -> None:
    both = b"Hello!World!"
    plain = Rounds(
        10_000, ((both, 9999), (b"Hello!", 1)), (both,) * 10, 7424, ((7423, both), (7424, b"Hello!"), (7425, both))
    )
    lines = report.plain_section(plain, TEXTS["en"], width=80)
    text = _text(lines)
    assert "the first rounds        around the first surprise\n" in text
    assert "b'Hello!World!'          7,424  b'Hello!'\n" in text
    assert [span.text for line in lines for span in line if span.style == "bad" and "b'" in span.text] == ["b'Hello!'"]


def test_no_surprise_is_said_to_be_none(lab: Lab) -> None:
    both = b"Hello!World!"
    text = _text(report.plain_section(Rounds(3, ((both, 3),), (both,) * 3, None, ()), TEXTS["en"], width=80))
    assert TEXTS["en"].no_surprise in text
    assert TEXTS["en"].and_so_on not in text


def test_rare_outcomes_are_summed_up_and_long_ones_cut_short() -> None:
    outcomes = tuple((b"Hello!World!" * times, 10 - times) for times in range(1, 9))
    count = sum(number for _, number in outcomes)
    lines = report.plain_section(Rounds(count, outcomes, (), None, ()), TEXTS["en"], width=80)
    assert max(len(text_of(line)) for line in lines) <= 80
    assert next(text_of(line).split() for line in lines if "anything else" in text_of(line))[2] == "9"  # 4 + 3 + 2


def test_a_wrong_run_is_not_called_right(lab: Lab) -> None:
    wrong = replace(lab, cutting=replace(lab.cutting, real=8190, mezha_right=8191))
    text = _text(_everything(wrong, TEXTS["en"], 80))
    assert "mezha did NOT get everything right" in text
    assert "did not keep 2 of the cuts" in text
    assert "8,191 of 8,192" in text


def test_both_languages_ask_for_the_same_numbers() -> None:
    def blanks(value: object) -> object:
        return {name for _, name, _, _ in string.Formatter().parse(value) if name} if isinstance(value, str) else None

    english, ukrainian = TEXTS["en"], TEXTS["uk"]
    assert set(english.ways) == set(ukrainian.ways) == set(TELLING)
    for field in fields(Texts):
        assert blanks(getattr(english, field.name)) == blanks(getattr(ukrainian, field.name)), field.name


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "uk_UA.UTF-8"}, "uk"),
        ({"LANG": "uk_UA.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "uk_UA"}, "uk"),
        ({"LC_ALL": "", "LANG": "uk"}, "uk"),
        ({"LANG": "de_AT.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_locale_s(environment: dict[str, str], expected: str) -> None:
    assert language(environment) == expected
