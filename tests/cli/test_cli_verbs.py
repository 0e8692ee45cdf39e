"""``listen``, ``send`` and ``echo``, as processes that talk to each other."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cli.program import Run, Start

from mezha.blocking import Peer, Server, connect, listen
from mezha.engine import State
from mezha.errors import RequestFailed
from mezha.session.greeting import MAGIC
from mezha.testing import Script


def test_send_and_listen(mezha: Run, start: Start) -> None:
    server = start("listen", "0", "--framing", "lines")
    sent = mezha("send", server.port, "--framing", "lines", "Hello!", "World!", "Привіт", "\x1b[2J")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "", "")
    assert [server.line() for _ in range(4)] == ["Hello!", "World!", "Привіт", r"\x1b[2J"]
    assert server.notice().startswith("127.0.0.1:")
    assert server.notice().endswith(" closed, after 4 messages")
    assert server.interrupt() == (130, "")


def test_without_a_framing_it_is_the_mezha_protocol(mezha: Run, start: Start) -> None:
    server = start("listen", "0")
    sent = mezha("send", server.port, "Hello!", "World!", "")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "", "")
    assert [server.line() for _ in range(3)] == ["Hello!", "World!", ""]
    assert server.notice().endswith(" connected")
    assert server.notice().endswith(" closed, after 3 messages: OK (0)")
    assert server.interrupt() == (130, "")


def test_the_server_tells_how_a_connection_ended(start: Start) -> None:
    server = start("echo", "0")
    with connect("127.0.0.1", int(server.port)) as peer:
        peer.send(b"Hello!")
        assert peer.recv(timeout=20) == b"Hello!"
        assert peer.close(300, "enough\x1b[2J") == peer.ending
    server.notice()
    told = "1 of 1 message delivered"
    assert server.notice().endswith(rf" closed, after 1 message: code 300, enough\x1b[2J; to it: {told}")
    with connect("127.0.0.1", int(server.port)) as peer:
        peer.send(b"Hello!")
        assert peer.recv(timeout=20) == b"Hello!"
        peer.abort()
    server.notice()
    server.notice()  # that the messages are another's
    lost = server.notice()
    assert " was lost, after 1 message: " in lost
    assert lost.endswith("; to it: 0 of 1 message delivered, 1 unknown")


def test_requests(start: Start) -> None:
    server = start("echo", "0", "--json")
    with connect("127.0.0.1", int(server.port)) as peer:
        assert peer.request(b"2+2", timeout=20) == b"2+2"
        record = json.loads(server.line())
        assert (record["peer"], record["request"], record["text"]) == (peer.local_address, True, "2+2")
    deaf = start("listen", "0")
    with connect("127.0.0.1", int(deaf.port)) as peer, pytest.raises(RequestFailed, match="not answered here"):
        peer.request(b"2+2", timeout=20)


def test_send_tells_what_was_not_delivered(mezha: Run) -> None:
    def take_one(peer: Peer) -> None:
        peer.recv()
        while peer.state is State.OPEN:  # the other is here when there are no more
            peer.ping()
        peer.close(256, "enough\x1b[2J")

    with listen("127.0.0.1", 0) as listener, Server(listener, take_one):
        done = mezha("send", str(listener.port), "--replies", "all", "one", "two")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("mezha send: 1 of 2 messages delivered: the connection closed (code 256, enough\\x1b[2J)\n")


@pytest.mark.parametrize("verb", ["send", "ping"])
@pytest.mark.parametrize(
    ("said", "looks"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "This looks like an HTTP response"), (b"", "hello")]
)
def test_a_peer_that_speaks_something_else(verb: str, said: bytes, looks: str, mezha: Run) -> None:
    with Script(limit=20).expect(MAGIC).say(said).end() as peer:
        done = mezha(verb, str(peer.address[1]), stdin="x\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"mezha {verb}: ")
    assert looks in done.stderr
    assert done.stderr.count("\n") == 1


def test_replies_in_the_mezha_protocol(mezha: Run, start: Start) -> None:
    port = start("echo", "0", "--quiet").port
    two = mezha("send", port, "--replies", "2", "one", "two", "three", "--timeout", "20")
    assert (two.returncode, two.stdout, two.stderr) == (0, "one\ntwo\n", "")
    large = "x" * 300_000
    everything = mezha("send", port, "--replies", "all", stdin=f"{large}\n" * 10)
    assert (everything.returncode, everything.stdout, everything.stderr) == (0, f"{large}\n" * 10, "")


def test_replies(mezha: Run, start: Start) -> None:
    port = start("echo", "0", "--framing", "length:2:little").port
    two = mezha(
        "send", port, "--framing", "length:2:little", "--replies", "2", "one", "two", "three", "--timeout", "20"
    )
    assert (two.returncode, two.stdout) == (0, "one\ntwo\n")
    everything = mezha("send", port, "--framing=length:2:little", "--replies=all", "--", "-1", "--help", "")
    assert (everything.returncode, everything.stdout) == (0, "-1\n--help\n\n")


def test_lines_of_the_standard_input_are_messages(mezha: Run, start: Start) -> None:
    port = start("echo", "0", "--framing", "netstring", "--quiet").port
    got = mezha("send", port, "--framing", "netstring", "--replies", "all", stdin="one\ntwo\r\n\nlast, without an end")
    assert (got.returncode, got.stdout) == (0, "one\ntwo\n\nlast, without an end\n")


def test_many_messages_and_few_replies_do_not_deadlock(mezha: Run, start: Start) -> None:
    port = start("echo", "0", "--framing", "lines", "--quiet").port
    flood = "x" * 1000 + "\n"
    got = mezha("send", port, "--framing", "lines", "--replies", "1", "--max-message", "1k", stdin=flood * 20_000)
    assert (got.returncode, got.stdout) == (0, flood)


def test_hex_goes_in_and_comes_out(mezha: Run, start: Start) -> None:
    server = start("echo", "0", "--framing", "varint", "--hex")
    got = mezha("send", server.port, "--framing", "varint", "--hex", "--replies", "2", "00ff", "0a")
    assert (got.returncode, got.stdout) == (0, "00ff\n0a\n")
    assert [server.line(), server.line()] == ["00ff", "0a"]
    wrong = mezha("send", server.port, "--framing", "varint", "--hex", "--replies", "all", stdin="00\nxyz\n")
    assert wrong.returncode == 1
    assert wrong.stderr == "mezha send: line 2: 'xyz' is not a message in hex digits, two for each byte\n"


def test_what_is_passed_over_is_told(mezha: Run, start: Start) -> None:
    server = start("listen", "0", "--framing", "skip:lines", "--max-message", "5")
    mezha("send", server.port, "--framing", "lines", "one", "too long", "two")
    assert [server.line(), server.line()] == ["one", "two"]
    assert server.notice().endswith(" connected")
    assert server.notice().startswith("passed over: the peer sent more than 5 bytes without ending the message; ")
    assert server.notice().endswith(" closed, after 2 messages")
    port = start("echo", "0", "--framing", "lines", "--quiet").port
    sent = mezha("send", port, "--framing", "skip:lines", "--max-message", "5", "--replies", "1", stdin="one\n")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "one\n", "")


def test_json_lines(mezha: Run, start: Start) -> None:
    server = start("listen", "127.0.0.1:0", "--framing", "lines", "--json")
    mezha("send", server.place, "--framing", "lines", "Привіт")
    record = json.loads(server.line())
    assert list(record) == ["peer", "time", "size", "text"]
    assert record["peer"].startswith("127.0.0.1:")
    assert abs(datetime.fromisoformat(record["time"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (record["size"], record["text"]) == (12, "Привіт")


def test_unix_sockets(mezha: Run, start: Start, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = start("echo", "--unix", path, "--framing", "lines", "--json")
    assert server.place == path
    got = mezha("send", "--unix", path, "--framing", "lines", "--replies", "all", "one", "two")
    assert (got.returncode, got.stdout) == (0, "one\ntwo\n")
    assert json.loads(server.line())["peer"] == "client 1"
    assert server.interrupt()[0] == 130
    assert not Path(path).exists()


def test_tls(mezha: Run, start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    server = start("echo", "0", "--framing", "lines", "--quiet", "--cert", str(tmp_path / "cert.pem"))
    send = ("send", server.port, "--framing", "lines", "--replies", "1", "Hello!")

    trusting = mezha(*send, "--ca", str(tmp_path / "ca.pem"))
    assert (trusting.returncode, trusting.stdout) == (0, "Hello!\n")
    reckless = mezha(*send, "--insecure")
    assert (reckless.returncode, reckless.stdout) == (0, "Hello!\n")
    careful = mezha(*send, "--tls")
    assert (careful.returncode, careful.stdout) == (1, "")
    assert careful.stderr.startswith(f"mezha send: cannot trust 127.0.0.1:{server.port}: ")
    assert careful.stderr.count("\n") == 1
    misnamed = mezha(*send, "--ca", str(tmp_path / "ca.pem"), "--server-name", "example.org")
    assert misnamed.returncode == 1
    assert "example.org" in misnamed.stderr


def test_a_server_may_ask_for_certificates(mezha: Run, start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine = authority.issue_cert("127.0.0.1")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    own = ("--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem"), "--ca", str(tmp_path / "ca.pem"))
    port = start("echo", "0", "--framing", "lines", "--quiet", *own).port
    known = mezha("send", port, "--framing", "lines", "--replies", "1", "Hello!", *own)
    assert (known.returncode, known.stdout) == (0, "Hello!\n")
    unknown = mezha("send", port, "--framing", "lines", "--replies", "1", "Hello!", "--ca", str(tmp_path / "ca.pem"))
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.count("\n") == 1


def test_what_is_too_large_is_refused_here_and_there(mezha: Run, start: Start) -> None:
    server = start("listen", "0", "--framing", "lines", "--max-message", "10")
    refused = mezha("send", server.port, "--framing", "lines", "--max-message", "10", "short", "x" * 11)
    assert refused.returncode == 1
    assert refused.stderr.startswith("mezha send: the message has 11 bytes")
    assert server.line() == "short"
    server.notice()
    server.notice()
    mezha("send", server.port, "--framing", "lines", "x" * 11)
    assert server.notice().endswith("connected")
    notice = server.notice()
    assert notice.startswith("mezha listen: 127.0.0.1:")
    assert "MessageTooLarge" in notice


def test_a_reply_that_does_not_come(mezha: Run, start: Start) -> None:
    port = start("listen", "0", "--framing", "lines").port
    late = mezha("send", port, "--framing", "lines", "--replies", "1", "--timeout", "0.05", "x")
    assert (late.returncode, late.stderr) == (1, "mezha send: no reply within 0.05 s, after 0 of 1\n")
    quiet = mezha("send", port, "--framing", "lines", "--replies", "all", "x")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_peer_that_ends_too_soon(mezha: Run) -> None:
    with Script(limit=20).expect(b"x\n").say(b"one\n").close() as peer:
        done = mezha("send", str(peer.address[1]), "--framing", "lines", "--replies", "2", "x")
    assert (done.returncode, done.stdout) == (1, "one\n")
    assert done.stderr == "mezha send: the peer ended its stream after 1 of 2 replies\n"


def test_the_port_is_taken(mezha: Run, start: Start) -> None:
    server = start("listen", "0", "--framing", "lines")
    second = mezha("listen", server.place, "--framing", "lines")
    assert second.returncode == 1
    assert second.stderr == f"mezha listen: cannot listen on {server.place}: Address already in use\n"


@pytest.mark.skipif(not shutil.which("head"), reason="needs head")
def test_a_reader_that_has_had_enough(mezha: Run, start: Start) -> None:
    server = start("listen", "0", "--framing", "lines")
    assert server.process.stdout
    server.process.stdout.close()
    mezha("send", server.port, "--framing", "lines", "x")
    _, errors = server.process.communicate(timeout=20)
    assert server.process.returncode == 141
    assert "Traceback" not in errors
    assert "Broken pipe" not in errors
