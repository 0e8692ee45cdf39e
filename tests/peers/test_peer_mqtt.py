"""MQTT: mezha subscribes and publishes at mosquitto, and stands between it and its clients."""

import subprocess

import pytest
from peers.daemons import HOST, Daemon, Daemons, free_port, output_of, program
from peers.proofs import BOTH, Proof, proves
from peers.table import release
from peers.through import Through
from waiting import PATIENCE, until

from mezha.framing import Mqtt, VarintPrefixed

SPECIFICATION = "MQTT 3.1.1, 2.2; MQTT 5.0, 2.1"
BROKER = Proof("mqtt", SPECIFICATION, "mosquitto", lambda: release("mosquitto"))
CLIENTS = Proof("mqtt", SPECIFICATION, "mosquitto_pub, mosquitto_sub", lambda: release("mosquitto-clients"))
#: Long enough for a remaining length of two bytes.
LONG = b"Hello, World! " * 12


@pytest.fixture(scope="session")
def mosquitto(daemons: Daemons) -> Daemon:
    port, folder = free_port(), daemons.folder("mosquitto")
    configuration = folder / "mosquitto.conf"
    configuration.write_text(f"listener {port} {HOST}\nallow_anonymous true\nuser root\n")
    return daemons.start("mosquitto", [program("mosquitto", "mosquitto"), "-c", configuration], port=port)


def packet(first: int, body: bytes = b"") -> bytes:
    return b"".join((bytes((first,)), *VarintPrefixed().encode(body)))


def text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


@proves(BOTH, BROKER)
@pytest.mark.parametrize("version", [4, 5])
def test_mosquitto_carries_what_is_published(mosquitto: Daemon, through: Through, version: int) -> None:
    properties = b"\0" if version == 5 else b""
    with through.connect(mosquitto.port, Mqtt()) as peer:
        peer.send(packet(0x10, text(b"MQTT") + bytes((version, 2, 0, 60)) + properties + text(b"")))
        connack = peer.recv(timeout=PATIENCE)
        assert (connack[0], connack[2:4]) == (0x20, b"\0\0")
        peer.send(packet(0x82, b"\0\1" + properties + text(b"mezha/#") + b"\0"))
        assert peer.recv(timeout=PATIENCE) == packet(0x90, b"\0\1" + properties + b"\0")
        published = [packet(0x30, text(b"mezha/%d" % len(body)) + properties + body) for body in (b"", b"Hello!", LONG)]
        peer.send_many(published)
        assert [peer.recv(timeout=PATIENCE) for _ in published] == published
        peer.send(packet(0xC0))
        assert peer.recv(timeout=PATIENCE) == packet(0xD0)
        peer.send(packet(0xE0))


@proves(BOTH, BROKER, CLIENTS)
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_the_clients_talk_through_mezha(mosquitto: Daemon, through: Through, version: str) -> None:
    relay = through.relay(mosquitto.port, Mqtt())
    host, port = relay.address
    where = ["-V", version, "-h", host, "-p", str(port), "-t", f"through/{version}/{through.cut}", "-q", "1"]
    subscriber = subprocess.Popen(
        [program("mosquitto_sub", "mosquitto-clients"), *where, "-C", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        until(lambda: any(message[0] == 0x90 for message in relay.down))  # it has subscribed
        for body in ("Hello!", LONG.decode()):
            output_of(program("mosquitto_pub", "mosquitto-clients"), *where, "-m", body)
        output, _ = subscriber.communicate(timeout=PATIENCE)
    finally:
        subscriber.kill()
    assert output == b"Hello!\n" + LONG + b"\n"
    until(lambda: sum(message == packet(0xE0) for message in relay.up) == 3)  # nobody waits for its goodbye
    assert [message[0] & 0xF0 for message in relay.up].count(0x30) == 2
    assert sum(message.endswith(LONG) for message in (*relay.up, *relay.down)) == 2
