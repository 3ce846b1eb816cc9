"""What carriers' reports need from the outside world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from qs.domain.kernel.errors import Unauthenticated
from qs.domain.notification.delivery import Delivery
from qs.domain.notification.fates import Report

MOST_RECEIPTS = 1000
"""How many receipts are read at once."""


class ReceiptsUnauthenticated(Unauthenticated):
    code = "receipts.unauthenticated"
    sentence = (
        "these receipts do not show that they come from the channel's provider, so they are not believed; send the secret "
        "of its settings as they say"
    )


class ReceiptBook(Protocol):
    """What became of the messages of one tenant, in the running transaction."""

    async def lock_message(self, message_id: UUID) -> Sequence[Delivery]:
        """The deliveries that went out in the message, locked; none where there is no such message."""
        ...

    async def note(self, delivery: Delivery, report: Report, provider_id: str | None) -> bool:
        """Keeps the report with the attempt it is about: that with the provider's id, else the last one.

        A delivery that went out with that attempt and is lost becomes dead. False where the report was kept before.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is in the ledger: ``message_id`` is what its receivers know it by."""

    tenant_id: UUID
    message_id: UUID


class Whereabouts(Protocol):
    """Finds messages across tenants for those who report without knowing of any."""

    async def of_message(self, message_id: UUID, channel: str) -> Place | None: ...

    async def of_provider_id(self, provider_id: str, channel: str) -> Place | None:
        """None also where the id does not tell one message from others."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's report. The message is known by our id or by the provider's."""

    report: Report
    message_id: UUID | None = None
    provider_id: str | None = None


class ReceiptReading(Protocol):
    """How the provider of a channel reports, and shows that it is the provider."""

    def read(
        self, headers: Mapping[str, str], key: str | None, media_type: str, body: bytes
    ) -> Sequence[Receipt]:
        """What is reported; what is neither a success nor an end is left out.

        ``headers`` are by lower-case name, ``key`` is that of the query.

        Raises:
            ReceiptsUnauthenticated: whoever asks is not the provider.
            Invalid: the body cannot be read.
        """
        ...
