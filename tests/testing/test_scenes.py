"""The scenes of the protocol: mezha plays them at every cut, and a side that does something else is named."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_side import SessionSide

from mezha.session.hello import Hello
from mezha.testing.scenes import Scene, Side, check_scenes, draw, play, scene_names, scenes
from mezha.testing.scenes.patterns import Hole, Pattern
from mezha.testing.scenes.reading import STEPS

ALL = [(name, scene) for name in scene_names() for scene in scenes(name)]

every_scene = pytest.mark.parametrize(
    "scene",
    [
        pytest.param(
            scene,
            id=f"{name}: {scene.name}",
        )
        for name, scene in ALL
    ],
)


def whole(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    """Cut what is short into bytes, and of what is long the beginning and the end."""
    cuts = [*range(min(len(data), 200)), *range(max(len(data) - 50, 200), len(data)), len(data)]
    return [data[start:stop] for start, stop in pairwise(cuts)]


@every_scene
@pytest.mark.parametrize("cut", [whole, byte_by_byte])
def test_mezha_plays_every_scene(scene: Scene, cut: Callable[[bytes], list[bytes]]) -> None:
    play(scene, SessionSide(scene.side, scene.answers), cut)


# -- the files ---------------------------------------------------------------------------------------------------------


def test_every_scene_has_a_name_of_its_own() -> None:
    assert len({scene.name for _, scene in ALL}) == len(ALL)
    assert scene_names() == ["closing", "credit", "frames", "heartbeat", "messages", "opening", "requests"]


def test_every_step_occurs_and_every_scene_can_be_drawn() -> None:
    assert {step.does for _, scene in ALL for step in scene.steps} == STEPS.keys()
    for _, scene in ALL:
        assert len(draw(scene).splitlines()) >= len([step for step in scene.steps if step.does != "sends"])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"steps": [{"sings": 1}]}, ValueError, "s: no step is called 'sings'"),
        ({"steps": [{"wait": 1, "until": 2}]}, TypeError, "s: wait has wait, until, and not wait"),
        ({"steps": [{"fail": 1}]}, TypeError, "s: fail has fail, and not fail, code"),
        ({"steps": [{"ends": "well"}]}, ValueError, "ends is one of closed, violation, lost, not 'well'"),
        ({"steps": [{"peer": "0"}]}, ValueError, "no bytes: '0' in '0'"),
        ({"side": {"colour": 1}}, TypeError, "s: a side has no colour"),
        ({"colour": 1}, TypeError, "colour"),
    ],
)
def test_a_file_that_has_no_sense(
    change: dict[str, Any], error: type[Exception], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mezha.testing.scenes.reading._HERE", tmp_path)
    file: dict[str, Any] = {
        "protocol": "mezha",
        "version": 1,
        "about": "a",
        "scenes": [{"name": "s", "steps": [], **change}],
    }
    (tmp_path / "f.json").write_text(json.dumps(file), encoding="utf-8")
    with pytest.raises(error, match=says):
        scenes("f")
    (tmp_path / "f.json").write_text(json.dumps({**file, "version": 2}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"^f.json is not about version 1 of the mezha protocol$"):
        scenes("f")


# -- bytes -------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=9), st.binary(min_size=4, max_size=4), st.text(max_size=3))
def test_a_pattern_matches_what_it_is_filled_with(data: bytes, number: bytes, text: str) -> None:
    pattern = Pattern.parse(f"61{{3}} {data.hex(' ')} #1 #1 *")
    filled = pattern.fill({Hole("#", 1): number, Hole("*"): text.encode()})
    assert filled == b"aaa" + data + number + number + text.encode()
    assert pattern.match(filled, {}) == {Hole("#", 1): number}
    assert pattern.match(filled, {Hole("#", 1): number}) == {}
    other = bytes([number[0] ^ 1]) + number[1:]
    assert pattern.match(filled, {Hole("#", 1): other}) is None
    assert pattern.match(b"aaa" + data + number + other, {}) is None
    assert pattern.match(b"aaa" + data + number[:3], {}) is None
    assert Pattern.parse("@1").match(b"12345678", {}) == {Hole("@", 1): b"12345678"}
    assert Pattern.parse("61").match(b"ab", {}) is None
    with pytest.raises(KeyError):
        pattern.fill({})


@pytest.mark.parametrize("text", ["6", "6G", "61 * 62", "#", "61{}", "A1"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no bytes: "):
        Pattern.parse(text)


# -- what is wrong is named --------------------------------------------------------------------------------------------


class Changed(Side):
    """mezha's side, but for what it is told to say in another way."""

    def __init__(self, hello: Hello, answers: bool, **changes: Any) -> None:
        self._side = SessionSide(hello, answers)
        self._changes = changes

    def _or(self, name: str, value: Any) -> Any:
        return self._changes[name](value) if name in self._changes else value

    def begin(self) -> None:
        self._side.begin()

    def receive(self, data: bytes) -> None:
        self._side.receive(data)

    def wait(self, seconds: float) -> None:
        self._side.wait(self._or("wait", seconds))

    def sent(self) -> bytes:
        return bytes(self._or("sent", self._side.sent()))

    def take(self) -> list[bytes]:
        return list(self._or("take", self._side.take()))

    def want(self) -> None:
        self._side.want()

    def got(self) -> bytes | None:
        got: bytes | None = self._or("got", self._side.got())
        return got

    def events(self) -> list[tuple[object, ...]]:
        return list(self._or("events", self._side.events()))

    def act(self, does: str, *given: object) -> bool:
        return bool(self._or("act", self._side.act(does, *given)))

    def ending(self) -> tuple[str, int | None, int | None]:
        how: tuple[str, int | None, int | None] = self._or("ending", self._side.ending())
        return how


def named(name: str) -> Scene:
    (scene,) = (scene for _, scene in ALL if scene.name == name)
    return scene


Change = Callable[[Any], Any]


def rewritten(bytes_: bytes, others: bytes) -> Change:
    return lambda data: data.replace(bytes_, others)


def without(bytes_: bytes) -> Change:
    """Leave out all that is sent together with these bytes."""
    return lambda data: b"" if bytes_ in data else data


ACK = bytes.fromhex("00000009 0f 0000000000000001")
HELLO_OF_ANOTHER = bytes.fromhex("0000000e 00 0001000101 00040004 00002710")

#: In which scene a side does what else, by the method and what it makes of what is returned, and how that is named.
WRONG: list[tuple[str, str, Change, str]] = [
    ("hello", "sent", lambda data: data[1:], "step 1 (peer): it began with 4d 5a 48 0d 0a 1a 0a 00"),
    ("hello", "sent", lambda data: data[:8] + HELLO_OF_ANOTHER, "step 1 (peer): it said Hello("),
    ("hello", "sent", lambda data: data + ACK[:5], "step 1 (peer): it sent a part of a frame: 00 00 00 09 0f"),
    ("hello", "sent", lambda data: data + ACK, "step 2 (sends): it sent 0f 00 00 00 00 00 00 00 01, 0f"),
    ("messages", "take", lambda taken: taken[3:], "step 3 (takes): it handed out nothing, and not 6f 6e 65, , 74"),
    ("messages", "events", lambda _: [("asked", 1, b"")], "step 4 (sends): then [('asked', 1, b'')] happened"),
    ("the side asks", "events", lambda _: [], "step 6 (reply_to): what happened is [], and not ('reply_to', 2, b'42')"),
    ("a small message goes whole", "act", lambda _: False, "step 2 (send): it refused it"),
    ("the peer takes nothing", "act", lambda _: True, "step 4 (send): it allowed it"),
    (
        "a large message goes in pieces",
        "sent",
        without(b"a"),
        "it sent 0 bytes of it and no end",
    ),
    (
        "a large message goes in pieces",
        "sent",
        rewritten(b"a" * 9, b"b" * 9),
        "it sent a message of 65537 bytes 62",
    ),
    ("a large message goes in pieces", "sent", rewritten(b"\3a", b"\x0fa"), "it sent 0f 61 there"),
    (
        "the side gives a large message up",
        "sent",
        rewritten(b"\4\0\x09", b"\4\0\x08"),
        "it sent 04 00 08 6e 6f, and not 04 00 09",
    ),
    ("the side gives a large message up", "sent", rewritten(b"\0\0\0\5\4\0\x09no", b""), "it sent pieces, and no DROP"),
    ("what is not taken is not granted again", "sent", without(b"\x0c\0\0"), "it granted 0, and not 32768 to 65536"),
    ("a message that is larger than the window", "got", lambda _: None, "step 15 (gets): it got nothing"),
    ("silence that is too long", "wait", lambda _: 0.0, "step 3 (pings): it sent 0 PINGs, and not 1 to 99"),
    ("the side closes", "ending", lambda how: (*how[:2], 1), "step 7 (ends): delivered is 1, and not 2"),
]


@pytest.mark.parametrize(("scene", "method", "change", "says"), WRONG)
def test_what_a_side_does_wrong_is_named(scene: str, method: str, change: Change, says: str) -> None:
    played = named(scene)
    with pytest.raises(AssertionError) as caught:
        play(played, Changed(played.side, played.answers, **{method: change}))
    assert f"{scene!r}, " in str(caught.value)
    assert says in str(caught.value)


def test_a_frame_at_the_end_of_which_the_scene_says_nothing() -> None:
    played = named("the side asks")
    late = Scene("late", "", played.side, played.steps[:3])
    with pytest.raises(AssertionError, match=r"'late', step 3 \(request\): then it sent 06 "):
        play(late, SessionSide(late.side, late.answers))


def test_a_file_is_played_from_beginning_to_end() -> None:
    played: list[Hello] = []

    def side(hello: Hello, answers: bool) -> Side:
        played.append(hello)
        return SessionSide(hello, answers)

    check_scenes("messages", side)
    assert len(played) == len(scenes("messages"))
