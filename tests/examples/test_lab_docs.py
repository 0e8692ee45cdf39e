"""The texts of the lab are true: their code is that of the programs, and the programs print what they show."""

import re

import pytest
from docs_blocks import ROOT, Block, blocks, check

UKRAINIAN, ENGLISH = TEXTS = ("docs/lab.uk.md", "docs/lab.md")
PROVEN = {(block.mark, block.subject, block.language, block.text): block for text in TEXTS for block in blocks(text)}


@pytest.mark.parametrize("block", PROVEN.values(), ids=str)
def test_every_block_is_true(block: Block) -> None:
    check(block)


def test_both_languages_show_the_same() -> None:
    ukrainian, english = (
        [(block.mark, block.subject, block.language, block.mark and block.text) for block in blocks(text)]
        for text in TEXTS
    )
    assert ukrainian == english


def test_both_languages_have_the_same_parts() -> None:
    ukrainian, english = (re.findall(r"^(#+ |\* |  \* |\d+\. ★*|\|)", _prose(text), re.MULTILINE) for text in TEXTS)
    assert ukrainian == english


@pytest.mark.parametrize("text", TEXTS)
def test_every_link_leads_to_a_heading(text: str) -> None:
    headings = re.findall(r"^#+ (.+)$", _prose(text), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]*)\)", _prose(text))
    assert links
    assert set(links) <= anchors


@pytest.mark.parametrize("text", TEXTS)
def test_every_program_is_mentioned(text: str) -> None:
    mentioned = set(re.findall(r"\w+\.py", (ROOT / text).read_text(encoding="utf-8")))
    supporting = {"stage.py"}
    assert {path.name for path in (ROOT / "examples/lab").glob("*.py")} == mentioned | supporting


def test_ukrainian_is_set_as_ukrainian() -> None:
    prose = re.sub(r"`[^`]*`", "", _prose(UKRAINIAN))
    wrong = re.findall(r"(?<=\w)'(?=\w)| -{1,2} |[\"“”„]|[ыэъёЫЭЪЁ]", prose)
    assert not wrong


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", (ROOT / text).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
