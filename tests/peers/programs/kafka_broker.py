"""Be a cluster of one Kafka broker, the one that librdkafka brings for tests; print its port."""

import threading

from confluent_kafka import Producer

producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
(broker,) = producer.list_topics(timeout=20).brokers.values()
print("port", broker.port, flush=True)
threading.Event().wait()
