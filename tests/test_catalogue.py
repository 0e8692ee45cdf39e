"""The catalogue in docs/framings.md says what the docstrings say."""

import catalogue
import pytest

from mezha.framing.names import NAMES, PREFIXES


def test_it_is_what_make_catalogue_writes() -> None:
    page = catalogue.PAGE.read_text("utf-8")
    assert catalogue.written(page) == page, "make catalogue writes it anew"


def test_every_framing_is_in_it_with_a_picture() -> None:
    sections = catalogue.catalogue().split("\n### ")
    assert len(sections) == len(NAMES) + len(PREFIXES)
    for section in sections:
        assert "```text\n" in section, section
        assert "::" not in section, section


def test_a_page_without_a_place_for_it() -> None:
    with pytest.raises(SystemExit, match="has no place for the catalogue"):
        catalogue.written("# Framings\n")
