"""How daemons are found and run, and the ways to them: what the proofs stand on."""

import sys
from pathlib import Path

import pytest
from peers import daemons as module
from peers.daemons import Daemons, free_port, output_of, program
from peers.through import Through

from mezha.blocking import Peer
from mezha.errors import FramingError
from mezha.framing import Lines, Netstring

LISTENER = """
import socket, sys, threading
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    print("up", flush=True)
    threading.Event().wait()
"""


def test_a_program_that_is_missing_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is missing: apt install unbound"):
        program("no-such-program", "unbound")


def test_no_program_may_be_missing_where_it_can_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(module, "installs", lambda: True)
    with pytest.raises(pytest.fail.Exception, match="no-such-program is missing"):
        program("no-such-program", "unbound")


def test_a_program_is_found_in_a_folder_of_a_pattern(tmp_path: Path) -> None:
    for version in ("15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "no-such-program").touch()
    found = program("no-such-program", "postgresql", folder=f"{tmp_path}/*/bin")
    assert found == f"{tmp_path}/17/bin/no-such-program"


def test_a_daemon_runs_until_the_end() -> None:
    port = free_port()
    with Daemons() as daemons:
        daemon = daemons.start("listener", [sys.executable, "-c", LISTENER, str(port)], port=port, says="up")
        assert daemon.output == "up\n"
        assert daemon.folder.is_dir()
        assert daemon.running
    assert not daemon.running
    assert not daemon.folder.exists()


def test_a_daemon_that_ends_at_once_fails_with_its_last_words() -> None:
    with Daemons() as daemons, pytest.raises(AssertionError, match=r"(?s)short has ended \(3\) and not said.*no luck"):
        daemons.start("short", [sys.executable, "-c", "print('no luck'); exit(3)"], says="ready")


def test_what_a_program_says_counts_only_if_it_ends_well() -> None:
    assert output_of(sys.executable, "-c", "print('Hello!')") == "Hello!\n"
    with pytest.raises(AssertionError, match="no luck"):
        output_of(sys.executable, "-c", "import sys; sys.exit('no luck')")


def test_a_relay_reads_and_writes_each_message(through: Through) -> None:
    def shout(peer: Peer) -> None:
        for message in peer:
            peer.send(message.upper())

    _, port = through.serve(shout, Lines())
    relay = through.relay(port, Lines())
    with through.connect(relay.address[1], Lines(b"\r\n")) as peer:
        peer.send_many([b"one", b"two"])
        assert [peer.recv(), peer.recv()] == [b"ONE", b"TWO"]
    assert (relay.up, relay.down) == ([b"one", b"two"], [b"ONE", b"TWO"])


def test_what_goes_wrong_on_this_side_is_raised_at_the_end() -> None:
    with pytest.raises(ExceptionGroup) as caught, Through(cut=False) as through:  # noqa: PT012
        _, port = through.serve(list, Netstring())
        with through.connect(port, Lines()) as peer:
            peer.send(b"no netstring")
            assert list(peer) == []
    assert caught.group_contains(FramingError)


def test_what_a_relay_cannot_read_is_raised_at_the_end() -> None:
    with pytest.raises(ExceptionGroup) as caught, Through(cut=False) as through:  # noqa: PT012
        _, port = through.serve(lambda peer: peer.send(b"no netstring"), Lines())
        relay = through.relay(port, Netstring())
        with through.connect(relay.address[1], Netstring()) as peer:
            assert list(peer) == []
    assert caught.group_contains(FramingError)
