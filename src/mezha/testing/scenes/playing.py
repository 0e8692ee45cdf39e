"""Play a scene on a side, and say where it does something else."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

from mezha.session.frames import Kind
from mezha.session.greeting import MAGIC
from mezha.session.hello import Hello
from mezha.testing.scenes.patterns import Hole
from mezha.testing.scenes.reading import Scene, Step, scenes

__all__ = ["Side", "check_scenes", "play"]


class Side(ABC):
    """An implementation of the protocol, under test. The stream below takes all that it sends, at once."""

    @abstractmethod
    def begin(self) -> None:
        """Let the connection be there."""

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Let bytes arrive; ``b""`` is the end of the stream."""

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Let time pass, and nothing happen."""

    @abstractmethod
    def sent(self) -> bytes:
        """Return what it has sent since it was asked the last time."""

    @abstractmethod
    def take(self) -> list[bytes]:
        """Hand out all messages that are here; what goes wrong behind them does not matter here."""

    @abstractmethod
    def want(self) -> None:
        """Let its program begin to wait for the next message, of which no more is here than a part."""

    @abstractmethod
    def got(self) -> bytes | None:
        """Return the message for which its program waited, if it has come."""

    @abstractmethod
    def events(self) -> list[tuple[object, ...]]:
        """Return what has happened to requests since it was asked the last time.

        ``("asked", id, question)``, ``("told_cancelled", id)``, ``("reply_to", n, answer)`` and
        ``("failure_of", n, code)``: the n-th request of this side; a code may be ``None``, if there was no answer.
        """

    @abstractmethod
    def act(self, does: str, *given: object) -> bool:
        """Let its program do something, by the name of the step; return whether the side allowed it."""

    @abstractmethod
    def ending(self) -> tuple[str, int | None, int | None]:
        """Return how the connection ended: the word of the step, the code, and how many messages were delivered."""


def check_scenes(name: str, side: Callable[[Hello, bool], Side]) -> None:
    """Play all scenes of a file; ``side`` makes a side of its HELLO, and of whether its program answers requests.

    Raises:
        AssertionError: it does something else; the text says in which scene and step.
        FileNotFoundError: there is no such file.

    """
    for scene in scenes(name):
        play(scene, side(scene.side, scene.answers))


def play(scene: Scene, side: Side, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> None:
    """Play one scene; ``cut`` says how the peer's bytes are cut on their way.

    Raises:
        AssertionError: the side does something else.

    """
    stage = _Stage(scene, side, cut)
    side.begin()
    for number, step in enumerate(scene.steps, 1):
        stage.where = f"{scene.name!r}, step {number} ({step.does})"
        stage.play(step)
    stage.finish()


class _Stage:
    """What has happened so far."""

    def __init__(self, scene: Scene, side: Side, cut: Callable[[bytes], list[bytes]]) -> None:
        self.where = ""
        self._scene = scene
        self._side = side
        self._cut = cut
        self._sent = bytearray()
        self._greeted = False
        #: Frames that were sent and not looked at, from their kind on.
        self._frames: list[bytes] = []
        self._events: list[tuple[object, ...]] = []
        self._granted = 0
        self._tokens = 0
        self._pinged = 0
        self._known: dict[Hole, bytes] = {}

    def play(self, step: Step) -> None:
        match step.does:
            case "peer":
                self.look()
                for piece in self._cut(step["peer"].fill(self._known)):
                    self._side.receive(piece)
            case "peer_ends":
                self._side.receive(b"")
            case "wait":
                self._side.wait(step["wait"])
            case "sends" | "sends_message" | "sends_dropped" | "grants" | "pings":
                self.look()
                getattr(self, f"_{step.does}")(step)
            case "takes":
                expected = [pattern.fill(self._known) for pattern in step["takes"]]
                taken = self._side.take()
                right = taken == expected  # outside of the assert, as pytest would look for the differences for minutes
                assert right, f"{self.where}: it handed out {_shown(taken)}, and not {_shown(expected)}"
            case "waits":
                self._side.want()
            case "gets":
                wanted, got = step["gets"].fill(self._known), self._side.got()
                right = got == wanted
                assert right, f"{self.where}: it got {_shown([] if got is None else [got])}"
            case "asked" | "told_cancelled" | "reply_to" | "failure_of":
                self._event(step)
            case "ends":
                how, code, delivered = self._side.ending()
                for name, found in (("ends", how), ("code", code), ("delivered", delivered)):
                    wanted = step.get(name)
                    assert wanted is None or wanted == found, f"{self.where}: {name} is {found!r}, and not {wanted!r}"
            case _:
                given = [
                    value if isinstance(value, (int, float)) else value.fill(self._known)
                    for name, value in step.given.items()
                    if name != "refused"
                ]
                allowed = self._side.act(step.does, *given)
                refused = bool(step.get("refused"))
                assert allowed != refused, f"{self.where}: it {'allowed' if allowed else 'refused'} it"

    def finish(self) -> None:
        """Check that nothing has happened of which the scene says nothing."""
        self.look()
        self._events += self._side.events()
        assert not self._frames, f"{self.where}: then it sent {_shown(self._frames)}"
        assert not self._events, f"{self.where}: then {self._events} happened"

    def look(self) -> None:
        """Look at what was sent."""
        self._sent += self._side.sent()
        if not self._greeted and len(self._sent) >= len(MAGIC):
            assert self._sent.startswith(MAGIC), f"{self.where}: it began with {bytes(self._sent[:8]).hex(' ')}"
            del self._sent[: len(MAGIC)]
            self._greeted = True
        while self._greeted and len(self._sent) >= 4:
            end = 4 + int.from_bytes(self._sent[:4], "big")
            if len(self._sent) < end:
                break
            self._sort(bytes(self._sent[4:end]))
            del self._sent[:end]
        assert not self._sent, f"{self.where}: it sent a part of a frame: {bytes(self._sent[:99]).hex(' ')}"

    def _sort(self, frame: bytes) -> None:
        match frame[0]:
            case Kind.HELLO:
                hello = Hello.decode(frame[1:], speaks=self._scene.side.versions)
                meant = replace(self._scene.side, agent=hello.agent)
                assert hello == meant, f"{self.where}: it said {hello}, and not {meant}"
            case Kind.CREDIT:
                self._granted += int.from_bytes(frame[1:], "big")
            case Kind.PING:
                self._tokens += 1
                self._pinged += 1
                self._known[Hole("@", self._tokens)] = frame[1:]
            case _:
                self._frames.append(frame)

    def _sends(self, step: Step) -> None:
        found, self._frames = self._frames, []
        patterns = step["sends"]
        shown = (
            f"{self.where}: it sent {_shown(found)}, and not {', '.join(each.text for each in patterns) or 'nothing'}"
        )
        assert len(found) == len(patterns), shown
        for pattern, frame in zip(patterns, found, strict=True):
            learned = pattern.match(frame, self._known)
            assert learned is not None, shown
            self._known.update(learned)

    def _sends_message(self, step: Step) -> None:
        message = step["sends_message"].fill(self._known)
        body = bytearray()
        while self._frames:
            frame = self._frames.pop(0)
            body += frame[1:]
            if frame[0] != Kind.PART:
                begun = len(body) > len(frame) - 1
                assert frame[0] == Kind.LAST if begun else frame[0] in (Kind.MESSAGE, Kind.LAST), (
                    f"{self.where}: it sent {_shown([frame])} there"
                )
                break
        else:
            raise AssertionError(f"{self.where}: it sent {len(body)} bytes of it and no end")
        right = body == message
        assert right, f"{self.where}: it sent a message of {len(body)} bytes {_shown([bytes(body)])}"

    def _sends_dropped(self, step: Step) -> None:
        begun = bool(self._frames)
        while self._frames and self._frames[0][0] == Kind.PART:
            del self._frames[0]
        drop = bytes([Kind.DROP]) + step["sends_dropped"].to_bytes(2, "big")
        if begun:
            assert self._frames, f"{self.where}: it sent pieces, and no DROP"
            found = self._frames.pop(0)
            assert found.startswith(drop), f"{self.where}: it sent {_shown([found])}, and not {drop.hex(' ')}"

    def _grants(self, step: Step) -> None:
        least, most = step["grants"]
        assert least <= self._granted <= most, f"{self.where}: it granted {self._granted}, and not {least} to {most}"

    def _pings(self, step: Step) -> None:
        found, self._pinged = self._pinged, 0
        least, most = step["pings"]
        assert least <= found <= most, f"{self.where}: it sent {found} PINGs, and not {least} to {most}"

    def _event(self, step: Step) -> None:
        self._events += self._side.events()
        values = [value if isinstance(value, int) else value.fill(self._known) for value in step.given.values()]
        wanted = (step.does, *values)
        found = [event for event in self._events if event[: len(wanted)] == wanted]
        assert found, f"{self.where}: what happened is {self._events}, and not {wanted}"
        self._events.remove(found[0])


def _shown(data: list[bytes]) -> str:
    return (
        ", ".join(each.hex(" ") if len(each) < 50 else f"{each[:40].hex(' ')} … ({len(each)} bytes)" for each in data)
        or "nothing"
    )
