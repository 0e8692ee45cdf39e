"""The golden vectors: every framing keeps to its file, every file to the format, and what does not is named."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faulty_framings as faulty
import pytest
from faulty_framings import Byte, DecodedBy
from stuffed_framings import Stuffed

from mezha.errors import FramingError
from mezha.framing import Data, Decoder, Framing, Need, Skipping
from mezha.framing.names import NAMES, PREFIXES
from mezha.testing.vectors import Golden, Refusal, Vector, check_vectors, golden, golden_names


@pytest.mark.parametrize("name", golden_names())
def test_every_framing_keeps_to_its_file(name: str) -> None:
    check_vectors(name)


@pytest.mark.parametrize("name", golden_names())
def test_every_file_has_something_of_everything(name: str) -> None:
    read = golden(name)
    assert read.framing == name
    assert read.specification
    assert read.about
    assert any(vector.encodes and vector.messages for vector in read.vectors)
    assert any(vector.then == "TruncatedMessage" for vector in read.vectors)
    assert any(vector.limit == max(map(len, vector.messages), default=-1) for vector in read.vectors)
    named = [vector.name for vector in read.vectors] + [refusal.name for refusal in read.refused]
    assert len(set(named)) == len(named)


def test_every_framing_that_has_a_name_has_vectors() -> None:
    forms = {vector.form.split(":")[0] for name in golden_names() for vector in golden(name).vectors}
    assert forms == NAMES.keys() | PREFIXES.keys()


# -- what is wrong is named ------------------------------------------------------------------------------------------

SOUND = Vector("sound", "byte", 5, b"\1a\2bc", (b"a", b"bc"), "end", encodes=True)
CUT_OFF = Vector("cut off", "byte", 5, b"\1a\2b", (b"a",), "TruncatedMessage", b"\2b")
TOO_LARGE = Vector("too large", "byte", 5, b"\1a\6", (b"a",), "MessageTooLarge")
REFUSED = Refusal("refused", "byte", b"a" * 256)


class FindsItAtTheEnd(Decoder):
    """Waits with a fault until the stream has ended."""

    def take(self, count: int = 1) -> list[bytes]:
        if self.ended:
            raise FramingError("now")
        return super().take(count)


class LosesATwo(Decoder):
    """Loses a byte, if it comes alone."""

    def feed(self, data: Data) -> None:
        if data != b"\2":
            super().feed(data)


class Waits(Byte):
    """It never has a message."""

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Need:
        return Need(len(buffer) + 1)


class CarriesAll(Byte):
    """It refuses nothing."""

    def encode(self, *parts: Any) -> list[bytes]:
        return [b"".join(parts)]


def check(framing: Framing, vector: Vector | Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    some = ((vector,), ()) if isinstance(vector, Vector) else ((), (vector,))
    read = Golden("byte", "", "", *some)
    monkeypatch.setattr("mezha.testing.vectors.reading.golden", {"byte": read}.__getitem__)
    check_vectors("byte", lambda form: framing)


@pytest.mark.parametrize("vector", [SOUND, CUT_OFF, TOO_LARGE, REFUSED], ids=lambda vector: vector.name)
def test_what_is_right_passes(vector: Vector | Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    check(Byte(), vector, monkeypatch)


def test_what_belongs_to_no_message_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = Vector("filler", "stuffed", 5, b"||a||", (b"a",), "end", skipped=3)
    check(Stuffed(), vector, monkeypatch)
    more = Vector("filler", "stuffed", 5, b"||a||", (b"a",), "end", skipped=2)
    with pytest.raises(AssertionError, match=r"^byte, 'filler', cut as \[b'\|\|a\|\|'\]: .*, skipped=3, "):
        check(Stuffed(), more, monkeypatch)


def test_what_is_forgiven_is_named_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, large = b"\1a\6abcdef\1b", ("MessageTooLarge",)
    right = Vector("forgiven", "past", 5, stream, (b"a", b"b"), "end", forgiven=large, dropped=7)
    check(Skipping(faulty.Past()), right, monkeypatch)
    for forgiven, dropped in ((large, 6), (("FramingError",), 7), (large * 2, 7)):
        wrong = replace(right, forgiven=forgiven, dropped=dropped)
        with pytest.raises(AssertionError, match=r"forgiven=\('MessageTooLarge',\), dropped=7\)"):
            check(Skipping(faulty.Past()), wrong, monkeypatch)


@pytest.mark.parametrize(
    ("framing", "vector", "says"),
    [
        (faulty.LosesAByte(), SOUND, "'sound', cut as [b'\\x01a\\x02bc']: _Outcome(messages=(b'', b'b'), then='end', "),
        (DecodedBy(LosesATwo), SOUND, "cut as [b'\\x01', b'a', b'\\x02', b'b', b'c']: _Outcome(messages=(b'a',), "),
        (Waits(), SOUND, "then='TruncatedMessage', rest=b'\\x01a\\x02bc', "),
        (Waits(), CUT_OFF, "then='TruncatedMessage', rest=b'\\x01a\\x02b', "),
        (DecodedBy(FindsItAtTheEnd), CUT_OFF, "then='FramingError, but only at the end', "),
        (Waits(), TOO_LARGE, "then='TruncatedMessage', rest=b'\\x01a\\x06', "),
        (faulty.ShowsParts(), Vector("w", "byte", 5, b"\1ab", (b"a",), "TruncatedMessage", b"b"), "'w', cut as"),
        (CarriesAll(), SOUND, "'sound', is written as b'abc'"),
        (CarriesAll(), REFUSED, "'refused', is not refused"),
    ],
)
def test_what_is_wrong_is_named(
    framing: Framing, vector: Vector | Refusal, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match=re.escape(says)):
        check(framing, vector, monkeypatch)


# -- the format --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"then": "Error"}, "sound: then is one of end, TruncatedMessage, FramingError, MessageTooLarge, not 'Error'"),
        ({"rest": b"a"}, "sound: a rest is what is left of a TruncatedMessage"),
        ({"then": "TruncatedMessage"}, "sound: a rest is what is left of a TruncatedMessage"),
        ({"then": "FramingError"}, "sound: only whole messages can have been encoded"),
        ({"dropped": 1}, "sound: bytes are dropped only for faults that are forgiven"),
        ({"forgiven": ("x",)}, "sound: only whole messages can have been encoded"),
    ],
)
def test_a_vector_without_sense_is_none(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}$"):
        Vector(**({name: getattr(SOUND, name) for name in Vector.__dataclass_fields__} | change))


def test_a_file_is_read_as_the_format_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vector = {"name": "n", "form": "f", "limit": 5, "stream": "0162 00", "messages": ["62"], "then": "end"}
    short = {**vector, "then": "TruncatedMessage", "rest": "ff", "skipped": 2, "forgiven": ["x"], "dropped": 3}
    fields = {"framing": "f", "specification": "s", "about": "a"}
    refused = [{"name": "r", "form": "f", "message": "61"}]

    def write(**changed: object) -> Callable[[], Golden]:
        text = json.dumps({**fields, "vectors": [vector, short], "refused": refused, **changed})
        (tmp_path / "f.json").write_text(text, encoding="utf-8")
        return lambda: golden("f")

    monkeypatch.setattr("mezha.testing.vectors.reading._HERE", tmp_path)
    assert write()() == Golden(
        "f",
        "s",
        "a",
        (
            Vector("n", "f", 5, b"\1b\0", (b"b",), "end"),
            Vector("n", "f", 5, b"\1b\0", (b"b",), "TruncatedMessage", b"\xff", 2, ("x",), 3),
        ),
        (Refusal("r", "f", b"a"),),
    )
    (tmp_path / "other.txt").touch()
    assert golden_names() == ["f"]
    for wrong in ({"vectors": [{**vector, "colour": 1}]}, {"colour": 1}, {"refused": [{"name": "r"}]}):
        with pytest.raises(TypeError):
            write(**wrong)()
    with pytest.raises(FileNotFoundError):
        golden("g")
