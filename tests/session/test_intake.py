"""The intake: however the stream is cut, the same frames come out of it, and then the same fault."""

import tracemalloc
from itertools import pairwise, takewhile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mezha.errors import FramingError, MessageTooLarge, RemoteProtocolError
from mezha.session.frames import Frames, Kind
from mezha.session.intake import Intake

LIMIT = 100
BODIES: dict[Kind, tuple[bytes, ...]] = {
    Kind.MESSAGE: (b"", b"a", b"Hello!", bytes(LIMIT)),
    Kind.PART: (b"a", bytes(1000)),
    Kind.LAST: (b"", b"bc"),
    Kind.END: (b"",),
    Kind.REQUEST: (bytes(4), bytes(9)),
    Kind.PING: (b"12345678",),
    Kind.CLOSE: (bytes(10),),
}
FRAMES = st.sampled_from(
    [(kind, body) for kind, bodies in BODIES.items() for body in bodies] + [(Kind.MESSAGE, b"x")] * 9
)


def wire(kind: Kind, body: bytes) -> bytes:
    return b"".join(Frames().encode(bytes([kind]) + body))


def heard(intake: Intake, data: bytes, now: float = 0.0, known: int = 0) -> list[tuple[Kind, bytes]]:
    """What comes of bytes: runs of messages are taken apart."""
    frames: list[tuple[Kind, bytes]] = []
    for kind, view in intake.cut(data, now, known):
        if kind is not Kind.MESSAGE:
            assert view[0] == kind
            frames.append((kind, bytes(view[1:])))
            continue
        run = view
        while run:
            size = 4 + int.from_bytes(run[:4], "big")
            assert run[4] == Kind.MESSAGE
            frames.append((kind, bytes(run[5:size])))
            run = run[size:]
    return frames


@example([(Kind.MESSAGE, b"a"), (Kind.PING, b"12345678"), (Kind.END, b"")], [3, 6, 8, 9, 10, 22, 23], True)
@given(st.lists(FRAMES, max_size=20), st.lists(st.integers(0, 3000), max_size=20), st.booleans())
def test_any_cut_the_same_frames(frames: list[tuple[Kind, bytes]], cuts: list[int], told: bool) -> None:
    stream = b"".join(wire(kind, body) for kind, body in frames)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    intake = Intake(LIMIT)
    got: list[tuple[Kind, bytes]] = []
    for start, stop in pairwise(places):
        piece = stream[start:stop]
        unfinished = intake.unfinished
        known = intake.messages(piece)
        more = heard(intake, piece, known=known if told else 0)
        front = takewhile(lambda frame: frame[0] is Kind.MESSAGE, () if unfinished else more)
        assert known == sum(len(wire(kind, body)) for kind, body in front)
        got += more
        whole = sum(len(wire(kind, body)) for kind, body in got)
        assert intake.unfinished == stop - whole
    assert got == frames


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (bytes(4), "length 0"),
        (b"\0\0\0\1\xff", "kind 255"),
        (b"\0\1\0\2\1", "MESSAGE frame with a body of 65537 bytes"),
        (b"\0\0\0\2\5", "END frame with a body of 1 bytes"),
        (wire(Kind.MESSAGE, bytes(LIMIT + 1))[:5], "a message of 101 bytes; this side takes at most 100"),
    ],
)
def test_what_is_whole_before_a_fault_comes_first_at_any_cut(fault: bytes, text: str) -> None:
    stream = wire(Kind.MESSAGE, b"a") + wire(Kind.PING, b"12345678") + wire(Kind.MESSAGE, b"b") + fault
    for size in range(1, len(stream) + 1):
        intake, got = Intake(LIMIT), list[tuple[Kind, bytes]]()

        def feed_all(intake: Intake = intake, got: list[tuple[Kind, bytes]] = got, size: int = size) -> None:
            for start in range(0, len(stream), size):
                for kind, view in intake.cut(stream[start : start + size], 0.0):
                    got.append((kind, bytes(view)))

        with pytest.raises(RemoteProtocolError, match=text) as caught:
            feed_all()
        assert isinstance(caught.value, FramingError | MessageTooLarge)
        assert [kind for kind, _ in got if kind is not Kind.MESSAGE] == [Kind.PING]
        assert b"".join(view for kind, view in got if kind is Kind.MESSAGE) == wire(Kind.MESSAGE, b"a") + wire(
            Kind.MESSAGE, b"b"
        )


def test_a_frame_begins_when_its_first_byte_arrives() -> None:
    intake = Intake(LIMIT)
    stream = wire(Kind.PING, b"12345678")
    assert heard(intake, stream[:1], 1.0) == []
    assert heard(intake, stream[1:9], 2.0) == []
    assert (intake.begun, intake.unfinished) == (1.0, 9)
    assert heard(intake, stream[9:] + stream[:7], 3.0) == [(Kind.PING, b"12345678")]
    assert (intake.begun, intake.unfinished) == (3.0, 7)
    assert not intake.messages(wire(Kind.MESSAGE, b""))


def test_an_unfinished_frame_costs_what_is_here_and_linear_work() -> None:
    intake = Intake(65_536)
    stream = wire(Kind.REQUEST, bytes(65_540))
    tracemalloc.start()
    try:
        assert heard(intake, stream[:5]) == []
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 5000
        for byte in stream[5:-1]:
            assert heard(intake, bytes([byte])) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 65_536
    assert heard(intake, stream[-1:]) == [(Kind.REQUEST, bytes(65_540))]
    assert intake.unfinished == 0
