"""What a scripted peer says and hears, in a bare framing or in the mezha protocol."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import pairwise

from mezha.framing import Data, Framing
from mezha.session.frames import PIECE, Body, Close, Kind, encode_frame, parse_frame
from mezha.session.frames import Frames as FramesOfSession
from mezha.session.greeting import MAGIC
from mezha.session.hello import MOST_CREDIT, Hello

__all__ = ["Bare", "Mezha", "Speech"]


class Speech(ABC):
    """How messages are written, and read: a stream from its beginning, or from between two frames."""

    #: What goes before everything.
    opening = b""
    #: The last word, where there is one.
    goodbye = b""

    def __init__(self) -> None:
        #: The messages heard.
        self.messages: list[bytes] = []
        #: The last word was heard.
        self.ended = False

    @abstractmethod
    def frames(self, messages: Iterable[bytes]) -> bytes:
        """Return the stream that carries these messages."""

    @abstractmethod
    def hear(self, data: Data) -> None:
        """Hear more of a stream.

        Raises:
            RemoteProtocolError: it is torn.

        """


class Bare(Speech):
    """A bare framing."""

    def __init__(self, framing: Framing) -> None:
        super().__init__()
        self._framing = framing
        self._decoder = framing.decoder(limit=1 << 30)

    def frames(self, messages: Iterable[bytes]) -> bytes:
        return b"".join(b"".join(self._framing.encode(message)) for message in messages)

    def hear(self, data: Data) -> None:
        self._decoder.feed(data)
        self.messages += self._decoder


class Mezha(Speech):
    """The mezha protocol, for as much as anybody can send without a CREDIT."""

    opening = MAGIC + b"".join(
        encode_frame(Body(Kind.HELLO, Hello(max_message=1 << 40, window=MOST_CREDIT, requests=1000).encode()))
    )
    goodbye = b"".join(encode_frame(Close(0, 0, "")))

    def __init__(self) -> None:
        super().__init__()
        self._decoder = FramesOfSession().decoder(limit=1 << 20)
        self._first: bytes | None = b""
        self._large = bytearray()

    def frames(self, messages: Iterable[bytes]) -> bytes:
        return b"".join(b"".join(encode_frame(frame)) for message in messages for frame in _frames(message))

    def hear(self, data: Data) -> None:
        if self._first is not None:
            self._first += data
            if len(self._first) < len(MAGIC) and MAGIC.startswith(self._first):
                return
            data, self._first = self._first.removeprefix(MAGIC), None
        if data:
            self._decoder.feed(data)
        for frame in map(parse_frame, self._decoder):
            match frame:
                case Body(Kind.MESSAGE, body):
                    self.messages.append(body)
                case Body(Kind.PART, body):
                    self._large += body
                case Body(Kind.LAST, body):
                    self.messages.append(bytes(self._large + body))
                    self._large.clear()
                case Close():
                    self.ended = True
                case _:
                    pass


def _frames(message: bytes) -> Iterator[Body]:
    """Return what carries a message: one frame, or pieces."""
    if len(message) <= PIECE:
        yield Body(Kind.MESSAGE, message)
        return
    for start, stop in pairwise((*range(0, len(message), PIECE), len(message))):
        yield Body(Kind.LAST if stop == len(message) else Kind.PART, message[start:stop])
