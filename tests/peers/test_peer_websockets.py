"""WebSocket: mezha's client shakes hands with the server of ``websockets``, and its client with mezha's server."""

import base64
import hashlib
import socket
from importlib.metadata import version

import pytest
from peers.daemons import Daemon, Daemons, free_port
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE
from websockets.sync.client import connect

from mezha.blocking import Peer, wrap
from mezha.errors import ClosedByPeer
from mezha.framing import Lines, WebSocket

WEBSOCKETS = [
    Proof(str(framing), "RFC 6455, 5", "websockets", lambda: version("websockets"))
    for framing in (WebSocket(), WebSocket(masked=True))
]
CLOSE, PING = 0x88, 0x89
#: Too long for a length of seven bits.
LONG = bytes(range(0x80, 0x100)) + b"and more"


@pytest.fixture(scope="session")
def server(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.python("websockets_server.py", port, port=port)


def accepted(key: bytes) -> bytes:
    """Return what a server has to answer to a client's key (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def upgraded(address: tuple[str, int]) -> socket.socket:
    """Connect, shake hands as a client, and return the socket; nothing has been read that comes behind."""
    key = base64.b64encode(b"sixteen bytes...")
    sock = socket.create_connection(address, timeout=PATIENCE)
    sock.sendall(
        b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: " + key + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert accepted(key) in head
    return sock


@proves(BOTH, *WEBSOCKETS)
def test_the_server_sends_back_what_it_gets(server: Daemon, through: Through) -> None:
    with wrap(upgraded(through.to(server.port)), WebSocket(masked=True)) as peer:
        for message in (b"\x81", b"\x81Hello!", b"\x82" + LONG):
            peer.send(message)
            assert peer.recv(timeout=PATIENCE) == message
        peer.send(b"\x89Hello!")
        assert peer.recv(timeout=PATIENCE) == b"\x8aHello!"
        peer.send(b"\x88\x03\xe8")
        assert peer.recv(timeout=PATIENCE) == b"\x88\x03\xe8"
        with pytest.raises(ClosedByPeer):
            peer.recv(timeout=PATIENCE)


@proves(BOTH, *WEBSOCKETS)
def test_a_ping_between_fragments_comes_in_between(server: Daemon, through: Through) -> None:
    with wrap(upgraded(through.to(server.port)), WebSocket(masked=True)) as peer:
        whole = b"ping" * 35
        peer.send(b"\x82" + whole)
        expected = [b"\x02" + whole[:100], b"\x89between", b"\x80" + whole[100:]]
        assert [peer.recv(timeout=PATIENCE) for _ in expected] == expected


@proves(BOTH, *WEBSOCKETS)
def test_the_client_gets_back_what_it_sends(through: Through) -> None:
    def echo(lines: Peer) -> None:
        head = list(iter(lines.recv, b""))
        (key,) = (line.partition(b": ")[2] for line in head if line.startswith(b"Sec-WebSocket-Key: "))
        answer = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
        lines.send_many([*answer, b"Sec-WebSocket-Accept: " + accepted(key), b""])
        sock, unused = lines.detach()
        assert not unused, "a client waits for the answer"
        with wrap(sock, WebSocket()) as peer:
            for message in peer:
                peer.send(b"\x8a" + message[1:] if message[0] == PING else message)
                if message[0] == CLOSE:
                    break

    host, port = through.serve(echo, Lines(b"\r\n"))
    with connect(f"ws://{host}:{port}", compression=None, open_timeout=PATIENCE) as client:
        for message in ("", "Hello!", LONG):
            client.send(message)
            assert client.recv(timeout=PATIENCE) == message
        client.send(["Hel", "", "lo!"])
        assert client.recv(timeout=PATIENCE) == "Hello!"
        assert client.ping(b"Hello!").wait(PATIENCE)
    assert client.close_code == 1000
