"""mezha's decoder alone, one framing each, fed 64 KiB at once; "pure" is its plain Python twin (``MEZHA_PURE=1``)."""

from collections.abc import Callable, Sequence

import mezha
from benchmarks.decoding import DecodingPeer
from benchmarks.job import Job

__all__ = ["PEERS"]

_ALL = 1 << 62


class MezhaDecoder(DecodingPeer):
    """The decoder of a framing."""

    package = "mezha"
    ours = True

    def __init__(self, framing: str, *, pure: bool = False) -> None:
        self.name = f"mezha {framing}{', pure' * pure}"
        self._framing = framing
        if pure:
            self.environment = {"MEZHA_PURE": "1"}

    def encode(self, job: Job, message: bytes) -> bytes:
        """Frame a message."""
        return b"".join(self._make(job).encode(message))

    def decoder(self, job: Job) -> Callable[[bytes], Sequence[bytes]]:
        """Return a function that feeds a decoder, and takes all there is."""
        decoder = self._make(job).decoder(limit=64 << 20)
        feed, take = decoder.feed, decoder.take

        def decode(data: bytes) -> list[bytes]:
            feed(data)
            return take(_ALL)

        return decode

    def _make(self, job: Job) -> mezha.Framing:
        return mezha.parse_framing(f"fixed:{job.size}" if self._framing == "fixed" else self._framing)


_FRAMINGS = ("length:4:big", "length:2:little", "varint", r"delimited:\x00", "lines", "netstring", "fixed")

PEERS = (
    *(MezhaDecoder(framing) for framing in _FRAMINGS),
    *(MezhaDecoder(framing, pure=True) for framing in ("length:4:big", "varint", "lines")),
)
