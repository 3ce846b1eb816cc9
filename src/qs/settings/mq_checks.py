"""Rules over the settings of the message broker."""

import re
from collections.abc import Iterator

from qs.infra.brokers.choosing import missing_packages
from qs.settings.sections import Settings

# Together with what follows it, still a name that every broker takes; NSQ's are the shortest.
_PREFIX = re.compile(r"(?=.{1,40}\Z)[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*", re.ASCII)


def find_mq_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every rule they break, as (key, what is wrong and what is expected)."""
    mq = settings.mq
    if mq.type is None:
        if mq.host is not None or mq.accept_jobs:
            yield "mq.type", "is missing; expected kafka, nats, rabbitmq or nsq, or nothing in mq"
        return
    if missing_packages(mq.type):
        yield (
            "mq.type",
            f"is {mq.type}, which needs packages that are missing; pip install 'qs[brokers]', or leave it out",
        )
    if mq.host is None:
        yield "mq.host", "is missing; events go out to the broker there"
    if not _PREFIX.fullmatch(mq.prefix):
        yield "mq.prefix", "expected 1 to 40 of a-z, 0-9, _, - and dots between them, such as qs or clinic.qs"
    if mq.type != "nsq" and (mq.username is None) != (mq.password is None):
        missing = "mq.username" if mq.username is None else "mq.password"
        yield missing, "is missing; a login at the broker needs both mq.username and mq.password"
    if mq.ca_file is not None and not mq.ca_file.is_file():
        yield "mq.ca_file", f"is {mq.ca_file}, which is not a file; expected a PEM file"
    elif mq.ca_file is not None and not mq.tls:
        yield "mq.tls", "is false, and mq.ca_file is set; expected true, or no mq.ca_file"
    if mq.accept_jobs and mq.tenant is None:
        yield "mq.tenant", "is missing; whose jobs the messages of the broker may run"
