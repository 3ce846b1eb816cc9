"""`python kafka_mock.py`: the mock cluster of librdkafka, one broker in memory, until standard input ends.

It is the broker that the Kafka client's own tests run against: real connections, produce and fetch requests, idempotent
producers and consumer groups; nothing is kept over a restart. Prints its address.
"""

import sys

from confluent_kafka import Producer


def main() -> None:
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": 1})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    sys.stdout.write(f"{broker.host}:{broker.port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
