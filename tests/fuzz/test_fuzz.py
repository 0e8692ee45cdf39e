"""Fuzzing, in small: what was kept keeps every promise, and so does what a short search from there comes to.

Where there is no atheris the kept inputs are tried all the same. The search is the same one every time.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz import __main__ as command
from fuzz import corpus
from fuzz.choices import Choices, framing
from fuzz.targets import TARGETS, check_of
from mezha.engine import Framed
from mezha.framing import Data, Decoder, FixedSize, Forgiving
from mezha.framing.names import NAMES
from mezha.session import Session
from mezha.session.frames import Frames
from mezha.session.hello import Hello

#: How long a short search is, where it is not 2000 inputs: what drives two sessions costs more.
RUNS = {"session": 200}

every_target = pytest.mark.parametrize("target", TARGETS)


@every_target
def test_every_promise_is_kept_for_what_was_kept(target: str) -> None:
    check = check_of(target)
    for data in corpus.load(target):
        try:
            check(data)
        except Exception as error:
            error.add_note(f"for the input {data.hex()}")
            raise


@every_target
def test_each_target_says_what_it_promises_and_what_it_allows(target: str) -> None:
    text = sys.modules[check_of(target).__module__].__doc__
    assert text
    assert "\nInvariant: " in text
    assert "\nAllowed: " in text


@every_target
def test_what_is_kept_is_little(target: str) -> None:
    assert len(corpus.load(target)) > 10
    assert corpus.path("corpus", target).stat().st_size < 30_000


def test_what_was_saved_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def path(folder: str, target: str) -> Path:
        return tmp_path / f"{folder}-{target}"

    monkeypatch.setattr(corpus, "path", path)
    assert corpus.load("any") == []
    corpus.save("any", [b"abc", b"", b"\xff", b"ab", b"ab"])
    assert corpus.load("any") == [b"\xff", b"ab", b"abc"]
    (tmp_path / "found-any").write_text("00\n", encoding="ascii")
    assert corpus.load("any") == [b"\0", b"\xff", b"ab", b"abc"]


@pytest.mark.parametrize("folder", ["corpus", "found"])
def test_nothing_is_kept_for_no_target(folder: str) -> None:
    assert {path.stem for path in corpus.path(folder, "").parent.iterdir()} <= set(TARGETS)


def forgetful(self: Decoder) -> bytes:
    return b""


def wrong_size(self: FixedSize) -> str:
    return "fixed:512"


def longer(self: FixedSize, *parts: Data) -> Sequence[Data]:
    return (*parts, b"!")


def keeps(self: Forgiving, size: int) -> None:
    self.dropped += size


def nothing(self: Framed) -> list[Data]:
    return []


def written_all_the_same(self: Frames, *parts: Data) -> Sequence[Data]:
    return (len(b"".join(parts)).to_bytes(4, "big"), *parts)


def late_for_ever(self: Session, now: float) -> None:
    pass


def without_values(self: Hello) -> bytes:
    return b"\0\1\0\1\1"


@pytest.mark.parametrize(
    ("target", "kind", "name", "broken"),
    [
        ("decoder", Decoder, "unused", forgetful),
        ("engine", Framed, "outgoing", nothing),
        ("forgiving", Forgiving, "_drop", keeps),
        ("frames", Frames, "encode", written_all_the_same),
        ("framing", FixedSize, "encode", longer),
        ("hello", Hello, "encode", without_values),
        ("names", FixedSize, "__str__", wrong_size),
        ("session", Session, "expire", late_for_ever),
    ],
)
def test_what_was_kept_shows_a_broken_promise(
    target: str, kind: type, name: str, broken: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = check_of(target)
    monkeypatch.setattr(kind, name, broken)
    with pytest.raises(AssertionError):  # noqa: PT012 - whichever input it is
        for data in corpus.load(target):
            check(data)


def test_choices_come_off_the_end_and_pieces_off_the_front() -> None:
    choices = Choices(b"stream\7\2")
    assert choices.below(2**8) == 2
    assert choices.piece(3) == b"str"
    assert choices.one_of("abc") == "b"
    assert choices
    assert choices.piece(100) == b"eam"
    assert not choices
    assert (choices.below(9), choices.one_of("abc"), choices.piece(1)) == (0, "a", b"")


def test_every_framing_is_fuzzed() -> None:
    chosen = {framing(Choices(bytes([number]))).partition(":")[0] for number in range(256)}
    assert chosen == set(NAMES)


if find_spec("atheris"):

    def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fuzz", *arguments], cwd=command.ROOT, capture_output=True, text=True
        )

    @pytest.mark.timeout(180)
    @every_target
    def test_every_promise_is_kept_for_what_a_short_search_comes_to(target: str) -> None:
        runs = str(RUNS.get(target, 2000))
        ended = fuzz(target, "--runs", runs)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stdout.splitlines()[1].split()[:2] == [target, runs]
