"""docs/protocol.md, the specification: its numbers are those of the code."""

import re
from pathlib import Path

import pytest
from docs_blocks import ROOT, blocks, check

from mezha.errors import FramingError
from mezha.framing import Frame, Need
from mezha.session import frames, hello
from mezha.session.frames import Code, Frames, Kind
from mezha.session.greeting import MAGIC, not_greeted
from mezha.session.hello import Hello, Type

PAGE = "docs/protocol.md"
TEXT = Path(ROOT, PAGE).read_text(encoding="utf-8")


def rows(*heads: str) -> list[list[str]]:
    """Return the rows of the one table that has these heads."""
    (table,) = re.findall(rf"^\| {re.escape(' | '.join(heads))} \|\n\|[-:|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|\n").split(" | ")] for row in table.splitlines()]


def section(name: str) -> str:
    return TEXT.split(f"\n## {name}\n")[1].split("\n## ")[0]


def test_every_block_of_it_is_true() -> None:
    for block in blocks(PAGE):
        check(block)
    assert TEXT.count("<!-- diagram of: ") == 3


@pytest.mark.parametrize("row", rows("kind", "name", "body", "its size in bytes"), ids=lambda row: row[1])
def test_the_kinds_and_their_sizes(row: list[str]) -> None:
    number, name, _, sizes = row
    kind = Kind[name]
    assert kind == int(number)
    shortest, _, longest = sizes.partition(" to ")
    smallest, largest = int(shortest), int(longest or shortest)
    for size in range(max(smallest - 2, 0), largest + 2) if largest < 20 else (smallest, largest, largest + 1):
        head = bytearray((size + 1).to_bytes(4, "big") + bytes([kind]))
        if smallest <= size <= largest:
            assert Frames().split(head, 1 << 20) in (Need(5 + size), (4, 5, 5, None), (4, 5, 5))
        else:
            with pytest.raises(FramingError):
                Frames().split(head, 1 << 20)


def test_every_kind_and_every_code_is_there() -> None:
    assert [row[1] for row in rows("kind", "name", "body", "its size in bytes")] == [kind.name for kind in Kind]
    codes = rows("code", "name", "meaning", "in")
    assert [(int(number), name) for number, name, *_ in codes] == [(code, code.name) for code in Code]
    for *_, where in codes:
        assert set(where.split(", ")) <= {"CLOSE", "FAILURE", "DROP"}


def test_the_values_of_hello() -> None:
    table = rows("number", "name", "value", "allowed", "if it is missing")
    assert [(int(number), name) for number, name, *_ in table] == [(kind, kind.name) for kind in Type]
    missing = {name: default for _, name, _, _, default in table}
    least = Hello()
    assert missing["MAX_MESSAGE"] == str(least.max_message)
    assert missing["WINDOW"] == str(least.window)
    assert missing["HEARTBEAT"] == str(least.heartbeat)
    assert missing["REQUESTS"] == f"{least.requests}; {least.request_bytes}"
    assert missing["FEATURES"] == str(least.features)
    allowed = {name: what for _, name, _, what, _ in table}
    assert allowed["WINDOW"] == f"{hello.SMALLEST_WINDOW} to 2^63 − 1"
    assert hello.MOST_CREDIT == 2**63 - 1
    assert allowed["HEARTBEAT"] == f"0, or {hello.SMALLEST_HEARTBEAT} or more"
    assert allowed["REQUESTS"] == f"{hello.SMALLEST_REQUESTS} or more; {hello.SMALLEST_REQUEST_BYTES} or more"
    assert allowed["AGENT"] == f"at most {hello.LONGEST_AGENT} bytes of UTF-8"


def test_the_magic_and_how_it_is_mangled() -> None:
    assert f"|  {'  |  '.join(f'{byte:02x}' for byte in MAGIC)}  |" in section("Opening")
    table = rows("what arrives", "what happened")
    for shown, _ in table[:-1]:
        arrives = bytes.fromhex(shown.strip("`").removesuffix(" …"))
        assert "mangled" in str(not_greeted(arrives[:8]))


def test_the_other_numbers() -> None:
    assert f"at most {frames.LONGEST_TEXT} bytes long" in section("Words")
    assert f"larger than {frames.HEADER + 4 + frames.PIECE} bytes" in section("Frames")
    assert f"{hello.ALLOWANCE} bytes together" in section("Opening")
    assert f"begins with {hello.ALLOWANCE} bytes" in section("Credit")
    largest = frames.HEADER + frames.PIECE
    assert f"costs {largest} bytes" in section("Credit")
    left = hello.SMALLEST_WINDOW * 3 // 4
    assert f"granted: {left} bytes" in section("Credit")
    assert left > largest
    assert hello.SMALLEST_WINDOW // 4 == 32768
    assert "after each 32768 bytes" in section("The least that works")
    whole = len(MAGIC) + frames.HEADER + frames.LONGEST_HELLO
    assert f"a peer costs {len(MAGIC)} + {whole - len(MAGIC)} bytes" in section("Security considerations")


def test_the_least_that_works() -> None:
    (magic, greeting) = re.findall(r"`([0-9a-f ]{16,})`", section("The least that works"))
    assert bytes.fromhex(magic) == MAGIC
    least = bytearray(bytes.fromhex(greeting))
    whole = Frames().split(least, 5000)
    assert isinstance(whole, Frame)
    assert whole.end == len(least)
    assert frames.parse_frame(whole.cut(least)) == frames.Body(Kind.HELLO, Hello().encode())


def test_its_own_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors
    contents = re.findall(r"^- \[(.+)\]\(#.+\)$", TEXT, re.MULTILINE)
    assert contents == re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
