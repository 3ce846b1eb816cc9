"""Which class stands for which broker. What a product's file imports is there only where it is installed."""

from importlib import import_module
from importlib.util import find_spec

from qs.application.kernel.brokers import EventBroker, MessageQueue
from qs.infra.brokers.addressing import BrokerAddress
from qs.infra.brokers.names import Names

# By type: its file, the class for events, the class for requests, and the packages it needs.
_KINDS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "kafka": ("kafka", "KafkaEvents", "KafkaQueue", ("faststream", "confluent_kafka")),
    "nats": ("nats", "NatsEvents", "NatsQueue", ("faststream", "nats")),
    "rabbitmq": ("rabbitmq", "RabbitEvents", "RabbitRequests", ("faststream", "aio_pika")),
    "nsq": ("nsq", "NsqEvents", "NsqQueue", ()),
}


def missing_packages(kind: str) -> list[str]:
    """The packages that are needed for this type of broker and not installed."""
    return [package for package in _KINDS[kind][3] if find_spec(package) is None]


def make_events(kind: str, address: BrokerAddress, names: Names) -> EventBroker:
    """Raises KeyError for a type there is none of."""
    file, events, _, _ = _KINDS[kind]
    broker: EventBroker = getattr(import_module(f"qs.infra.brokers.{file}"), events)(address, names)
    return broker


def make_queue(kind: str, address: BrokerAddress, names: Names) -> MessageQueue:
    """Raises KeyError for a type there is none of."""
    file, _, queue, _ = _KINDS[kind]
    made: MessageQueue = getattr(import_module(f"qs.infra.brokers.{file}"), queue)(address, names)
    return made
