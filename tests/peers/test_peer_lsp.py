"""Content-Length: mezha asks a language server for what is wrong with a line, and a debugger what it can."""

import json
import sys
from importlib.metadata import version
from typing import Any

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, program
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.blocking import Peer
from mezha.framing import ContentLength

PYLSP = Proof(
    "content-length",
    "Language Server Protocol 3.17, Base Protocol",
    "python-lsp-server",
    lambda: version("python-lsp-server"),
)
DEBUGPY = Proof("content-length", "Debug Adapter Protocol, Base protocol", "debugpy", lambda: version("debugpy"))


@pytest.fixture(scope="session")
def pylsp(daemons: Daemons) -> Daemon:
    port = free_port()
    return daemons.start(
        "pylsp", [sys.executable, "-m", "pylsp", "--tcp", "--host", HOST, "--port", str(port)], port=port
    )


@pytest.fixture(scope="session")
def debugpy(daemons: Daemons) -> Daemon:
    """One for each connection, as an editor would start it."""
    port = free_port()
    listen = f"TCP-LISTEN:{port},bind={HOST},reuseaddr,fork"
    adapter = f"EXEC:{sys.executable} -m debugpy.adapter"
    return daemons.start("debugpy", [program("socat", "socat"), listen, adapter], port=port)


def send(peer: Peer, **message: Any) -> None:
    peer.send(json.dumps(message, ensure_ascii=False).encode())


def answer(peer: Peer, **wanted: Any) -> Any:
    """Return the next message that has these members."""
    while True:
        message = json.loads(peer.recv(timeout=PATIENCE))
        if wanted.items() <= message.items():
            return message


@proves(BOTH, PYLSP)
def test_a_language_server_answers(pylsp: Daemon, through: Through) -> None:
    with through.connect(pylsp.port, ContentLength()) as peer:
        send(peer, jsonrpc="2.0", id=1, method="nonsense", params={"text": "до зустрічі\r\n\r\n"})
        assert answer(peer, id=1)["error"]["message"] == "Method Not Found: nonsense"
        if not through.cut:  # seconds would pass
            send(peer, jsonrpc="2.0", id=2, method="initialize", params={"capabilities": {}, "rootUri": None})
            assert answer(peer, id=2)["result"]["serverInfo"]["name"] == "pylsp"


@proves(BOTH, DEBUGPY)
def test_a_debugger_answers(debugpy: Daemon, through: Through) -> None:
    with through.connect(debugpy.port, ContentLength()) as peer:
        send(peer, seq=1, type="request", command="nonsense", arguments={"text": "до зустрічі"})
        assert answer(peer, type="response", request_seq=1)["success"] is False
        if not through.cut:
            send(peer, seq=2, type="request", command="initialize", arguments={"adapterID": "mezha"})
            assert answer(peer, type="response", request_seq=2)["body"]["supportsConfigurationDoneRequest"]
