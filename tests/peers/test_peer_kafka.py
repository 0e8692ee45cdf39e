"""Kafka's protocol: mezha asks the broker that librdkafka brings for tests, and stands between it and librdkafka."""

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient
from peers.daemons import Daemon, Daemons
from peers.proofs import BOTH, Proof, proves
from peers.through import Through
from waiting import PATIENCE

from mezha.framing import Kafka

LIBRDKAFKA = Proof(
    "kafka",
    "Apache Kafka protocol guide, Common Request and Response Structure",
    "librdkafka (client, mock broker)",
    lambda: confluent_kafka.libversion()[0],
)
API_VERSIONS, METADATA = 18, 3


@pytest.fixture(scope="session")
def broker(daemons: Daemons) -> Daemon:
    return daemons.python("kafka_broker.py", says="port")


@proves(BOTH, LIBRDKAFKA)
def test_the_broker_answers_two_requests(broker: Daemon, through: Through) -> None:
    with through.connect(broker.port, Kafka()) as peer:
        peer.send_many(
            [
                API_VERSIONS.to_bytes(2, "big") + bytes.fromhex("0000 00000007 0005") + b"mezha",
                METADATA.to_bytes(2, "big") + bytes.fromhex("0000 00000008 0005") + b"mezha" + bytes(4),
            ]
        )
        versions, metadata = peer.recv(timeout=PATIENCE), peer.recv(timeout=PATIENCE)
        assert versions[:6] == bytes.fromhex("00000007 0000")  # the correlation ID, no error
        assert int.from_bytes(versions[6:10], "big") * 6 == len(versions) - 10
        # one broker, of number 1, at an address of this machine and this port
        host = b"127.0.0.1"
        assert metadata[:18] == bytes.fromhex("00000008 00000001 00000001 0009") + host[:4]
        assert broker.port.to_bytes(4, "big") in metadata


@proves(BOTH, LIBRDKAFKA)
def test_librdkafka_asks_through_mezha(broker: Daemon, through: Through) -> None:
    relay = through.relay(broker.port, Kafka())
    client = AdminClient({"bootstrap.servers": "{}:{}".format(*relay.address), "log_level": 0})
    cluster = client.list_topics(timeout=PATIENCE)
    assert [found.port for found in cluster.brokers.values()] == [broker.port]
    asked = {int.from_bytes(request[4:8], "big"): int.from_bytes(request[:2], "big") for request in relay.up}
    answered = [asked[int.from_bytes(response[:4], "big")] for response in relay.down]
    assert API_VERSIONS in answered
    assert METADATA in answered
