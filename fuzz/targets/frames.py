"""The frames of the mezha protocol.

Invariant: any bytes, cut off by ``Frames`` or not, are a frame or are refused with a sentence; a frame is written as
the bytes that it was read from, apart from texts that were no UTF-8; and what ``Frames`` cuts off does not depend on
how much of it was there when it was asked before.

Allowed: FramingError and MessageTooLarge, where a frame of these bytes cannot be; LocalProtocolError for the same when
it is to be written.
"""

from fuzz.choices import Choices
from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge
from mezha.framing import Frame
from mezha.session.frames import Close, Drop, Failure, Frames, encode_frame, parse_frame, shorten

__all__ = ["check"]

FRAMES = Frames()
LIMIT = 70_000


def check(data: bytes) -> None:
    """Read a frame behind its length, and one without."""
    choices = Choices(data)
    if choices.below(2):
        _read(choices.piece(1 << 17))
    else:
        _cut(choices.piece(1 << 17))
    text = choices.piece(20).decode("utf-8", "replace") * choices.below(300)
    assert len(shorten(text)) <= 1024
    assert text.startswith(shorten(text).decode().removesuffix("…"))


def _read(data: bytes) -> None:
    try:
        frame = parse_frame(data)
    except FramingError as error:
        _refused(data, str(error))
        return
    written = b"".join(encode_frame(frame))
    assert int.from_bytes(written[:4], "big") == len(written) - 4
    if not isinstance(frame, Close | Drop | Failure) or "\ufffd" not in frame.text:
        assert written[4:] == data
    assert b"".join(FRAMES.encode(data[:1], data[1:]))[4:] == data


def _refused(data: bytes, why: str) -> None:
    """Check that what cannot be read cannot be written, for the same reason."""
    try:
        FRAMES.encode(data)
    except LocalProtocolError as error:
        if not why or not str(error).startswith(why):
            raise
        return
    raise AssertionError("it is written, and cannot be read")


def _cut(data: bytes) -> None:
    verdicts = [_asked(data[:size]) for size in range(1, min(len(data), 9) + 1)]
    verdicts += [_asked(data)] if data else []
    known = [verdict for verdict in verdicts if isinstance(verdict, Frame | str)]
    assert all(verdict == known[0] for verdict in known), known
    if known and isinstance(known[0], Frame):
        _read(data[known[0].start : known[0].stop])


def _asked(data: bytes) -> object:
    try:
        return FRAMES.split(bytearray(data), LIMIT)
    except (FramingError, MessageTooLarge) as error:
        return f"{type(error).__name__}: {error}"
