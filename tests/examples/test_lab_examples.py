"""The programs of the lab do what the lab says of them."""

import ast

import pytest
from docs_blocks import ROOT, change, run

LAB = "examples/lab/"
PROGRAMS = sorted(path.name for path in (ROOT / LAB).glob("*.py"))


def test_one_message_a_second_arrives_as_it_was_sent() -> None:
    assert run(LAB + "one_plain.py") == "b'Hello!\\r\\n'\n" * 10


def test_two_messages_at_once_arrive_as_tcp_pleases() -> None:
    reads = [ast.literal_eval(line) for line in run(LAB + "two_plain.py").splitlines()]
    assert len(reads) == 10
    assert all(reads)
    stream = b"".join(reads)
    assert (b"Hello!World!" * 10).startswith(stream)


def test_with_mezha_one_message_a_second_is_one_message() -> None:
    assert run(LAB + "one_mezha.py") == "b'Hello!'\n" * 10


@pytest.mark.parametrize("program", ["two_by_hand.py", "two_mezha.py"])
def test_hello_and_world_alternate(program: str) -> None:
    assert run(LAB + program) == "b'Hello!'\nb'World!'\n" * 10


@pytest.mark.parametrize("number", ["one", "two"])
def test_few_lines_change(number: str) -> None:
    changed = change(f"{LAB}{number}_plain.py", f"{LAB}{number}_mezha.py").splitlines()
    assert sum(line.startswith("-") for line in changed) <= 3
    assert sum(line.startswith("+") and line != "+" for line in changed) <= 7


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_says_what_it_is(program: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / LAB / program).read_text(encoding="utf-8")))
    assert text
    assert "\n" not in text
