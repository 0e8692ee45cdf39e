"""The decoder, compiled and in plain Python, against ``split`` alone.

Invariant: in whatever pieces a stream arrives, and in whatever order and by whatever calls a decoder is asked, both
twins hand out the messages that ``split`` finds, each as soon as it is whole, and then the same error, again and again;
and what they have not handed out they still have.

Allowed: FramingError, TruncatedMessage and MessageTooLarge, from ``take``, where ``split`` says so.
"""

from contextlib import suppress

from fuzz.choices import LIMITS, Choices, framing
from fuzz.copies import COPIES
from fuzz.model import Fault, Model, agreed, attempt
from mezha.errors import LocalProtocolError
from mezha.framing import Decoder, parse_framing

__all__ = ["check"]

#: Of large messages: around what a decoder gives memory of its own.
SIZES = (65_535, 65_536, 69_999, 70_001, 300_000)
ALLOWED = ("FramingError", "TruncatedMessage", "MessageTooLarge")


def check(data: bytes) -> None:
    """Use the decoders as the bytes say."""
    choices = Choices(data)
    form, limit = framing(choices), choices.one_of(LIMITS)
    try:
        sender = parse_framing(form)
        model = Model(sender, limit)
        decoders = [copy.parse_framing(form).decoder(limit=limit) for copy in COPIES]
    except ValueError:  # there is no such framing, or none with such a limit
        return
    way = bytearray()  # sent, not yet arrived
    while choices:
        match choices.below(8):
            case 0 | 1:
                way += choices.piece(1 + choices.below(64))
                _feed(decoders, model, way, len(way))
            case 2:
                with suppress(LocalProtocolError):
                    way += b"".join(sender.encode(b"z" * choices.one_of(SIZES)))
            case 3:
                _feed(decoders, model, way, 1 << choices.below(18), lent=True)
            case 4:
                _take(decoders, model, 1 + choices.below(4))
            case 5:
                _take(decoders, model, 2**80)
            case 6:
                _pop(decoders, model)
            case _:
                _look(decoders, model)
    for decoder in decoders:
        decoder.feed(b"")
    model.feed(b"")
    while _take(decoders, model, 100):
        pass
    _look(decoders, model)


def _feed(decoders: list[Decoder], model: Model, way: bytearray, size: int, *, lent: bool = False) -> None:
    """Let so many bytes arrive, in the decoders' own memory where they lend it."""
    piece = bytes(way[:size])
    del way[:size]
    for decoder in decoders:
        rest = piece
        while rest:
            space = decoder.space() if lent else None
            if space is None:
                space = memoryview(bytearray(len(rest)))
            part, rest = rest[: len(space)], rest[len(space) :]
            space[: len(part)] = part
            decoder.feed(space[: len(part)])
    if piece:
        model.feed(piece)


def _take(decoders: list[Decoder], model: Model, count: int) -> bool:
    """Take messages, and say whether there were some."""
    taken = agreed(decoders, lambda decoder: attempt(lambda: decoder.take(count)))
    assert taken == model.take(count)
    if isinstance(taken, Fault):
        assert taken.name in ALLOWED
        assert taken == agreed(decoders, lambda decoder: attempt(decoder.take))
        return False
    assert all(type(message) is bytes for message in taken)
    return bool(taken)


def _pop(decoders: list[Decoder], model: Model) -> None:
    """Ask at the quick door, and where it does not know, at the other."""
    expected = model.take(1)
    for decoder in decoders:
        message = decoder.pop()
        assert expected == ([message] if message is not None else attempt(decoder.take))


def _look(decoders: list[Decoder], model: Model) -> None:
    for decoder in decoders:
        assert decoder.ready == (model.failed or model.verdict() is not None)
        assert decoder.buffered == len(model.pending)
        assert decoder.unused() == model.pending
        assert decoder.ended == model.ended
        assert decoder.idle() == (not (model.pending or model.ended or model.failed))
