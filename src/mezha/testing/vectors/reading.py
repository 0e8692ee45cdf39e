"""Read the golden vectors, and hold a framing to them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from mezha.errors import MezhaError
from mezha.framing import Forgiving, Framing, parse_framing
from mezha.testing import cuts
from mezha.testing.laws import refuses

__all__ = ["Golden", "Refusal", "Vector", "check_vectors", "golden", "golden_names"]

_HERE = files("mezha.testing.vectors")
_THEN = ("end", "TruncatedMessage", "FramingError", "MessageTooLarge")


@dataclass(frozen=True, slots=True)
class Vector:
    """A stream, and what it means. The package says what the fields are."""

    name: str
    form: str
    limit: int
    stream: bytes
    messages: tuple[bytes, ...]
    then: str
    rest: bytes = b""
    skipped: int = 0
    forgiven: tuple[str, ...] = ()
    dropped: int = 0
    encodes: bool = False

    def __post_init__(self) -> None:
        if self.then not in _THEN:
            raise ValueError(f"{self.name}: then is one of {', '.join(_THEN)}, not {self.then!r}")
        if (self.then == "TruncatedMessage") != bool(self.rest):
            raise ValueError(f"{self.name}: a rest is what is left of a TruncatedMessage")
        if self.dropped and not self.forgiven:
            raise ValueError(f"{self.name}: bytes are dropped only for faults that are forgiven")
        if self.encodes and (self.then != "end" or self.forgiven):
            raise ValueError(f"{self.name}: only whole messages can have been encoded")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that a framing cannot carry."""

    name: str
    form: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Golden:
    """What a file says of a framing."""

    framing: str
    specification: str
    about: str
    vectors: tuple[Vector, ...]
    refused: tuple[Refusal, ...]


def golden_names() -> list[str]:
    """List the files, by their names without ``.json``."""
    return sorted(path.name.removesuffix(".json") for path in _HERE.iterdir() if path.name.endswith(".json"))


def golden(name: str) -> Golden:
    """Read a file.

    Raises:
        FileNotFoundError: there is none of that name.
        TypeError: it lacks a field, or has one too many.
        ValueError: a field has no sense.

    """
    read: dict[str, Any] = json.loads(_HERE.joinpath(f"{name}.json").read_text(encoding="utf-8"))
    vectors, refused = read.pop("vectors"), read.pop("refused")
    return Golden(
        **read,
        vectors=tuple(Vector(**_with_bytes(vector)) for vector in vectors),
        refused=tuple(Refusal(**_with_bytes(refusal)) for refusal in refused),
    )


def check_vectors(name: str, framing: Callable[[str], Framing] = parse_framing) -> None:
    """Check that a framing keeps to a file, wherever its streams are cut; ``framing`` makes it of its string form.

    >>> check_vectors("lines")

    Raises:
        AssertionError: it does not; the text says with which vector, and which cut.
        FileNotFoundError: there is no such file.

    """
    read = golden(name)
    for vector in read.vectors:
        framed = framing(vector.form)
        for cutting in cuts.everywhere(vector.stream, short=12):
            found = _read(framed, vector.limit, cutting)
            assert found == _expected(vector), f"{name}, {vector.name!r}, cut as {cutting}: {found}"
        if vector.encodes:
            written = b"".join(b"".join(framed.encode(message)) for message in vector.messages)
            assert written == vector.stream, f"{name}, {vector.name!r}, is written as {written!r}"
    for refusal in read.refused:
        assert refuses(framing(refusal.form), refusal.message), f"{name}, {refusal.name!r}, is not refused"


def _with_bytes(read: dict[str, Any]) -> dict[str, Any]:
    for key in read.keys() & {"stream", "rest", "message"}:
        read[key] = bytes.fromhex(read[key])
    if "messages" in read:
        read["messages"] = tuple(map(bytes.fromhex, read["messages"]))
    if "forgiven" in read:
        read["forgiven"] = tuple(read["forgiven"])
    return read


class _Outcome(NamedTuple):
    messages: tuple[bytes, ...]
    then: str
    rest: bytes
    skipped: int
    forgiven: tuple[str, ...]
    dropped: int


def _expected(vector: Vector) -> _Outcome:
    return _Outcome(*(getattr(vector, name) for name in _Outcome._fields))


def _read(framing: Framing, limit: int, cutting: Sequence[bytes]) -> _Outcome:
    decoder = framing.decoder(limit=limit)
    messages: list[bytes] = []
    forgiven: list[str] = []
    then, rest = "end", b""
    if isinstance(decoder, Forgiving):
        decoder.tell = lambda error: forgiven.append(type(error).__name__)
    try:
        for piece in cutting:
            decoder.feed(piece)
            messages += decoder  # it comes to a fault behind them, too
        rest = decoder.unused()
        decoder.feed(b"")
        messages += decoder
        rest = decoder.unused()
    except MezhaError as error:
        then = type(error).__name__
        if decoder.ended and then != "TruncatedMessage":
            then += ", but only at the end"
    dropped = decoder.dropped if isinstance(decoder, Forgiving) else 0
    return _Outcome(tuple(messages), then, rest, decoder.skipped, tuple(forgiven), dropped)
