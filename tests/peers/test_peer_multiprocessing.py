"""multiprocessing.connection: a listener and a client of Python's, and the long form of a length."""

import platform
import threading
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Client, Listener

import pytest
from peers.daemons import HOST
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Multiprocessing

PYTHON = Proof("multiprocessing", "Python, multiprocessing/connection.py", "Python", platform.python_version)
MESSAGES = [b"", b"Hello!", b"\xff\xff\xff\xff", b"World! " * 10]
SWAPPED = [MESSAGES[place] for place in (1, 0, 3, 2)]


@contextmanager
def swapping() -> Generator[int]:
    """Run a listener of Python's that sends every two messages back in the opposite order; tell its port."""
    with Listener((HOST, 0)) as listener:

        def swap() -> None:
            with listener.accept() as connection:
                for _ in SWAPPED[::2]:
                    one, two = connection.recv_bytes(), connection.recv_bytes()
                    connection.send_bytes(two)
                    connection.send_bytes(one)

        thread = threading.Thread(target=swap, daemon=True)
        thread.start()
        yield int(listener.address[1])
        thread.join(PATIENCE)


@proves(BOTH, PYTHON)
@pytest.mark.parametrize("longest", [2**31 - 1, 5], ids=["short", "long"])
def test_a_listener_of_pythons(longest: int, through: Through, monkeypatch: pytest.MonkeyPatch) -> None:
    """The long form is for 2 GiB and more: here mezha thinks that more than 5 bytes are that much."""
    monkeypatch.setattr("mezha.framing.processes._LONGEST", longest)
    with swapping() as port, through.connect(port, Multiprocessing()) as peer:
        peer.send_many(MESSAGES)
        assert [peer.recv(timeout=PATIENCE) for _ in MESSAGES] == SWAPPED


@proves(BOTH, PYTHON)
def test_a_client_of_pythons_with_its_challenge(through: Through) -> None:
    with Listener((HOST, 0), authkey=b"secret") as listener:
        relay = through.relay(int(listener.address[1]), Multiprocessing())

        def answer() -> None:
            with listener.accept() as connection:
                connection.send([connection.recv()])

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with Client(relay.address, authkey=b"secret") as client:
            client.send({"Hello": "World"})
            assert client.recv() == [{"Hello": "World"}]
        thread.join(PATIENCE)
    # each side challenges the other, and is welcomed; then one pickle each way
    assert [message[:11] for message in relay.down[::2]] == [b"#CHALLENGE#", relay.down[2][:11]]
    assert b"#WELCOME#" in relay.down
    assert b"#WELCOME#" in relay.up
    assert (len(relay.up), len(relay.down)) == (4, 4)
