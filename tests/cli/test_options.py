"""The words of the command line: places, sizes, framings, and the errors they give."""

import pytest

from mezha.cli.options import FRAMINGS, FRAMINGS_HELP, Parser, Place, parse_place, parse_size
from mezha.framing import parse_framing
from mezha.framing.names import NAMES, PREFIXES


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("9000", Place("127.0.0.1", 9000)),
        ("0", Place("127.0.0.1", 0)),
        ("localhost:65535", Place("localhost", 65535)),
        ("[::1]:9000", Place("::1", 9000)),
        (":9000", Place(None, 9000)),
        ("*:9000", Place(None, 9000)),
    ],
)
def test_place(text: str, place: Place) -> None:
    assert parse_place(text) == place
    assert parse_place(str(place)) == place


@pytest.mark.parametrize("text", ["", "localhost", "localhost:", "::1:9000", "h:65536", "h:-1", "h:٣", "h:1e3"])
def test_no_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|PORT|brackets"):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("64k", 65536),
        ("64K", 65536),
        ("64KiB", 65536),
        ("64kB", 64000),
        ("1 MiB", 1 << 20),
        ("10MB", 10_000_000),
        ("2G", 2 << 30),
    ],
)
def test_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5M", "1T", "0x10", "٣"])
def test_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


def test_the_help_shows_every_framing_as_it_can_be_typed() -> None:
    assert set(FRAMINGS) == NAMES.keys() | PREFIXES.keys()
    for name, (form, _) in FRAMINGS.items():
        assert type(parse_framing(form)) is {**NAMES, **PREFIXES}[name]
        assert form in FRAMINGS_HELP
    assert max(map(len, FRAMINGS_HELP.splitlines())) <= 80


def test_an_error_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        Parser("verb", "usage", "description", "epilog").parse(["--nonsense"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "mezha verb: unrecognized arguments: --nonsense (see mezha verb --help)\n"
