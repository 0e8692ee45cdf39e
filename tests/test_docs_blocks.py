"""What proves the documents can itself tell true from false."""

from pathlib import Path

import docs_blocks
import pytest
from docs_blocks import Block, blocks, change, check

from mezha.session.states import STREAM, Stream, diagram

PROGRAM = '"""A program."""\n\nprint("one")\nprint("two")\nprint("three")\n'
OTHER = '"""Another."""\n\nprint("one")\nprint("zwei")\nprint("three")\n'
DIFFERENCE = ' print("one")\n-print("two")\n+print("zwei")\n print("three")\n'


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(docs_blocks, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(PROGRAM)
    (tmp_path / "b.py").write_text(OTHER)
    return tmp_path


def block(mark: str, subject: str, text: str, language: str = "") -> Block:
    return Block("text.md", 1, mark, subject, language, text)


@pytest.mark.parametrize(
    ("mark", "subject", "text"),
    [
        ("file", "a.py", PROGRAM),
        ("excerpt of", "a.py", 'print("one")\nprint("two")\n'),
        ("excerpt of", "a.py", 'print("one")\n...\nprint("three")\n'),
        ("change", "a.py b.py", DIFFERENCE),
        ("output of", "a.py", "one\ntwo\nthree\n"),
        ("output of", "a.py", "one\n...\n"),
        ("output on Linux of", "a.py", "one\ntwo\nthree\n"),
        ("diagram of", "STREAM from GREETING", diagram(STREAM, Stream.GREETING)),
    ],
)
def test_true(mark: str, subject: str, text: str) -> None:
    check(block(mark, subject, text))


@pytest.mark.parametrize(
    ("mark", "subject", "text"),
    [
        ("file", "a.py", OTHER),
        ("excerpt of", "a.py", 'print("one")\nprint("three")\n'),
        ("excerpt of", "a.py", 'print("three")\n...\nprint("one")\n'),
        ("excerpt of", "a.py", '("one")\n'),
        ("change", "a.py b.py", DIFFERENCE.replace("zwei", "deux")),
        ("output of", "a.py", "one\ntwo\n"),
        ("output of", "a.py", "...\ntwo\n"),
        ("output on Linux of", "a.py", "three\ntwo\none\n"),
        ("", "", "anything\n"),
        ("diagram of", "STREAM from OPEN", diagram(STREAM, Stream.GREETING)),
        ("proof of", "a.py", PROGRAM),
    ],
)
def test_false(mark: str, subject: str, text: str) -> None:
    with pytest.raises(AssertionError):
        check(block(mark, subject, text))


def test_a_program_that_fails_or_complains_proves_nothing(repository: Path) -> None:
    (repository / "a.py").write_text("print('one')\nraise SystemExit(1)\n")
    (repository / "b.py").write_text("import sys\nprint('one')\nprint('beware', file=sys.stderr)\n")
    for program in ("a.py", "b.py"):
        with pytest.raises(AssertionError):
            check(block("output of", program, "one\n"))


def test_reading_a_document(repository: Path) -> None:
    (repository / "text.md").write_text(
        "Words.\n\n<!-- file: a.py -->\n```python\nx = 1\n```\n\n```text\nno mark\n```\n<!-- not a mark -->\n"
    )
    assert blocks("text.md") == [
        Block("text.md", 3, "file", "a.py", "python", "x = 1\n"),
        Block("text.md", 8, "", "", "text", "no mark\n"),
    ]


def test_places_of_a_change_stand_apart(repository: Path) -> None:
    (repository / "a.py").write_text("1\n2\n3\n4\n5\n6\n")
    (repository / "b.py").write_text("one\n2\n3\n4\n5\nsix\n")
    assert change("a.py", "b.py") == "-1\n+one\n 2\n\n 5\n-6\n+six\n"
