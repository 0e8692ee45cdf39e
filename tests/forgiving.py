"""What a framing that forgives makes of a stream, in few words."""

from mezha.errors import RemoteProtocolError
from mezha.framing import Forgiving, Framing

TOO_LARGE = "MessageTooLarge"


def cut_off(received: int, needed: int) -> str:
    return (
        f"TruncatedMessage: the stream ended inside a message over the limit, which was to be skipped: {received} "
        f"bytes of it had arrived, and it needed {needed} or more"
    )


def told(framing: Framing, stream: bytes, limit: int = 5) -> list[bytes | str]:
    """List messages, the names of the errors that were told, and the text of one that was raised."""
    decoder = framing.decoder(limit=limit)
    assert isinstance(decoder, Forgiving)
    found: list[bytes | str] = []
    decoder.tell = lambda error: found.append(type(error).__name__)
    decoder.feed(stream)
    decoder.feed(b"")
    try:
        while run := decoder.take(100):
            found += run
    except RemoteProtocolError as error:
        found.append(f"{type(error).__name__}: {error}")
    return found
