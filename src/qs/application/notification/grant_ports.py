"""What granting needs from the outside world."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from qs.domain.notification.granting import Grant


class GrantBook(Protocol):
    """The grants of one tenant, in the running transaction."""

    async def add(self, testee_id: UUID, recipient: str, channel: str, template: str, count: int) -> Grant:
        """Adds ``count`` to what was given; returns what is true now."""

    async def of_testee(self, testee_id: UUID) -> Sequence[Grant]:
        """Those of the testee and the guardians."""

    async def take(
        self, message_id: UUID, testee_id: UUID, recipient: str, channel: str, template: str
    ) -> int | None:
        """Takes one for the message, or finds the one it has; how many are left, None if there was none.

        After None the transaction must not be committed.
        """

    async def give_back(self, message_id: UUID) -> None:
        """What the message took is there again."""

    async def write_off(self, message_id: UUID, left: int) -> None:
        """The message's is used, and so are ``left`` more of its kind, or as many as there are still."""
