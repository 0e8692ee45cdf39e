"""The documents are true: their Python prints what they say, their commands are understood, their links lead on."""

import ast
import importlib
import inspect
import os
import re
import shlex
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from child import Child
from docs_blocks import ROOT, Block, blocks, check

from mezha.cli import experiment, main, report
from mezha.cli.picture import text_of
from mezha.cli.texts import TEXTS
from mezha.testing import laws

ENGLISH, UKRAINIAN = "README.md", "README.uk.md"
PAGES = (
    ENGLISH,
    UKRAINIAN,
    "SECURITY.md",
    "docs/guide.md",
    "docs/framings.md",
    "docs/testing.md",
)
DOCUMENTS = (*PAGES, "docs/performance.md", "docs/reliability.md", "CONTRIBUTING.md", "CHANGELOG.md")

every_page = pytest.mark.parametrize("page", PAGES)
every_document = pytest.mark.parametrize("document", DOCUMENTS)


@pytest.fixture(scope="module")
def pems() -> dict[str, bytes]:
    """What the documents call by these names: an authority, a server that is localhost, a client."""
    authority = trustme.CA()
    return {
        "ca.pem": authority.cert_pem.bytes(),
        "server.pem": authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes(),
        "client.pem": authority.issue_cert("client.example").private_key_and_cert_chain_pem.bytes(),
    }


@pytest.fixture
def folder(pems: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where the files are of which the documents speak."""
    for name, content in pems.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- Python ------------------------------------------------------------------------------------------------------------


class Page:
    """A page of Python, executed from top to bottom in one namespace, as a reader would try it.

    A comment behind a ``print`` says what it prints.
    """

    def __init__(self, page: str) -> None:
        self._file = ROOT / page
        self._printed: defaultdict[int, set[str]] = defaultdict(set)
        self.namespace: dict[str, Any] = {"__name__": "page", "print": self._print}
        for block in blocks(page):
            if block.language == "python" and not block.mark:
                self._run(block)

    def _run(self, block: Block) -> None:
        # Compiled with the line numbers of the page, so that a traceback shows its lines.
        lines = "\n" * block.line + block.text
        exec(compile(lines, str(self._file), "exec"), self.namespace)  # the documents are ours
        for number, line in enumerate(lines.splitlines(), 1):
            if said := re.search(r"\bprint\(.*\)  # (.+)$", line):
                assert self._printed[number] == {said[1]}, f"{self._file.name}:{number}: {line.strip()}"

    def _print(self, *values: object) -> None:
        frame = inspect.currentframe()
        assert frame
        assert frame.f_back
        self._printed[frame.f_back.f_lineno].add(" ".join(map(str, values)))


@every_page
@pytest.mark.usefixtures("folder")
def test_the_python_of_a_page_runs_and_prints_what_it_says(page: str) -> None:
    assert len(Page(page).namespace) > 3


@every_document
def test_every_other_block_is_true(document: str) -> None:
    for block in blocks(document):
        if block.mark or block.language != "python":
            check(block)


def test_both_languages_show_the_same_code() -> None:
    english, ukrainian = (
        [
            (block.mark, block.subject, ast.unparse(ast.parse(block.text)) if not block.mark else block.text)
            for block in blocks(page)
            if block.language == "python"
        ]
        for page in (ENGLISH, UKRAINIAN)
    )
    assert ukrainian == english


def test_both_languages_have_the_same_parts() -> None:
    english, ukrainian = (
        re.findall(r"^(#+ |- |\d\. |\||```\w*)", _read(page), re.MULTILINE) for page in (ENGLISH, UKRAINIAN)
    )
    assert ukrainian == english


def test_the_framing_of_the_documents_keeps_the_laws() -> None:
    framing = Page("docs/framings.md").namespace["Mllp"]()
    for message in (b"", b"Hello!", b"\x1c", b"\x1cHello!\r", b"\x0b"):
        laws.check_inverse(framing, message)
        laws.check_limit(framing, message)
    for noise in (b"", b"a", b"\x1c", b"\x0b", b"\x0bab\x1c\x1c\r", b"\x0b\x1c\r\r"):
        stream = b"\x0bHi\x1c\r" + noise
        for limit in (0, 2, 9):
            laws.check_split(framing, stream, limit)
            laws.check_any_cut(framing, stream, limit)
            laws.check_reverse(framing, stream, limit)
    assert laws.refuses(framing, b"a\x1c\rb")
    laws.check_linear(framing, b"\x1c" * 10_000 + b"a")
    laws.check_takes_no_memory(framing, b"\x0babc", limit=60 << 20)


# -- programs ----------------------------------------------------------------------------------------------------------

#: The programs say this place; a test takes one that is free.
_PLACE = '"localhost", 1898'
#: A server tells which port it got.
_TELLING = """\
import socket

class Telling(socket.socket):
    def listen(self, *backlog):
        super().listen(*backlog)
        print(self.getsockname()[1], flush=True)

socket.socket = Telling
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT can be sent there")
@pytest.mark.parametrize("server", ["server", "asyncio_server"])
@pytest.mark.parametrize("client", ["client", "asyncio_client"])
def test_the_echo_programs_understand_each_other(server: str, client: str) -> None:
    with Child(_TELLING + _program(server, 0)) as serving:
        port = int(serving.line())
        with Child(_program(client, port)) as asking:
            assert asking.finish() == (0, "b'Hello!' b'World!'\n", "")
        serving.send_signal(signal.SIGINT)
        status, output, errors = serving.finish()
    assert (status, output) == (-signal.SIGINT, "")
    assert errors.endswith("KeyboardInterrupt\n")


def _program(name: str, port: int) -> str:
    source = _read(f"examples/echo/{name}.py")
    assert _PLACE in source
    return source.replace(_PLACE, f'"127.0.0.1", {port}')


# -- commands ----------------------------------------------------------------------------------------------------------


def _commands() -> Iterator[str]:
    for document in DOCUMENTS:
        for block in blocks(document):
            if block.language == "console":
                yield from (line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ "))


class Understood(Exception):
    """The command line had nothing to complain about, and would now use the network."""


@pytest.mark.parametrize("command", sorted(set(_commands())))
@pytest.mark.usefixtures("folder")
def test_every_command_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object, **__: object) -> None:
        raise Understood

    for place in ("serving.listen", "send.connect", "chaos.Chaos", "experiment.plain_rounds", "identify.read_capture"):
        module, name = place.split(".")
        monkeypatch.setattr(importlib.import_module(f"mezha.cli.{module}"), name, reached)
    for file in ("run.jsonl", "capture.pcap", "stream.bin"):  # recorded before
        Path(file).write_text("{}\n", encoding="utf-8")
    match shlex.split(command.split("|")[-1], comments=True):
        case ["mezha", *words]:
            with pytest.raises(Understood):
                main(words)
        case ["make", *targets]:
            assert set(targets) <= set(re.findall(r"^(\w+):", _read("Makefile"), re.MULTILINE))
        case ["python", "-m", "pip", "install", *_]:
            pass
        case ["python", file] | ["python", "-m", "pytest", file]:
            assert (ROOT / file).exists()
        case words:
            raise AssertionError(f"nothing proves {words}")


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_the_pictures_are_those_of_the_lab() -> None:
    cutting = experiment.cut_every_way(lambda _: None)
    for page, language in ((ENGLISH, "en"), (UKRAINIAN, "uk")):
        (shown,) = (block.text for block in blocks(page) if block.text.startswith("    ┌"))
        drawn = [text_of(line).rstrip() for line in report.picture_section(cutting, TEXTS[language], width=80)]
        assert shown in "\n".join(drawn) + "\n"


@every_document
def test_every_link_leads_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", _prose(document)):
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        file = (ROOT / document).parent / path if path else ROOT / document
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file), target


def test_ukrainian_is_set_as_ukrainian() -> None:
    prose = re.sub(r"`[^`]*`", "", _prose(UKRAINIAN))
    assert not re.findall(r"(?<=\w)'(?=\w)| -{1,2} |[\"“”„]|[ыэъёЫЭЪЁ]", prose)


def _read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def _prose(file: str) -> str:
    return re.sub(r"^```.*?^```$", "", _read(file), flags=re.MULTILINE | re.DOTALL)


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(str(file)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
