"""How messages are shown: one line each, safe for a terminal, and with nothing lost in JSON."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezha.cli.output import as_json, as_text

_NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))


@given(st.binary() | st.text().map(str.encode))
def test_text_is_one_line_without_controls(message: bytes) -> None:
    text = as_text(message)
    assert text.replace("\t", "").isprintable()
    assert len((text + "\n").splitlines()) == 1


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", ""),
        ("Привіт!".encode(), "Привіт!"),
        (b"a\tb", "a\tb"),
        (b"a\nb\r", r"a\nb\r"),
        (b"\x1b[31mred", r"\x1b[31mred"),
        (b"\xff\x00", r"\xff\x00"),
        ("\u202eevil".encode(), r"\u202eevil"),
    ],
)
def test_text(message: bytes, text: str) -> None:
    assert as_text(message) == text


@given(st.binary() | st.text().map(str.encode), st.booleans(), st.booleans())
def test_json_loses_nothing(message: bytes, hex_only: bool, ascii_only: bool) -> None:
    line = as_json("127.0.0.1:1", message, _NOW, hex_only=hex_only, ascii_only=ascii_only)
    assert "\n" not in line
    assert not ascii_only or line.isascii()
    record = json.loads(line)
    assert record["size"] == len(message)
    assert message == (bytes.fromhex(record["hex"]) if "hex" in record else record["text"].encode())


def test_json() -> None:
    line = as_json("[::1]:9", "Привіт".encode(), _NOW)
    assert line == '{"peer": "[::1]:9", "time": "2026-01-02T01:04:05.678Z", "size": 12, "text": "Привіт"}'
    assert json.loads(as_json("", b"\xff", datetime.now(UTC)))["hex"] == "ff"
    assert "text" not in json.loads(as_json("", b"a", _NOW, hex_only=True))
