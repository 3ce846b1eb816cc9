"""Creating no more than a tenant may have, however many create at once."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from qs.domain.kernel.quotas import Quota, QuotaReached

Count = Callable[[], Awaitable[int]]
"""How many there are of what the quota counts."""


class Quotas(Protocol):
    """The limits of the unit of work's own tenant."""

    async def limit(self, quota: Quota) -> int | None:
        """How many there may be, None where there is no limit.

        With a limit, whoever else asks for the same waits until this unit of work is over, so that nobody adds to
        what it counts from now on. Without one nobody waits.
        """
        ...


async def require_room(quotas: Quotas, quota: Quota, count: Count, wanted: int = 1) -> None:
    """Returns where ``wanted`` more may be created in this unit of work.

    Raises:
        QuotaReached: they would be more than the tenant may have.
    """
    limit = await quotas.limit(quota)
    if limit is not None and await count() + wanted > limit:
        raise QuotaReached(quota, limit)
