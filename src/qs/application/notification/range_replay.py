"""Giving many dead deliveries another chance at once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.notification.ports import DeadRange, NotificationUnitOfWorkFactory
from qs.domain.kernel.errors import Invalid, Problem

MOST_PER_REPLAY = 10_000


class ReplayRangeMissing(Invalid):
    code = "notification.replay_range_missing"
    sentence = "it is not said which notifications to send anew; give since or until, or status dead for all that are dead"

    def __init__(self) -> None:
        super().__init__([Problem("/since", "is required, or until or status instead")])


@dataclass(frozen=True, slots=True)
class RangeReplayed:
    """``more`` says that there are more than one replay takes; the same call goes on."""

    replayed: int
    more: bool


class NotificationRangeReplay:
    def __init__(self, unit_of_work: NotificationUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def replay(
        self,
        tenant_id: UUID,
        *,
        actor: str,
        since: datetime | None = None,
        until: datetime | None = None,
        channel: str | None = None,
        everything: bool = False,
    ) -> RangeReplayed:
        """Queues what is dead and was made from ``since`` until before ``until`` anew, at most 10,000, the oldest first.

        What is not to be sent any more is skipped when it is its turn, as ever.

        Raises:
            ReplayRangeMissing: neither bound is given, and ``everything`` is not wanted.
        """
        if since is None and until is None and not everything:
            raise ReplayRangeMissing
        async with self._unit_of_work(tenant_id) as uow:
            count = await uow.deliveries.revive_range(DeadRange(since, until, channel), MOST_PER_REPLAY)
            detail = {"replayed": count}
            await uow.audit.add("notification.replayed", "notification", None, actor=actor, detail=detail)
            await uow.commit("notification.replay_range")
        return RangeReplayed(count, more=count == MOST_PER_REPLAY)
