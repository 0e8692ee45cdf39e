"""Two sessions joined without a network, and a clock that is moved by hand; or one, and bytes written by hand."""

from collections.abc import Iterator
from typing import Any

from mezha.session import Session
from mezha.session.frames import AnyFrame, Body, Frames, Kind, encode_frame, parse_frame
from mezha.session.greeting import MAGIC
from mezha.session.hello import Hello

__all__ = ["Alone", "Pair", "frame", "hello"]


def frame(*frames: AnyFrame) -> bytes:
    """Return frames on the wire."""
    return b"".join(b"".join(encode_frame(each)) for each in frames)


def hello(**values: Any) -> bytes:
    """Return how a peer with such a HELLO opens."""
    return MAGIC + frame(Body(Kind.HELLO, Hello(**values).encode()))


class Alone:
    """A session, and a peer that says what a test makes it say."""

    def __init__(self, session: Session | None = None, *, opening: bytes | None = b"", **options: Any) -> None:
        """``opening`` is what the peer has said already: by default an ordinary hello, ``None`` for nothing."""
        self.session = session or Session(**options)
        self.now = 0.0
        self.session.begin(self.now)
        assert b"".join(self.session.outgoing()).startswith(MAGIC)
        if opening is not None:
            self.hears(opening or hello())
            assert self.says() == []

    def hears(self, *data: bytes | AnyFrame) -> None:
        """Let bytes or frames arrive."""
        wire = b"".join(each if isinstance(each, bytes) else frame(each) for each in data)
        self.session.receive(wire, self.now)

    def says(self) -> list[AnyFrame]:
        """Take what it sends."""
        decoder = Frames().decoder()
        while self.session.outgoing_size:
            decoder.feed(b"".join(self.session.outgoing()))
        assert self.session.outgoing() == []
        return [parse_frame(one) for one in decoder]

    def waits(self, seconds: float) -> None:
        """Let time pass, and the session keep its deadlines."""
        until = self.now + seconds
        while (due := self.session.deadline()) is not None and due <= until:
            self.now = max(due, self.now)
            self.session.expire(self.now)
            assert self.session.deadline() != due
        self.now = until


class Pair:
    """Two sessions: what one has to say, the other hears when ``flow`` is called."""

    def __init__(self, left: Session | None = None, right: Session | None = None, *, opened: bool = True) -> None:
        self.left = left or Session()
        self.right = right or Session()
        self.now = 0.0
        for session in (self.left, self.right):
            session.begin(self.now)
        if opened:
            self.flow()

    def flow(self) -> None:
        """Let everything arrive that is to be said, until nobody has to say anything."""
        while any(list(self._some(here, there)) for here, there in ((self.left, self.right), (self.right, self.left))):
            pass

    def _some(self, here: Session, there: Session) -> Iterator[int]:
        while here.outgoing_size:
            for part in here.outgoing():
                there.receive(bytes(part), self.now)
                yield len(part)
