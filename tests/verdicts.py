"""What a framing says of some bytes, in the shortest words for a table; and that it says so at every cut."""

from mezha.errors import FramingError, LocalProtocolError, MessageTooLarge, RemoteProtocolError
from mezha.framing import Framing, Need
from mezha.testing import laws

__all__ = ["fault", "forgiven", "needs", "read", "refusal", "size_too_large"]


def read(framing: Framing, stream: bytes, limit: int = 1000) -> list[bytes]:
    """Return the messages of a stream that has no fault and nothing left over."""
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit)
    reading = laws.known(framing, stream, limit)
    assert reading.fault is None, reading.fault
    assert reading.fronts[-1] == len(stream), f"{stream[reading.fronts[-1] :]!r} is left over"
    return reading.messages


def needs(framing: Framing, beginning: bytes, limit: int = 1000) -> int:
    """Return how many bytes have to be there before the framing can say more."""
    verdict = framing.split(bytearray(beginning), limit)
    assert isinstance(verdict, Need), verdict
    return verdict.size


def fault(framing: Framing, stream: bytes, limit: int = 1000) -> str:
    """Return the text of the FramingError in this stream, whose last byte is the one that shows it."""
    error = _error(framing, stream, limit)
    assert type(error) is FramingError, repr(error)
    return str(error)


def size_too_large(framing: Framing, stream: bytes, limit: int) -> int | None:
    """Return the size that MessageTooLarge gives for this stream."""
    error = _error(framing, stream, limit)
    assert isinstance(error, MessageTooLarge), repr(error)
    assert error.limit == limit
    assert f"this side takes at most {limit}" in str(error)
    assert error.size is None or f" {error.size} bytes" in str(error)
    return error.size


def forgiven(framing: Framing, stream: bytes, limit: int) -> list[bytes | str]:
    """Return what a framing that forgives makes of a stream, at every cut: messages, and the names of the faults."""
    outcome = laws.check_forgiving(framing, stream, limit)
    end = [outcome.fault] if outcome.fault else []
    return [one if isinstance(one, bytes) else one.kind.__name__ for one in [*outcome.found, *end]]


def refusal(framing: Framing, *parts: bytes) -> str:
    """Return the text of the LocalProtocolError that refuses to send a message, but for what all of them say."""
    try:
        wire = framing.encode(*parts)
    except LocalProtocolError as error:
        text = str(error)
    else:
        raise AssertionError(f"{b''.join(parts)!r} is sent, as {wire!r}")
    assert text.endswith(": nothing was sent")
    return text.removesuffix(": nothing was sent")


def _error(framing: Framing, stream: bytes, limit: int) -> RemoteProtocolError:
    laws.check_split(framing, stream, limit)
    laws.check_any_cut(framing, stream, limit)
    reading = laws.known(framing, stream, limit)
    assert reading.fault, f"no fault in {stream!r}"
    assert reading.fault_at == len(stream), f"{stream[: reading.fault_at]!r} shows it: {reading.fault}"
    decoder = framing.decoder(limit=limit)
    decoder.feed(stream)
    try:
        decoder.take(len(stream))
        decoder.take(len(stream))
    except RemoteProtocolError as error:
        return error
    raise AssertionError("the decoder raises nothing")
