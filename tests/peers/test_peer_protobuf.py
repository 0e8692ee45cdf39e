"""Protocol Buffers: mezha and protobuf's own delimited serialisation, at the two ends of a connection."""

import socket
from io import BytesIO
from typing import cast

import google.protobuf
from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed
from google.protobuf.wrappers_pb2 import StringValue
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer
from mezha.framing import VarintPrefixed

PROTOBUF = Proof(
    "varint",
    "protobuf, Techniques, Streaming Multiple Messages; Encoding, Base 128 Varints",
    "protobuf",
    lambda: google.protobuf.__version__,
)
#: The last needs a length of two bytes.
MESSAGES = [StringValue(value=value) for value in ("", "Hello!", "World! " * 20)]


@proves(BOTH, PROTOBUF)
def test_protobuf_at_the_other_end(through: Through) -> None:
    def echo(peer: Peer) -> None:
        for message in peer:
            peer.send(StringValue.FromString(message).SerializeToString())

    with (
        socket.create_connection(through.serve(echo, VarintPrefixed()), PATIENCE) as sock,
        sock.makefile("rwb") as file,
    ):
        stream = cast(BytesIO, file)  # any file will do
        for message in MESSAGES:
            serialize_length_prefixed(message, stream)
        stream.flush()
        assert [parse_length_prefixed(StringValue, stream) for _ in MESSAGES] == MESSAGES
