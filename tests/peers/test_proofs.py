"""Every row of the table in docs/framings.md is a test, and every test that proves something is a row."""

import re

from peers.table import PAGE, cells, read, rows


def test_the_table_says_what_is_proven() -> None:
    """The versions are those of the machine that wrote it."""
    there, proven = [row for row, _ in read(PAGE.read_text("utf-8"))], list(map(cells, rows()))
    assert there == proven, f"make proofs writes it anew: {sorted({*there} ^ {*proven})}"


def test_each_row_names_the_version_it_was_measured_with() -> None:
    for row, version in read(PAGE.read_text("utf-8")):
        assert re.match(r"\d+\.\d+", version), row
