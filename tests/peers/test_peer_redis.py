"""Redis: mezha asks the server, in both versions of its protocol, and stands between it and redis-cli."""

import subprocess

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import number
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Resp

SPECIFICATION = "Redis serialization protocol, RESP2 and RESP3"


def find(name: str) -> str:
    return program(name, "redis-server")


REDIS = Proof("resp", SPECIFICATION, "Redis", lambda: number(output_of(find("redis-server"), "--version")))
CLI = Proof("resp", SPECIFICATION, "redis-cli (hiredis)", lambda: number(output_of(find("redis-cli"), "--version")))

#: A reply of many kinds, and how it begins in both versions.
_SCRIPT = b"redis.setresp(3) return {1, 'two', {3, {'four'}}, false, {ok='five'}, {map={six=7}}, {double=8.5}, {}}"
_NESTED = b"*8\r\n:1\r\n$3\r\ntwo\r\n*2\r\n:3\r\n*1\r\n$4\r\nfour\r\n"


@pytest.fixture(scope="session")
def redis(daemons: Daemons) -> Daemon:
    port = free_port()
    command = [find("redis-server"), "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
    return daemons.start("redis", command, port=port, says="Ready to accept connections")


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


@proves(BOTH, REDIS)
def test_redis_answers_each_command_with_a_value(redis: Daemon, through: Through) -> None:
    commands = [
        command(b"SET", b"name", b"\r\n$3\r\n\0\xff"),
        command(b"GET", b"name"),
        command(b"GET", b"nobody"),
        command(b"DEL", b"list"),
        command(b"RPUSH", b"list", b"", b"b"),
        command(b"LRANGE", b"list", b"0", b"-1"),
        command(b"EVAL", _SCRIPT, b"0"),
        command(b"NONSENSE"),
    ]
    with through.connect(redis.port, Resp()) as peer:
        peer.send_many(commands)
        answers = [peer.recv(timeout=PATIENCE) for _ in commands]
    assert answers[:3] == [b"+OK\r\n", b"$8\r\n\r\n$3\r\n\0\xff\r\n", b"$-1\r\n"]
    assert answers[4:6] == [b":2\r\n", b"*2\r\n$0\r\n\r\n$1\r\nb\r\n"]
    assert answers[6] == _NESTED + b":0\r\n+five\r\n*2\r\n$3\r\nsix\r\n:7\r\n$3\r\n8.5\r\n*0\r\n"
    assert answers[7].startswith(b"-ERR unknown command 'NONSENSE'")


@proves(BOTH, REDIS)
def test_redis_speaks_resp3(redis: Daemon, through: Through) -> None:
    with through.connect(redis.port, Resp()) as peer:
        peer.send(command(b"HELLO", b"3"))
        assert peer.recv(timeout=PATIENCE).startswith(b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n")
        peer.send_many([command(b"EVAL", _SCRIPT, b"0"), command(b"SUBSCRIBE", b"news"), command(b"PING")])
        answer = peer.recv(timeout=PATIENCE)
        assert answer == _NESTED + b"#f\r\n+five\r\n%1\r\n$3\r\nsix\r\n:7\r\n,8.5\r\n*0\r\n"
        assert peer.recv(timeout=PATIENCE) == b">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
        assert peer.recv(timeout=PATIENCE) == b"+PONG\r\n"


@proves(BOTH, CLI)
def test_redis_cli_asks_through_mezha(redis: Daemon, through: Through) -> None:
    relay = through.relay(redis.port, Resp())
    host, port = relay.address
    ran = subprocess.run(
        [find("redis-cli"), "-h", host, "-p", str(port), "--no-auth-warning", "-3", "EVAL", "return {1, {'two'}}", "0"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert ran.stdout.split() == ["1", "two"]
    assert relay.up == [command(b"HELLO", b"3"), command(b"EVAL", b"return {1, {'two'}}", b"0")]
    assert relay.down[0].startswith(b"%7\r\n")
    assert relay.down[1] == b"*2\r\n:1\r\n*1\r\n$3\r\ntwo\r\n"
