"""The link by which somebody who gets messages stops them: made where messages are, read where testees are kept."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class OptOutWish:
    """No messages to a testee on a channel; ``plan_id`` None means of every plan."""

    tenant_id: UUID
    testee_id: UUID
    channel: str
    plan_id: UUID | None


class OptOutLinks(Protocol):
    def url(self, wish: OptOutWish) -> str | None:
        """The link, the same each time; None where nobody knows how this installation is reached from outside."""
        ...

    def read(self, token: str) -> OptOutWish | None:
        """The wish that the link's token was made for; None for anything else."""
        ...
