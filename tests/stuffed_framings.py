"""Framings whose messages do not stand in the stream as they are: stuffed ones, and such as come in pieces."""

from collections.abc import Sequence
from dataclasses import dataclass

from mezha.errors import FramingError, MessageTooLarge
from mezha.framing import Data, Frame, Framing, Need, Skip

END, ESCAPE = b"|", b"\\"


@dataclass(frozen=True)
class Stuffed(Framing):
    r"""A ``|`` behind each message, written ``\p`` in it, and ``\`` is ``\b``. ``|`` for nothing is no message."""

    def encode(self, *parts: Data) -> Sequence[Data]:
        message = b"".join(parts)
        return (END if not message else b"", message.replace(ESCAPE, rb"\b").replace(END, rb"\p") or rb"\0", END)

    def split(self, buffer: bytearray, limit: int, resume: int = 0) -> Frame | Need | Skip:
        if buffer.startswith(END):
            return Skip(len(buffer) - len(buffer.lstrip(END)))
        reach = 2 * max(limit, 1) + 1  # no message of the limit is longer
        end = buffer.find(END, resume, reach)
        if end < 0:
            if len(buffer) >= reach:
                raise MessageTooLarge("too large", limit=limit)
            return Need(len(buffer) + 1, len(buffer))
        stuffed = bytes(buffer[:end])
        message = b"" if stuffed == rb"\0" else stuffed.replace(rb"\p", END).replace(rb"\b", ESCAPE)
        if len(message) > limit:
            raise MessageTooLarge("too large", size=len(message), limit=limit)
        if message != b"" and b"".join(self.encode(message)) != stuffed + END:
            raise FramingError(f"{stuffed!r} is stuffed wrongly")
        return Frame(0, end, end + 1, message)


@dataclass(frozen=True)
class InPieces(Framing):
    """Pieces with a byte of length in front, the highest bit set in the last; they have a byte or more, but for it.

    What it has to remember are two numbers: where the next piece begins, and the bytes of the message before it.
    """

    most: int = 3

    def encode(self, *parts: Data) -> Sequence[Data]:
        message = b"".join(parts)
        pieces = [message[start : start + self.most] for start in range(0, len(message), self.most)] or [b""]
        heads = [len(piece) | 0x80 * (place == len(pieces)) for place, piece in enumerate(pieces, 1)]
        return [part for head, piece in zip(heads, pieces, strict=True) for part in (bytes((head,)), piece)]

    def split(self, buffer: bytearray, limit: int, resume: int | tuple[int, int] = 0) -> Frame | Need:
        place, size = resume if isinstance(resume, tuple) else (0, 0)
        while place < len(buffer):
            piece = buffer[place] & 0x7F
            last = buffer[place] >= 0x80
            if not piece and not last:
                raise FramingError("an empty piece")
            if size + piece > limit:
                raise MessageTooLarge("too large", limit=limit)
            if place + 1 + piece > len(buffer):
                return Need(place + 1 + piece, (place, size))
            place += 1 + piece
            size += piece
            if last:
                return Frame(1, place, place, self._joined(buffer[:place]))
        return Need(place + 1, (place, size))

    def _joined(self, pieces: bytearray) -> bytes:
        message = bytearray()
        place = 0
        while place < len(pieces):
            after = place + 1 + (pieces[place] & 0x7F)
            message += pieces[place + 1 : after]
            place = after
        return bytes(message)
