"""Read the scenes: files of JSON into values that have a sense."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

from mezha.session.hello import Hello
from mezha.testing.scenes.patterns import Pattern

__all__ = ["STEPS", "Scene", "Step", "scene_names", "scenes"]

_HERE = files("mezha.testing.scenes")

#: What a step may be, and what stands beside it: bytes (a pattern), several of them, a number, or other. ``?`` may be
#: missing.
STEPS: Mapping[str, Mapping[str, str]] = {
    "peer": {"peer": "bytes"},
    "peer_ends": {"peer_ends": "flag"},
    "wait": {"wait": "number"},
    "send": {"send": "bytes", "refused": "flag?"},
    "piece": {"piece": "bytes", "refused": "flag?"},
    "finish": {"finish": "flag"},
    "drop": {"drop": "number"},
    "end": {"end": "flag"},
    "request": {"request": "bytes", "refused": "flag?"},
    "cancel": {"cancel": "number"},
    "answer": {"answer": "number", "reply": "bytes"},
    "fail": {"fail": "number", "code": "number"},
    "close": {"close": "number"},
    "sends": {"sends": "patterns"},
    "sends_message": {"sends_message": "bytes"},
    "sends_dropped": {"sends_dropped": "number"},
    "grants": {"grants": "numbers"},
    "pings": {"pings": "numbers"},
    "takes": {"takes": "patterns"},
    "waits": {"waits": "flag"},
    "gets": {"gets": "bytes"},
    "asked": {"asked": "number", "question": "bytes"},
    "told_cancelled": {"told_cancelled": "number"},
    "reply_to": {"reply_to": "number", "is": "bytes"},
    "failure_of": {"failure_of": "number", "code": "number?"},
    "ends": {"ends": "word", "code": "number?", "delivered": "number?"},
}
_ENDS = ("closed", "violation", "lost")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, or must have happened: its name, and what stands beside it."""

    does: str
    given: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.given[name]

    def get(self, name: str) -> Any:
        """Return what stands beside it, or ``None``."""
        return self.given.get(name)


@dataclass(frozen=True, slots=True)
class Scene:
    """A row of steps, played on a side that has said this HELLO."""

    name: str
    about: str
    side: Hello
    steps: tuple[Step, ...]
    #: Whether the side's program answers requests.
    answers: bool = True


def scene_names() -> list[str]:
    """List the files, by their names without ``.json``."""
    return sorted(path.name.removesuffix(".json") for path in _HERE.iterdir() if path.name.endswith(".json"))


def scenes(name: str) -> tuple[Scene, ...]:
    """Read the scenes of a file.

    Raises:
        FileNotFoundError: there is none of that name.
        TypeError: a scene lacks something, or has something too much.
        ValueError: something has no sense.

    """
    read: dict[str, Any] = json.loads(_HERE.joinpath(f"{name}.json").read_text(encoding="utf-8"))
    if (read["protocol"], read["version"]) != ("mezha", 1):
        raise ValueError(f"{name}.json is not about version 1 of the mezha protocol")
    return tuple(_scene(scene) for scene in read["scenes"])


def _scene(read: dict[str, Any]) -> Scene:
    side = dict(read.pop("side", {}))
    answers = side.pop("answers", True)
    unknown = side.keys() - {field.name for field in fields(Hello)}
    if unknown:
        raise TypeError(f"{read.get('name')}: a side has no {', '.join(sorted(unknown))}")
    steps = tuple(_step(step, read.get("name")) for step in read.pop("steps"))
    return Scene(**{"about": "", **read}, side=Hello(**side), steps=steps, answers=answers)


def _step(read: dict[str, Any], scene: object) -> Step:
    does = next(iter(read))
    form = STEPS.get(does)
    if form is None:
        raise ValueError(f"{scene}: no step is called {does!r}")
    if read.keys() - form.keys() or {key for key, value in form.items() if value[-1] != "?"} - read.keys():
        raise TypeError(f"{scene}: {does} has {', '.join(read)}, and not {', '.join(form)}")
    return Step(does, {key: _value(form[key], value) for key, value in read.items()})


def _value(form: str, value: Any) -> Any:
    match form:
        case "bytes":
            return Pattern.parse(value)
        case "patterns":
            return [Pattern.parse(each) for each in value]
        case "word" if value not in _ENDS:
            raise ValueError(f"ends is one of {', '.join(_ENDS)}, not {value!r}")
        case _:
            return value
