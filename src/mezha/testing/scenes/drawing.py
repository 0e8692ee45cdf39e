"""Draw a scene as text, for people: a line for each frame, who sends it, its bytes, and what they are."""

from collections import defaultdict
from collections.abc import Iterator

from mezha.errors import FramingError
from mezha.session.frames import (
    Body,
    Cancel,
    Close,
    Counted,
    Drop,
    Failure,
    Numbered,
    Ping,
    Pong,
    code_name,
    parse_frame,
)
from mezha.session.greeting import MAGIC
from mezha.testing.scenes.patterns import Hole, Pattern
from mezha.testing.scenes.reading import Scene, Step

__all__ = ["draw"]

#: How many characters of hexadecimal a line has room for.
_ROOM = 58


def draw(scene: Scene) -> str:
    """Return the scene as text. What a side is free to choose is drawn as 1, 2, 3 …, and a text of its own as none."""
    lines: list[str] = []
    for step in scene.steps:
        who = {"peer": "peer", "sends": "side"}.get(step.does, "")
        for shown, meaning in _rows(step):
            lines.append(f"{who:5} {shown:{_ROOM}} {meaning}".rstrip() if shown else f"      {meaning}")
            who = ""
    return "\n".join(lines) + "\n"


def _rows(step: Step) -> Iterator[tuple[str, str]]:
    match step.does:
        case "peer":
            yield from _stream(_bytes(step["peer"]))
        case "sends":
            for pattern in step["sends"]:
                frame = _bytes(pattern)
                yield _frame(len(frame).to_bytes(4, "big") + frame)
        case "takes":
            taken = ", ".join(_quoted(_bytes(pattern)) for pattern in step["takes"])
            yield "", f"the side's program takes {taken or 'nothing'}"
        case _:
            said = ", ".join(_said(value) for value in step.given.values() if value is not True)
            yield "", f"{_WORDS[step.does]} {said}".rstrip()


def _said(value: object) -> str:
    return _quoted(_bytes(value)) if isinstance(value, Pattern) else str(value)


def _bytes(pattern: Pattern) -> bytes:
    return pattern.fill(_NUMBERS)


def _stream(data: bytes) -> Iterator[tuple[str, str]]:
    """Show bytes that need not be frames."""
    if data.startswith(MAGIC):
        yield MAGIC.hex(" ", 4), "the magic"
        data = data[len(MAGIC) :]
    while len(data) >= 5 and len(data) >= (end := 4 + int.from_bytes(data[:4], "big")) > 4:
        yield _frame(data[:end])
        data = data[end:]
    if data:
        yield _shorten(data.hex(" ", 4)), ""


def _frame(data: bytes) -> tuple[str, str]:
    """Show a frame."""
    shown = f"{data[:4].hex()} {data[4:5].hex()} {data[5:].hex(' ', -4)}".rstrip()
    try:
        frame = parse_frame(data[4:])
    except FramingError:
        return _shorten(shown), ""
    match frame:
        case Body(_, body) if frame.kind:
            said = _quoted(body)
        case Numbered(_, id, body):
            said = f"{id}, {_quoted(body)}"
        case Counted(_, number):
            said = f"{number}"
        case Ping(token):
            said = _quoted(token)
        case Pong(token, taken):
            said = f"{_quoted(token)}, {taken} taken"
        case Drop(code, text):
            said = f"{code_name(code)} {text}"
        case Failure(id, code, text):
            said = f"{id}, {code_name(code)} {text}"
        case Cancel(id):
            said = f"{id}"
        case Close(code, taken, text):
            said = f"{code_name(code)}, {taken} taken {text}"
        case _:
            said = ""
    return _shorten(shown), f"{frame.kind.name} {said}".rstrip()


def _quoted(data: bytes) -> str:
    text = data.decode("latin-1")
    return f'"{text}"' if text.isprintable() and text.isascii() and len(text) < 20 else f"{len(data)} bytes"


def _shorten(shown: str) -> str:
    return shown if len(shown) <= _ROOM else shown[: _ROOM - 2] + " …"


class _Numbers(defaultdict[Hole, bytes]):
    def __missing__(self, hole: Hole) -> bytes:
        return hole.number.to_bytes({"#": 4, "@": 8, "*": 0}[hole.sign], "big")


_NUMBERS = _Numbers()
_WORDS = {
    "peer_ends": "the peer's stream ends",
    "wait": "seconds pass:",
    "send": "the side's program sends",
    "piece": "the side's program begins a message, or goes on with it:",
    "finish": "the message is whole:",
    "drop": "the side's program gives the message up, with code",
    "end": "the side's program ends its messages",
    "request": "the side's program asks",
    "cancel": "the side's program cancels its request number",
    "answer": "the side's program answers",
    "fail": "the side's program fails",
    "close": "the side's program closes with code",
    "sends_message": "the side sends this message, in one frame or in pieces:",
    "sends_dropped": "the side sends pieces or none, and DROP with code",
    "waits": "the side's program waits for a message",
    "gets": "the side's program gets",
    "grants": "the side has granted, at least and at most,",
    "pings": "PINGs that the side has sent, at least and at most:",
    "asked": "the side's program is asked",
    "told_cancelled": "the side's program is told that nobody waits for",
    "reply_to": "the side's program is answered",
    "failure_of": "the side's program is told of a failure of its request number",
    "ends": "the connection has ended:",
}
